/*-------------------------------------------------------------------------
 *
 * insert.h
 *		Single rows into the extension's own tables without a plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_INSERT_H
#define TRUUST_INSERT_H

#include "access/attnum.h"

#define TRUUST_MAX_INSERT_COLUMNS 24

typedef enum TruustInserted
{
	TRUUST_INSERTED,
	TRUUST_ALREADY_THERE, /* a row with this key; only where the table is unique */
	TRUUST_NOT_PLAIN	  /* the table is for SQL to write to: nothing was done */
} TruustInserted;

/*
 * A table in schema truust: a static variable.
 */
typedef struct TruustTable
{
	const char *name;
	bool		unique; /* a row with its key may be there already */
	int			n;		/* columns to be given; an identity column gets its number by itself */
	const char *columns[TRUUST_MAX_INSERT_COLUMNS];

	/* found at first use, forgotten when the table changes */
	Oid					relation; /* InvalidOid: not known */
	bool				plain;
	AttrNumber			attnums[TRUUST_MAX_INSERT_COLUMNS];
	AttrNumber			identity; /* 0: none */
	Oid					sequence;
	bool				listed;
	struct TruustTable *next; /* of those that are listed */
} TruustTable;

/*
 * Insert a row as the current user, who must own the table.  It is visible to
 * the commands that follow.  Raises what an INSERT would raise.
 */
extern TruustInserted truust_insert(TruustTable *table, const Datum *values, const bool *nulls);

#endif /* TRUUST_INSERT_H */
