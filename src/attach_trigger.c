/*-------------------------------------------------------------------------
 *
 * attach_trigger.c
 *		New rows of an attached table into requests.
 *
 * An ordinary table has one trigger for each statement, which reads the new
 * rows from the transition table piece by piece: memory stays flat however
 * many there are.  A partitioned table has a row trigger, because only those
 * are passed on to its partitions and fire for rows inserted there directly.
 *
 * The arguments are computed as whoever inserts (a column's type may bring
 * code of its own); the requests are written as the owner of the extension's
 * tables, and belong to the role that attached the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "attach_map.h"
#include "compat.h"
#include "owner.h"
#include "role_name.h"
#include "slots.h"
#include "wire.h"

PG_FUNCTION_INFO_V1(truust_attached);

#define ROWS_AT_ONCE 1000
#define TRANSITION_TABLE "truust_new"

/*
 * What a trigger needs, kept for the session.  An attachment does not change
 * while it has this trigger, whose OID is never another's.
 */
typedef struct AttachedTrigger
{
	Oid				  trigger; /* hash key */
	MemoryContext	  context;
	TruustAttachment *attachment;
	SPIPlanPtr		  select;
	SPIPlanPtr		 *conversions; /* of each mapping, NULL where nothing can go wrong */
	TupleDesc		  row;		   /* what the plans were made for, where they take a row */
} AttachedTrigger;

static HTAB *triggers = NULL;

static TruustStatement insert_query = {
	"INSERT INTO truust.requests (operation, args, role, server, search_path, attachment_id, "
	"attachment_row)"
	" SELECT 'create_order', v.args, $3, $4, $5, $6, v.key"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS v (args, key)"
	" RETURNING " TRUUST_ROLE_OID("requests"),
	6,
	{JSONBARRAYOID, JSONBARRAYOID, NAMEOID, TEXTOID, TEXTOID, INT8OID}};

/* ---------------------------------------------------------------- the trigger's entry */

static void
forget(AttachedTrigger *entry)
{
	Oid key = entry->trigger;

	for (int i = 0; i < entry->attachment->n_mappings; i++)
		if (entry->conversions[i])
			SPI_freeplan(entry->conversions[i]);
	SPI_freeplan(entry->select);
	if (entry->context)
		MemoryContextDelete(entry->context);
	hash_search(triggers, &key, HASH_REMOVE, NULL);
}

/* The attachment that the trigger was made for; a trigger that somebody else made is refused. */
static TruustAttachment *
attachment_of(const TriggerData *data)
{
	Oid				  relation = RelationGetRelid(data->tg_relation);
	TruustRoleState	  state;
	TruustAttachment *attachment = NULL;

	if (data->tg_trigger->tgnargs == 1)
	{
		truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
		attachment = truust_attachment_get(strtoll(data->tg_trigger->tgargs[0], NULL, 10));
		truust_owner_leave(&state);
	}
	if (attachment == NULL || attachment->role[0] == '\0' ||
		!(attachment->relation == relation ||
		  list_member_oid(get_partition_ancestors(relation), attachment->relation)))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table %s is not attached", truust_relation_name(relation)),
						errhint("Only truust_attach() makes triggers that call truust.attached(): "
								"call it, or drop trigger \"%s\".",
								data->tg_trigger->tgname)));
	return attachment;
}

/* Where a statement finds the new rows. */
static const char *
source_of(const TriggerData *data)
{
	return TRIGGER_FIRED_FOR_ROW(data->tg_event) ? "(SELECT ($1).*) AS n"
												 : TRANSITION_TABLE " AS n";
}

static SPIPlanPtr
prepare(const TriggerData *data, const char *sql)
{
	bool	   by_row = TRIGGER_FIRED_FOR_ROW(data->tg_event);
	Oid		   row_type = data->tg_relation->rd_rel->reltype;
	SPIPlanPtr plan = SPI_prepare(sql, by_row ? 1 : 0, &row_type);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the trigger of %s: %s",
			 RelationGetRelationName(data->tg_relation), SPI_result_code_string(SPI_result));
	return plan;
}

static void
prepare_conversions(const TriggerData *data, const TruustAttachment *attachment, SPIPlanPtr *plans)
{
	for (int i = 0; i < attachment->n_mappings; i++)
	{
		char *sql = truust_conversion_select(attachment, &attachment->mappings[i], source_of(data));

		if (sql)
			plans[i] = prepare(data, sql);
	}
}

/* A plan that takes a row depends on no table, so that nobody but us notices that its columns have changed. */
static bool
is_valid(const AttachedTrigger *entry, const TriggerData *data)
{
	bool valid = SPI_plan_is_valid(entry->select) &&
				 (!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
				  equalTupleDescs(entry->row, RelationGetDescr(data->tg_relation)));

	for (int i = 0; valid && i < entry->attachment->n_mappings; i++)
		valid = entry->conversions[i] == NULL || SPI_plan_is_valid(entry->conversions[i]);
	return valid;
}

