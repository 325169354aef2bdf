/*-------------------------------------------------------------------------
 *
 * attach_map.h
 *		What an attachment says, and the columns that it names: shared by the
 *		files of attach.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ATTACH_MAP_H
#define TRUUST_ATTACH_MAP_H

#include "utils/jsonb.h"
#include "utils/rel.h"

#include "attach.h"
#include "endpoint.h"
#include "statement.h"

/* One parameter of create_order and the column that it is taken from. */
typedef struct TruustMapping
{
	const TruustParameter *parameter;
	char				  *column;
} TruustMapping;

/*
 * A row of truust.attachments, in the memory context it was read in.
 */
typedef struct TruustAttachment
{
	int64		   id;
	Oid			   relation;
	int			   n_keys;
	char		 **keys; /* columns of the primary key */
	int			   n_mappings;
	TruustMapping *mappings;
	char		  *order_id; /* columns; status and link may be NULL */
	char		  *status;
	char		  *link;
	char		  *server;
	char		  *role; /* "": detached, kept for the requests that came of it */
	Oid			   role_oid;
	char		  *search_path;
	char		  *index_name; /* index that truust_attach made, or NULL */
} TruustAttachment;

/* Columns for truust_attachment_read, in its order. */
#define TRUUST_ATTACHMENT_COLUMNS                                                                  \
	"a.id, a.relation::pg_catalog.oid, a.key_columns, a.args, a.order_id_column, "                 \
	"a.status_column, "                                                                            \
	"a.link_column, a.server, a.role, a.search_path, a.index_name, " TRUUST_ROLE_OID("a")

/* Read row i of the last SPI result, selected with the columns above. */
extern TruustAttachment *truust_attachment_read(uint64 row);

/* The attachment by its id, or NULL.  Needs SPI and the owner's rights. */
extern TruustAttachment *truust_attachment_get(int64 id);

/*
 * The arguments of truust_attach as mappings.  Raises 22023 where args is not
 * an object of texts or names an unknown parameter, or a required one is missing.
 */
extern int truust_mappings_of(Jsonb *args, TruustMapping **mappings);

/*
 * Type of a column.  Raises 42703 where it is not there (any more); what says
 * what it is for ("parameter value", "the order's id").
 */
extern Oid truust_attached_column_type(Oid relation, const char *column, const char *what);

/* A relation's name for SQL and for messages. */
extern char *truust_relation_name(Oid relation);

/* Whether a type, or what its domain is of, is a string to PostgreSQL (its category). */
extern bool truust_is_string_type(Oid type);

/*
 * Fill in attachment (of relation, order_id, status and link) what it lacks, its
 * primary key and its mappings, and raise where a table or column cannot be
 * what it is to be.
 */
extern void truust_attachment_check(TruustAttachment *attachment, Relation relation, Jsonb *args);

/*
 * The UPDATE that fills in rows found by their primary keys: $1 keys jsonb[],
 * $2 order ids bigint[], $3 statuses text[], $4 links text[].  Rows that have
 * another order already are left as they are.  Returns the places (from 1) in
 * the arrays of those that were written.
 */
extern char *truust_fill_statement(const TruustAttachment *attachment);

/* The SELECT of the order's id, as text, in the row whose key is $1 jsonb. */
extern char *truust_row_statement(const TruustAttachment *attachment);

/* The SELECT that finds whether any row has one of the orders $1 bigint[]. */
extern char *truust_concerns_statement(const TruustAttachment *attachment);

/*
 * The UPDATE for rows found by their orders: $1 order ids bigint[], $2 statuses
 * text[], $3 links text[] (NULL: left as it is).  NULL if there is nothing to write.
 */
extern char *truust_update_statement(const TruustAttachment *attachment);

/*
 * The SELECT that makes requests of new rows: columns args jsonb, key jsonb, and the name
 * of a column that must not be null but is.  source: a FROM item named n.
 */
extern char *truust_request_select(const TruustAttachment *attachment, const char *source);

/*
 * The SELECT that converts one mapping of new rows: raises where a value cannot
 * be converted.  Columns: a number, and a value that would be rounded, as text.
 * NULL: every value can be converted.
 */
extern char *truust_conversion_select(const TruustAttachment *attachment,
									  const TruustMapping *mapping, const char *source);

/*
 * From here to there values become text, and are read from it, in the one form
 * that every session reads as the same value.  Unwinds by itself on an error.
 */
extern int	truust_plain_text_enter(void);
extern void truust_plain_text_leave(int level);

#endif /* TRUUST_ATTACH_MAP_H */
