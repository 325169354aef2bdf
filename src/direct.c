/*-------------------------------------------------------------------------
 *
 * direct.c
 *		Rows of the extension's own tables, written without a plan.
 *
 * A call that returns an order writes two rows.  As SQL, starting and ending
 * the executor takes several times as long as the writing itself, and more
 * than everything else that a call does; so they go straight to the table and
 * its indexes, as logical replication's rows do.  So do a worker's: it has locked
 * the rows that it changes, and a join that finds them again would cost it as
 * much as the change.
 *
 * Only where that makes no difference.  A table to which somebody has added
 * a trigger, a rule, a constraint, an index of another kind or a column that
 * fills itself, or which is partitioned or has row security forced, is not
 * plain, and the caller takes SQL.
 *
 * What the executor makes anew for each statement (its state, what is known of
 * the indexes) is kept for the session.  It holds no relation open: that is done
 * for each use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/hio.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "direct.h"

/* What is kept of a table that rows are written to. */
typedef struct TruustWriter
{
	MemoryContext	cxt;
	EState		   *estate;
	ResultRelInfo  *rri; /* its relations are those of the present use */
	TupleTableSlot *slot;
	TupleTableSlot *old;
	int				n_indexes;
	Oid			   *indexes;
	BlockNumber		n_blocks; /* of the table, when this use began */
	bool			wrote;
	Size			row_size; /* bytes, of the last one that was inserted */
	int64			number;	  /* drawn for the identity of the next row; 0: not yet */
	uint32			token;	  /* of the speculative insertion that comes next; 0: none */
} TruustWriter;

static TruustTable *known_tables = NULL;

static void
on_invalidation(Datum arg, Oid relation)
{
	for (TruustTable *table = known_tables; table; table = table->next)
		if (relation == InvalidOid || relation == table->relation || relation == table->sequence)
			table->relation = InvalidOid;
}

/* A generated column of ours whose value stays what it is. */
static bool
stays(const TruustTable *table, Form_pg_attribute att)
{
	return table->stays && strcmp(NameStr(att->attname), table->stays) == 0;
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
		if (given || stays(table, att))
			continue;
		if (att->attgenerated || (!table->update_only && (att->atthasdef || att->attnotnull)))
			return false;
	}
	return true;
}

/* Triggers besides our own, which looks at rows that we did not make. */
static bool
has_triggers(const TriggerDesc *triggers)
{
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, "arrival") != 0)
			return true;
	return false;
}

static bool
is_plain(const TruustTable *table, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		rel->rd_rel->relforcerowsecurity || has_triggers(rel->trigdesc) || rel->rd_rules ||
		(desc->constr && desc->constr->num_check != table->n_checks) ||
		(table->identity && !table->sequence))
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
		if (table->update_only)
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

/* Made for one state of the table, of which nothing is open. */
static void
forget_writer(TruustTable *table)
{
	if (table->writer)
		MemoryContextDelete(table->writer->cxt);
	table->writer = NULL;
}