/*
 * The entry of the trigger that is firing.  A plan that is no longer valid is
 * made anew, because a column may be gone.
 */
static AttachedTrigger *
entry_of(const TriggerData *data)
{
	AttachedTrigger	 *entry;
	MemoryContext	  context, old;
	TruustAttachment *attachment;
	SPIPlanPtr		  select;
	SPIPlanPtr		 *conversions;
	TupleDesc		  row;
	Oid				  key = data->tg_trigger->tgoid;

	if (triggers == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(AttachedTrigger);
		triggers = hash_create("truust attached triggers", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(triggers, &key, HASH_FIND, NULL);
	if (entry && is_valid(entry, data))
		return entry;
	if (entry)
		forget(entry);

	context = AllocSetContextCreate(CurrentMemoryContext, "truust attached trigger",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	attachment = attachment_of(data);
	conversions = palloc0(sizeof(SPIPlanPtr) * Max(attachment->n_mappings, 1));
	select = prepare(data, truust_request_select(attachment, source_of(data)));
	prepare_conversions(data, attachment, conversions);
	row = CreateTupleDescCopyConstr(RelationGetDescr(data->tg_relation));
	MemoryContextSwitchTo(old);

	entry = hash_search(triggers, &key, HASH_ENTER, NULL);
	entry->context = context;
	entry->attachment = attachment;
	entry->select = select;
	entry->conversions = conversions;
	entry->row = row;
	MemoryContextSetParent(context, TopMemoryContext);
	return entry;
}

/* ---------------------------------------------------------------- rows into requests */

static char *
used_for(const TruustMapping *mapping)
{
	return psprintf("The table is attached: each new row becomes an order, whose parameter \"%s\" "
					"is taken from this column.",
					mapping->parameter->name);
}

/* A value that create_order cannot be called with, of a column that it is taken from. */
static void
refuse_value(const TruustAttachment *attachment, const TruustMapping *mapping, const char *value,
			 const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("%s in column \"%s\" of table %s is %s", value, mapping->column,
						   truust_relation_name(attachment->relation), what),
					errdetail("%s", used_for(mapping))));
}

typedef struct Conversion
{
	const char *table;
	const char *column;
	const char *parameter;
} Conversion;

/* An error while a column is converted says which. */
static void
name_conversion(void *arg)
{
	const Conversion *conversion = arg;

	errcontext("column \"%s\" of attached table %s as parameter \"%s\" of create_order",
			   conversion->column, conversion->table, conversion->parameter);
}

/*
 * Convert one column of the new rows for nothing but the error, which names it: in the
 * statement that makes the requests nobody could tell one column from another.
 */
static void
try_conversion(const TruustAttachment *attachment, const TruustMapping *mapping, SPIPlanPtr plan,
			   Datum *row)
{
	Conversion			 conversion = {truust_relation_name(attachment->relation), mapping->column,
									   mapping->parameter->name};
	ErrorContextCallback callback = {error_context_stack, name_conversion, &conversion};
	Portal				 portal;
	char				*rounded;

	error_context_stack = &callback;
	portal = SPI_cursor_open(NULL, plan, row, NULL, true);
	SPI_cursor_fetch(portal, true, 1);
	error_context_stack = callback.previous;
	rounded = truust_result_text(0, 2);
	if (rounded)
		refuse_value(attachment, mapping, rounded, "not a whole number");
	SPI_freetuptable(SPI_tuptable);
	SPI_cursor_close(portal);
}

static void
try_conversions(const AttachedTrigger *entry, Datum *row)
{
	for (int i = 0; i < entry->attachment->n_mappings; i++)
		if (entry->conversions[i])
			try_conversion(entry->attachment, &entry->attachment->mappings[i],
						   entry->conversions[i], row);
}

static void
refuse_null(const TruustAttachment *attachment, const TruustMapping *mapping)
{
	ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("column \"%s\" of table %s must not be null", mapping->column,
						   truust_relation_name(attachment->relation)),
					errdetail("%s", used_for(mapping)),
					errhint("Set the column \"%s\" in the same statement to insert a row that is "
							"an order already, or has none.",
							attachment->order_id)));
}

/* Whatever else create_order would not take. */
static void
check_request(Jsonb *args)
{
	const TruustEndpoint *create_order = truust_endpoint_find("create_order");
	TruustWire			  wire;

	truust_wire_build_from_jsonb(&wire, truust_endpoint_signature(create_order), NULL, args);
}

