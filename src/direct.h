/*-------------------------------------------------------------------------
 *
 * direct.h
 *		Rows of the extension's own tables, written without a plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_DIRECT_H
#define TRUUST_DIRECT_H

#include "access/attnum.h"
#include "nodes/parsenodes.h"
#include "storage/itemptr.h"

#define TRUUST_MAX_COLUMNS 24

/*
 * A table in schema truust and those of its columns that are written: a static
 * variable.
 */
typedef struct TruustTable
{
	const char *name;
	bool		unique; /* a row with its key may be there already */
	int			n;		/* columns that are given; an identity column gets its number by itself */
	const char *columns[TRUUST_MAX_COLUMNS];
	bool		update_only;
	const char *stays;	  /* a generated column that depends on nothing that is written, or NULL */
	int			n_checks; /* check constraints of ours, which hold for whatever is written */

	/* found at first use, forgotten when the table changes */
	Oid					 relation; /* InvalidOid: not known */
	bool				 plain;
	AttrNumber			 attnums[TRUUST_MAX_COLUMNS];
	AttrNumber			 identity; /* 0: none */
	Oid					 sequence;
	struct TruustWriter *writer;
	bool				 listed;
	struct TruustTable	*next; /* of those that are listed */
} TruustTable;

/*
 * Lock a table of schema truust as whoever writes to it does, for the rest of
 * the transaction; one that is not there is no error here.
 */
extern void truust_table_lock(const char *name);

/*
 * Open the table for rows that follow, as the current user, who must have the
 * rights that are named (ACL_INSERT, ACL_UPDATE).  False: the table is for SQL to
 * write to, and nothing was opened.
 */
extern bool truust_table_open(TruustTable *table, AclMode rights);

/*
 * See to what the next insertion into the open table needs besides its row: room on
 * a page, the number of an identity column, the right to try.  For whoever has time
 * before the row is known; what is not used goes with the table's closing.
 */
extern void truust_table_reserve(TruustTable *table);

/*
 * Insert a row.  False: there is one with its key, and nothing was done; if
 * expect_new says otherwise, that costs a dead row, and if it does not, a look
 * before.  *id gets the number of its identity column, unless id is NULL.
 * Raises what an INSERT would raise.
 */
extern bool truust_table_insert(TruustTable *table, const Datum *values, const bool *nulls,
								bool expect_new, int64 *id);

/*
 * Update the row at tid, which this transaction has locked: the columns that
 * replace says, no others.  Its key must stay.  Raises a serialization failure
 * where the row is not that one any more.  tid becomes that of the new version.
 */
extern void truust_table_update(TruustTable *table, ItemPointer tid, const Datum *values,
								const bool *nulls, const bool *replace);

/*
 * The same for a row that is not locked.  False: the row at tid is not one
 * with the values that are given for the columns that match says, or somebody
 * else has changed it meanwhile; nothing was done.  The columns of match must
 * tell the version from all others: after VACUUM FULL another row is there.
 * The place stays what it is, for another attempt if this transaction fails.
 */
extern bool truust_table_update_if(TruustTable *table, const ItemPointerData *at,
								   const Datum *values, const bool *nulls, const bool *replace,
								   const bool *match);

/* Close it.  What was written is visible to the commands that follow. */
extern void truust_table_close(TruustTable *table);

#endif /* TRUUST_DIRECT_H */