static Oid
find_table(const char *name)
{
	Oid schema = get_namespace_oid("truust", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

static TruustTable *
known_table(const char *name)
{
	for (TruustTable *table = known_tables; table; table = table->next)
		if (OidIsValid(table->relation) && strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

void
truust_table_lock(const char *name)
{
	TruustTable *table = known_table(name);
	Oid			 relation = table ? table->relation : find_table(name);

	if (OidIsValid(relation))
		LockRelationOid(relation, RowExclusiveLock);
	if (table && !OidIsValid(table->relation)) /* another one has its name by now */
		truust_table_lock(name);
}

/* Open the table, with all that is known of it; NULL: there is none. */
static Relation
open_table(TruustTable *table)
{
	Oid		 relation;
	Relation rel;

	if (OidIsValid(table->relation))
	{
		rel = try_relation_open(table->relation, RowExclusiveLock);
		if (rel && OidIsValid(table->relation))
			return rel; /* nothing changed before the lock was there */
		if (rel)
			table_close(rel, NoLock);
	}
	relation = find_table(table->name);
	rel = OidIsValid(relation) ? try_relation_open(relation, RowExclusiveLock) : NULL;
	if (rel == NULL)
		return NULL;
	forget_writer(table);
	list_table(table);
	find_columns(table, rel);
	table->plain = is_plain(table, rel);
	table->relation = relation;
	return rel;
}

static bool
is_users_function(Oid function, void *unused)
{
	return function >= FirstNormalObjectId;
}

/* Whether an expression runs a function that somebody has made. */
static bool
runs_users_code(Node *node, void *unused)
{
	return node && (check_functions_in_node(node, is_users_function, NULL) ||
					expression_tree_walker(node, runs_users_code, NULL));
}

/* Indexes of which nothing is deferred, nothing kept that belongs to a statement, and no user's code runs. */
static bool
has_plain_indexes(const ResultRelInfo *rri)
{
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		Relation   index = rri->ri_IndexRelationDescs[i];
		IndexInfo *info = rri->ri_IndexRelationInfo[i];

		if (index->rd_rel->relam != BTREE_AM_OID || !index->rd_index->indimmediate ||
			info->ii_Expressions != NIL || runs_users_code((Node *) info->ii_Predicate, NULL))
			return false;
	}
	return true;
}

/* Rows are formed by a copy of the table's description, which no use of the table outlives. */
static TupleTableSlot *
make_slot(Relation rel)
{
	return MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(RelationGetDescr(rel)),
									table_slot_callbacks(rel));
}

/* All that is kept, with the relations of this use open in it. */
static void
make_writer(TruustTable *table, Relation rel)
{
	MemoryContext cxt =
		AllocSetContextCreate(CacheMemoryContext, "truust table", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	TruustWriter *writer = palloc0(sizeof(TruustWriter));

	writer->cxt = cxt;
	writer->estate = CreateExecutorState();
	writer->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->rri, rel, 0, NULL, 0);
	truust_set_result_relation(writer->estate, writer->rri);
	ExecOpenIndices(writer->rri, table->unique);
	writer->slot = make_slot(rel);
	writer->old = make_slot(rel);
	writer->n_indexes = writer->rri->ri_NumIndices;
	writer->indexes = palloc(sizeof(Oid) * Max(writer->n_indexes, 1));
	for (int i = 0; i < writer->n_indexes; i++)
		writer->indexes[i] = RelationGetRelid(writer->rri->ri_IndexRelationDescs[i]);
	MemoryContextSwitchTo(old);
	table->writer = writer;
}

/* The relations of this use. */
static void
open_writer(TruustWriter *writer, Relation rel)
{
	writer->rri->ri_RelationDesc = rel;
	for (int i = 0; i < writer->n_indexes; i++)
		writer->rri->ri_IndexRelationDescs[i] = index_open(writer->indexes[i], RowExclusiveLock);
	/* what a use that failed left behind */
	ExecClearTuple(writer->slot);
	ExecClearTuple(writer->old);
	ResetPerTupleExprContext(writer->estate);
}

bool
truust_table_open(TruustTable *table, AclMode rights)
{
	Relation rel = open_table(table);

	if (rel == NULL)
		return false;
	if (!table->plain ||
		pg_class_aclmask(RelationGetRelid(rel), GetUserId(), rights, ACLMASK_ALL) != rights)
	{
		table_close(rel, NoLock);
		return false;
	}
	if (rights & ACL_UPDATE)
		CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	if (table->writer)
		open_writer(table->writer, rel);
	else
		make_writer(table, rel);
	table->writer->wrote = false;
	table->writer->number = 0;
	table->writer->token = 0; /* one of a use that failed went with its transaction */
	table->writer->n_blocks = table->update_only ? RelationGetNumberOfBlocks(rel) : 0;
	if (has_plain_indexes(table->writer->rri))
		return true;
	table->plain = false;
	truust_table_close(table);
	return false;
}

static uint32
take_token(TruustWriter *writer)
{
	uint32 token = writer->token;

	writer->token = 0;
	return token ? token : SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
}

static int64
take_number(TruustTable *table)
{
	int64 number = table->writer->number;

	table->writer->number = 0;
	return number ? number : nextval_internal(table->sequence, false);
}

/* Have a page at hand that has room for a row like the last one. */
static void
reserve_page(TruustWriter *writer)
{
	Relation rel = writer->rri->ri_RelationDesc;
	Buffer	 visibility_map = InvalidBuffer;

	if (writer->row_size == 0)
		return;
	UnlockReleaseBuffer(truust_buffer_for_row(rel, writer->row_size, &visibility_map));
	if (BufferIsValid(visibility_map))
		ReleaseBuffer(visibility_map);
}

void
truust_table_reserve(TruustTable *table)
{
	TruustWriter *writer = table->writer;

	reserve_page(writer);
	if (table->identity)
		writer->number = take_number(table);
	if (table->unique)
		writer->token = take_token(writer);
}

void
truust_table_close(TruustTable *table)
{
	TruustWriter *writer = table->writer;

	if (writer->token)
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	/* their locks are kept, as the table's is: the next use in this transaction finds them held */
	for (int i = 0; i < writer->n_indexes; i++)
		index_close(writer->rri->ri_IndexRelationDescs[i], NoLock);
	table_close(writer->rri->ri_RelationDesc, NoLock);
	if (writer->wrote)
		CommandCounterIncrement();
}

static void
set_value(TupleTableSlot *slot, AttrNumber attnum, Datum value, bool isnull)
{
	slot->tts_values[attnum - 1] = value;
	slot->tts_isnull[attnum - 1] = isnull;
}

/* The slot holds a row: it must have what a row must have. */
static void
store(Relation rel, TupleTableSlot *slot)
{
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(slot->tts_tupleDescriptor, i);

		if (slot->tts_isnull[i] && att->attnotnull && !att->attisdropped)
			ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
							errmsg("null value in column \"%s\" of relation \"%s\"",
								   NameStr(att->attname), RelationGetRelationName(rel)),
							errtablecol(rel, att->attnum)));
	}
	ExecStoreVirtualTuple(slot);
}