/* What a column holds for extra must be what create_order takes. */
static void
check_extra(const TruustAttachment *attachment, const TruustMapping *mapping, Jsonb *args)
{
	Conversion			 conversion = {truust_relation_name(attachment->relation), mapping->column,
									   mapping->parameter->name};
	ErrorContextCallback callback = {error_context_stack, name_conversion, &conversion};

	if (truust_json_get(args, mapping->parameter->name) == NULL)
		return;
	error_context_stack = &callback;
	check_request(args);
	error_context_stack = callback.previous;
}

/* Refuse a row that create_order could never be called with. */
static void
check_row(const TruustAttachment *attachment, uint64 row, Jsonb *args)
{
	char *column = truust_result_text(row, 3);

	for (int i = 0; i < attachment->n_mappings; i++)
	{
		const TruustMapping *m = &attachment->mappings[i];
		JsonbValue			 value;

		if (column && m->parameter->required && strcmp(m->column, column) == 0)
			refuse_null(attachment, m);
		if (m->parameter->type != NUMERICOID)
			continue;
		/* JSON has no number for NaN and infinity: there they are strings */
		if (getKeyJsonValueFromContainer(&args->root, m->parameter->name,
										 strlen(m->parameter->name), &value) &&
			value.type == jbvString)
			refuse_value(attachment, m, pnstrdup(value.val.string.val, value.val.string.len),
						 "not a number that can be sent");
	}
	for (int i = 0; i < attachment->n_mappings; i++)
		if (attachment->mappings[i].parameter->place == TRUUST_IN_EXTRA)
			check_extra(attachment, &attachment->mappings[i], args);
	/* there a text may be no UTF-8, which JSON has to be */
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		check_request(args);
}

/* The rows of the last result into requests. */
static void
enqueue_rows(const TruustAttachment *attachment, uint64 n)
{
	TruustColumn	args;
	TruustColumn	keys;
	Datum			values[6];
	char		   *role;
	TruustRoleState state;
	bool			isnull;

	if (n == 0)
		return;
	truust_column_init(&args, JSONBOID, n);
	truust_column_init(&keys, JSONBOID, n);
	for (uint64 i = 0; i < n; i++)
	{
		Datum arguments = truust_result(i, 1, &isnull);

		check_row(attachment, i, DatumGetJsonbP(arguments));
		truust_column_add(&args, arguments, false);
		truust_column_add(&keys, truust_result(i, 2, &isnull), false);
	}
	values[0] = truust_column_array(&args);
	values[1] = truust_column_array(&keys);
	role = truust_role_name(attachment->role_oid, attachment->role);
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(role));
	values[3] = CStringGetTextDatum(attachment->server);
	values[4] = CStringGetTextDatum(attachment->search_path);
	values[5] = Int64GetDatum(attachment->id);
	truust_owner_enter(&state, TRUUST_OWNER_INSERTS);
	truust_statement_run(&insert_query, values, NULL, 0);
	if (truust_role_exists(attachment->role_oid))
		truust_role_check_written(attachment->role_oid, truust_result_oid(0, 1));
	SPI_freetuptable(SPI_tuptable);
	truust_owner_leave(&state);
	truust_worker_wake_at_commit(TRUUST_WORKER_REQUESTS);
}

static void
enqueue_statement(TriggerData *data)
{
	AttachedTrigger *entry;
	Portal			 portal;
	MemoryContext	 piece;

	SPI_register_trigger_data(data);
	entry = entry_of(data);
	try_conversions(entry, NULL);
	portal = SPI_cursor_open(NULL, entry->select, NULL, NULL, true);
	piece = AllocSetContextCreate(CurrentMemoryContext, "truust new rows", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		MemoryContext  old;
		SPITupleTable *rows;
		uint64		   n;

		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		n = SPI_processed;
		rows = SPI_tuptable;
		old = MemoryContextSwitchTo(piece);
		enqueue_rows(entry->attachment, n);
		MemoryContextSwitchTo(old);
		SPI_freetuptable(rows);
		MemoryContextReset(piece);
		if (n < ROWS_AT_ONCE)
			break;
	}
	SPI_cursor_close(portal);
}

static void
enqueue_row(TriggerData *data)
{
	AttachedTrigger *entry = entry_of(data);
	Datum row = heap_copy_tuple_as_datum(data->tg_trigtuple, RelationGetDescr(data->tg_relation));
	int	  result;

	try_conversions(entry, &row);
	result = SPI_execute_plan(entry->select, &row, NULL, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not read a new row: %s", SPI_result_code_string(result));
	enqueue_rows(entry->attachment, SPI_processed);
}

/* truust.attached(): the trigger of attached tables */
Datum
truust_attached(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	int			 level;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("truust.attached() is an AFTER INSERT trigger that truust_attach() makes")));
	SPI_connect();
	level = truust_plain_text_enter();
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		enqueue_row(data);
	else
		enqueue_statement(data);
	truust_plain_text_leave(level);
	SPI_finish();
	return PointerGetDatum(NULL);
}
