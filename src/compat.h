/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs between PostgreSQL 13 and 18, and only that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_COMPAT_H
#define TRUUST_COMPAT_H

#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif

/* 15: custom settings reserve their prefix, which was a warning before */
#if PG_VERSION_NUM >= 150000
#define truust_reserve_prefix(prefix) MarkGUCPrefixReserved(prefix)
#else
#define truust_reserve_prefix(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 16: one function checks the ACL of any kind of object */
#if PG_VERSION_NUM >= 160000
#define truust_server_aclcheck(serverid, roleid)                                                   \
	object_aclcheck(ForeignServerRelationId, serverid, roleid, ACL_USAGE)
#define truust_function_aclcheck(function, roleid)                                                 \
	object_aclcheck(ProcedureRelationId, function, roleid, ACL_EXECUTE)
#else
#define truust_server_aclcheck(serverid, roleid)                                                   \
	pg_foreign_server_aclcheck(serverid, roleid, ACL_USAGE)
#define truust_function_aclcheck(function, roleid) pg_proc_aclcheck(function, roleid, ACL_EXECUTE)
#endif

/* 16: one function checks who owns any kind of object */
#if PG_VERSION_NUM >= 160000
#define truust_owns_relation(relation, roleid)                                                     \
	object_ownercheck(RelationRelationId, relation, roleid)
#define truust_database_ownercheck(database, roleid)                                               \
	object_ownercheck(DatabaseRelationId, database, roleid)
#else
#define truust_owns_relation(relation, roleid) pg_class_ownercheck(relation, roleid)
#define truust_database_ownercheck(database, roleid) pg_database_ownercheck(database, roleid)
#endif

/* 14: money's type has a new name */
#if PG_VERSION_NUM < 140000
#define MONEYOID CASHOID
#endif

/* 14: multiranges */
#if PG_VERSION_NUM >= 140000
#define truust_multirange_range(type) get_multirange_range(type)
#else
#define truust_multirange_range(type) InvalidOid
#endif

/* 15: the timeline that this server writes; before, a variable that is right outside recovery */
#if PG_VERSION_NUM >= 150000
#define truust_timeline() GetWALInsertionTimeLine()
#else
#define truust_timeline() ThisTimeLineID
#endif

/* 14: the hook of utility commands is told whether the tree is read-only */
#if PG_VERSION_NUM >= 140000
#define TRUUST_UTILITY_PARAMETERS                                                                  \
	PlannedStmt *pstmt, const char *queryString, bool readOnlyTree, ProcessUtilityContext context, \
		ParamListInfo params, QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc
#define TRUUST_UTILITY_ARGUMENTS                                                                   \
	pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc
#else
#define TRUUST_UTILITY_PARAMETERS                                                                  \
	PlannedStmt *pstmt, const char *queryString, ProcessUtilityContext context,                    \
		ParamListInfo params, QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc
#define TRUUST_UTILITY_ARGUMENTS pstmt, queryString, context, params, queryEnv, dest, qc
#endif

/* 15: a generator of random numbers of its own; from 0 to under 1 */
#if PG_VERSION_NUM >= 150000
#define truust_random_fraction() pg_prng_double(&pg_global_prng_state)
#else
#define truust_random_fraction() (random() / (MAX_RANDOM_VALUE + 1.0))
#endif

/* 17: a wait set belongs to a resource owner, not to a memory context; both mean the session here */
#if PG_VERSION_NUM >= 170000
#define truust_create_wait_set(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define truust_create_wait_set(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* 17: an extension names its wait events; asked for once in a process, because it takes a lock */
#if PG_VERSION_NUM >= 170000
#define truust_wait_event(name) WaitEventExtensionNew(name)
#else
#define truust_wait_event(name) PG_WAIT_EXTENSION
#endif

/* 14: what is inserted into is an argument, not part of the executor's state; 16, 18: one argument more */
#if PG_VERSION_NUM >= 180000
#define truust_check_indexes(rri, slot, estate, other)                                             \
	ExecCheckIndexConstraints(rri, slot, estate, other, &(ItemPointerData){{0, 0}, 0}, NIL)
#elif PG_VERSION_NUM >= 140000
#define truust_check_indexes(rri, slot, estate, other)                                             \
	ExecCheckIndexConstraints(rri, slot, estate, other, NIL)
#else
#define truust_check_indexes(rri, slot, estate, other)                                             \
	ExecCheckIndexConstraints(slot, estate, other, NIL)
#endif
#if PG_VERSION_NUM >= 160000
#define truust_insert_indexes(rri, slot, estate, no_error, conflict)                               \
	ExecInsertIndexTuples(rri, slot, estate, false, no_error, conflict, NIL, false)
#elif PG_VERSION_NUM >= 140000
#define truust_insert_indexes(rri, slot, estate, no_error, conflict)                               \
	ExecInsertIndexTuples(rri, slot, estate, false, no_error, conflict, NIL)
#else
#define truust_insert_indexes(rri, slot, estate, no_error, conflict)                               \
	ExecInsertIndexTuples(slot, estate, no_error, conflict, NIL)
#endif
/* 16: an update may concern summarizing indexes only */
#if PG_VERSION_NUM >= 160000
#define TruustIndexesToUpdate TU_UpdateIndexes
#define truust_update_indexes(rri, slot, estate, which)                                            \
	((which) == TU_None ? (void) 0                                                                 \
						: (void) ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL,  \
													   (which) == TU_Summarizing))
#elif PG_VERSION_NUM >= 140000
#define TruustIndexesToUpdate bool
#define truust_update_indexes(rri, slot, estate, which)                                            \
	(!(which) ? (void) 0 : (void) ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL))
#else
#define TruustIndexesToUpdate bool
#define truust_update_indexes(rri, slot, estate, which)                                            \
	(!(which) ? (void) 0 : (void) ExecInsertIndexTuples(slot, estate, false, NULL, NIL))
#endif

/* 16: more than one page may be asked for */
#if PG_VERSION_NUM >= 160000
#define truust_buffer_for_row(rel, size, visibility_map)                                           \
	RelationGetBufferForTuple(rel, size, InvalidBuffer, 0, NULL, visibility_map, NULL, 0)
#else
#define truust_buffer_for_row(rel, size, visibility_map)                                           \
	RelationGetBufferForTuple(rel, size, InvalidBuffer, 0, NULL, visibility_map, NULL)
#endif

#if PG_VERSION_NUM >= 140000
#define truust_set_result_relation(estate, rri) ((void) 0)
#else
#define truust_set_result_relation(estate, rri) ((estate)->es_result_relation_info = (rri))
#endif

#endif /* TRUUST_COMPAT_H */