/*
 * INSERT ... ON CONFLICT DO NOTHING; false: nothing was done.  The look before
 * the insertion only saves the dead row where there is a conflict.
 */
static bool
insert_unless_there(TruustWriter *writer, bool expect_new)
{
	Relation rel = writer->rri->ri_RelationDesc;

	for (;;)
	{
		ItemPointerData other;
		bool			conflict = false;
		uint32			token;

		CHECK_FOR_INTERRUPTS();
		if (!expect_new && !truust_check_indexes(writer->rri, writer->slot, writer->estate, &other))
			return false;
		expect_new = false;
		token = take_token(writer);
		table_tuple_insert_speculative(rel, writer->slot, GetCurrentCommandId(true), 0, NULL,
									   token);
		(void) truust_insert_indexes(writer->rri, writer->slot, writer->estate, true, &conflict);
		table_tuple_complete_speculative(rel, writer->slot, token, !conflict);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!conflict)
			return true;
	}
}

bool
truust_table_insert(TruustTable *table, const Datum *values, const bool *nulls, bool expect_new,
					int64 *id)
{
	TruustWriter   *writer = table->writer;
	TupleTableSlot *slot = writer->slot;
	Relation		rel = writer->rri->ri_RelationDesc;
	bool			inserted = true;

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < table->n; i++)
		set_value(slot, table->attnums[i], values[i], nulls[i]);
	if (table->identity)
	{
		int64 number = take_number(table);

		set_value(slot, table->identity, Int64GetDatum(number), false);
		if (id)
			*id = number;
	}
	store(rel, slot);
	if (table->unique)
		inserted = insert_unless_there(writer, expect_new);
	else
	{
		table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
		(void) truust_insert_indexes(writer->rri, slot, writer->estate, false, NULL);
	}
	writer->wrote |= inserted;
	/* what is longer than this is cut down to it before it gets onto a page */
	if (inserted && rel->rd_rel->relam == HEAP_TABLE_AM_OID)
		writer->row_size = Min(((HeapTupleTableSlot *) slot)->tuple->t_len, TOAST_TUPLE_THRESHOLD);
	ExecClearTuple(slot);
	ResetPerTupleExprContext(writer->estate);
	return inserted;
}

