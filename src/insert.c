/*-------------------------------------------------------------------------
 *
 * insert.c
 *		Single rows into the extension's own tables without a plan.
 *
 * A call that returns an order writes two rows.  As SQL, starting and ending
 * the executor takes several times as long as the writing itself, and more
 * than everything else that a call does; so they go straight to the table and
 * its indexes, as logical replication's rows do.
 *
 * Only where that makes no difference.  A table to which somebody has added
 * a trigger, a rule, a constraint or a column that fills itself, or which is
 * partitioned or has row security forced, is not plain, and the caller takes
 * SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "insert.h"

static TruustTable *known_tables = NULL;

static void
on_invalidation(Datum arg, Oid relation)
{
	for (TruustTable *table = known_tables; table; table = table->next)
		if (relation == InvalidOid || relation == table->relation || relation == table->sequence)
			table->relation = InvalidOid;
}

/* Whether the columns that are not given take care of themselves, that is, of being NULL. */
static bool
has_plain_columns(const TruustTable *table, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool			  given = att->attnum == table->identity || att->attisdropped;

		for (int j = 0; j < table->n; j++)
			given = given || table->attnums[j] == att->attnum;
		if (att->attgenerated || (!given && (att->atthasdef || att->attnotnull)))
			return false;
	}
	return true;
}

static bool
is_plain(const TruustTable *table, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		rel->rd_rel->relforcerowsecurity || rel->trigdesc || rel->rd_rules ||
		(desc->constr && desc->constr->num_check > 0) || (table->identity && !table->sequence))
		return false;
	for (int i = 0; i < table->n; i++)
		if (table->attnums[i] == InvalidAttrNumber)
			return false;
	return has_plain_columns(table, desc);
}

/* The sequence behind an identity column. */
static Oid
sequence_of(const char *table, const char *column)
{
	Datum name = DirectFunctionCall2(pg_get_serial_sequence,
									 CStringGetTextDatum(psprintf("truust.%s", table)),
									 CStringGetTextDatum(column));

	return DatumGetObjectId(DirectFunctionCall1(to_regclass, name));
}

static void
find_columns(TruustTable *table, Relation rel)
{
	table->identity = InvalidAttrNumber;
	table->sequence = InvalidOid;
	for (int i = 0; i < table->n; i++)
		table->attnums[i] = get_attnum(RelationGetRelid(rel), table->columns[i]);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (att->attidentity == '\0' || att->attisdropped)
			continue;
		table->identity = att->attnum;
		table->sequence = sequence_of(table->name, NameStr(att->attname));
	}
}

static void
list_table(TruustTable *table)
{
	if (known_tables == NULL)
		CacheRegisterRelcacheCallback(on_invalidation, (Datum) 0);
	if (table->listed)
		return;
	table->next = known_tables;
	known_tables = table;
	table->listed = true;
}

/* Open the table, with all that is known of it; NULL: there is none. */
static Relation
open_table(TruustTable *table)
{
	Oid		 schema, relation;
	Relation rel;

	if (OidIsValid(table->relation))
	{
		rel = try_relation_open(table->relation, RowExclusiveLock);
		if (rel && OidIsValid(table->relation))
			return rel; /* nothing changed before the lock was there */
		if (rel)
			table_close(rel, NoLock);
	}
	schema = get_namespace_oid("truust", true);
	relation = OidIsValid(schema) ? get_relname_relid(table->name, schema) : InvalidOid;
	rel = OidIsValid(relation) ? try_relation_open(relation, RowExclusiveLock) : NULL;
	if (rel == NULL)
		return NULL;
	list_table(table);
	find_columns(table, rel);
	table->plain = is_plain(table, rel);
	table->relation = relation;
	return rel;
}

static TupleTableSlot *
make_slot(TruustTable *table, Relation rel, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < table->n; i++)
	{
		slot->tts_values[table->attnums[i] - 1] = values[i];
		slot->tts_isnull[table->attnums[i] - 1] = nulls[i];
	}
	if (table->identity)
	{
		slot->tts_values[table->identity - 1] =
			Int64GetDatum(nextval_internal(table->sequence, false));
		slot->tts_isnull[table->identity - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
	return slot;
}

/* Whether a column that must not be null is: SQL says it better. */
static bool
lacks_value(const TupleTableSlot *slot)
{
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (slot->tts_isnull[i] && TupleDescAttr(slot->tts_tupleDescriptor, i)->attnotnull &&
			!TupleDescAttr(slot->tts_tupleDescriptor, i)->attisdropped)
			return true;
	return false;
}

/* INSERT ... ON CONFLICT DO NOTHING; false: nothing was done. */
static bool
insert_unless_there(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate)
{
	for (;;)
	{
		ItemPointerData other;
		bool			conflict = false;
		uint32			token;

		CHECK_FOR_INTERRUPTS();
		if (!truust_check_indexes(rri, slot, estate, &other))
			return false;
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(rri->ri_RelationDesc, slot, GetCurrentCommandId(true), 0,
									   NULL, token);
		(void) truust_insert_indexes(rri, slot, estate, true, &conflict);
		table_tuple_complete_speculative(rri->ri_RelationDesc, slot, token, !conflict);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!conflict)
			return true;
	}
}

static bool
insert_slot(const TruustTable *table, Relation rel, TupleTableSlot *slot)
{
	EState		  *estate = CreateExecutorState();
	ResultRelInfo *rri = makeNode(ResultRelInfo);
	bool		   inserted = true;

	InitResultRelInfo(rri, rel, 0, NULL, 0);
	truust_set_result_relation(estate, rri);
	ExecOpenIndices(rri, table->unique);
	if (table->unique)
		inserted = insert_unless_there(rri, slot, estate);
	else
	{
		table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
		(void) truust_insert_indexes(rri, slot, estate, false, NULL);
	}
	ExecCloseIndices(rri);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	return inserted;
}

TruustInserted
truust_insert(TruustTable *table, const Datum *values, const bool *nulls)
{
	Relation		rel = open_table(table);
	TruustInserted	result = TRUUST_NOT_PLAIN;
	TupleTableSlot *slot;

	if (rel == NULL)
		return TRUUST_NOT_PLAIN;
	if (table->plain && pg_class_aclcheck(table->relation, GetUserId(), ACL_INSERT) == ACLCHECK_OK)
	{
		slot = make_slot(table, rel, values, nulls);
		if (lacks_value(slot))
			ExecDropSingleTupleTableSlot(slot);
		else if (insert_slot(table, rel, slot))
			result = TRUUST_INSERTED;
		else
			result = TRUUST_ALREADY_THERE;
	}
	table_close(rel, NoLock);
	if (result == TRUUST_INSERTED)
		CommandCounterIncrement();
	return result;
}