/* Whether the version at tid, read into writer->old, has these values. */
static bool
matches(TruustTable *table, const Datum *values, const bool *match)
{
	TupleTableSlot *old = table->writer->old;

	for (int i = 0; i < table->n; i++)
	{
		int				  column = table->attnums[i] - 1;
		Form_pg_attribute att = TupleDescAttr(old->tts_tupleDescriptor, column);

		if (match[i] &&
			(old->tts_isnull[column] ||
			 !datum_image_eq(old->tts_values[column], values[i], att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

/* The row as it is, with what is to be replaced; in writer->slot. */
static void
change_row(TruustTable *table, const Datum *values, const bool *nulls, const bool *replace)
{
	TupleTableSlot *slot = table->writer->slot;
	TupleTableSlot *old = table->writer->old;
	int				natts = slot->tts_tupleDescriptor->natts;

	memcpy(slot->tts_values, old->tts_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, old->tts_isnull, natts * sizeof(bool));
	for (int i = 0; i < table->n; i++)
		if (replace[i])
			set_value(slot, table->attnums[i], values[i], nulls[i]);
	store(table->writer->rri->ri_RelationDesc, slot);
}

/* Read the version at tid. */
static bool
fetch(TruustTable *table, ItemPointer tid, Snapshot snapshot)
{
	TruustWriter *writer = table->writer;

	if (!table_tuple_fetch_row_version(writer->rri->ri_RelationDesc, tid, snapshot, writer->old))
		return false;
	slot_getallattrs(writer->old);
	return true;
}

/* Put writer->slot in the place of the version at tid; false: that is not the last one. */
static bool
replace_row(TruustTable *table, ItemPointer tid)
{
	TruustWriter		 *writer = table->writer;
	TruustIndexesToUpdate indexes;
	LockTupleMode		  lock;
	TM_FailureData		  failure;
	TM_Result result = table_tuple_update(writer->rri->ri_RelationDesc, tid, writer->slot,
										  GetCurrentCommandId(true), InvalidSnapshot,
										  InvalidSnapshot, true, &failure, &lock, &indexes);

	if (result == TM_Ok)
	{
		truust_update_indexes(writer->rri, writer->slot, writer->estate, indexes);
		*tid = writer->slot->tts_tid;
		writer->wrote = true;
	}
	ExecClearTuple(writer->slot);
	ExecClearTuple(writer->old);
	ResetPerTupleExprContext(writer->estate);
	return result == TM_Ok;
}

void
truust_table_update(TruustTable *table, ItemPointer tid, const Datum *values, const bool *nulls,
					const bool *replace)
{
	CHECK_FOR_INTERRUPTS();
	/* the lock says that it is the last one, whatever the snapshot's age */
	if (!fetch(table, tid, SnapshotAny))
		elog(ERROR, "a locked row of \"%s\" is gone", table->name);
	change_row(table, values, nulls, replace);
	if (!replace_row(table, tid))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("a row of \"%s\" was changed by somebody else at the same moment",
							   table->name)));
}

bool
truust_table_update_if(TruustTable *table, const ItemPointerData *at, const Datum *values,
					   const bool *nulls, const bool *replace, const bool *match)
{
	ItemPointerData tid = *at;

	CHECK_FOR_INTERRUPTS();
	if (!ItemPointerIsValid(&tid) || ItemPointerGetBlockNumber(&tid) >= table->writer->n_blocks ||
		!fetch(table, &tid, GetActiveSnapshot()))
		return false;
	if (!matches(table, values, match))
	{
		ExecClearTuple(table->writer->old);
		return false;
	}
	change_row(table, values, nulls, replace);
	return replace_row(table, &tid);
}
