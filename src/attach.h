/*-------------------------------------------------------------------------
 *
 * attach.h
 *		Merchant tables that are tied to orders.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ATTACH_H
#define TRUUST_ATTACH_H

#include "utils/jsonb.h"

/*
 * An order that came of an attached row.
 */
typedef struct TruustAttachedOrder
{
	int64		attachment_id;
	const char *server; /* that the order lives at */
	Jsonb	   *row;	/* primary key of the row: {"column": "value", ...} */
	Jsonb	   *order;	/* as the API returned it; NULL: it returned nothing */
} TruustAttachedOrder;

/*
 * Write the orders' ids, states and links into the rows that they came of,
 * with the rights of the roles that attached the tables.  In a transaction
 * with SPI.  Raises what the tables raise, 42703 where a column is gone, and
 * where an order finds no place: 22023 it has no id, P0002 no such row, 55000 the row has
 * another order, the table is not attached (any more).  A table that is gone is passed over.
 */
extern void truust_attached_fill(const TruustAttachedOrder *orders, int n);

/*
 * The same for orders whose status has changed: every attached table of the
 * server (NULL: of any) that has rows of these orders.  buyer_links, and its
 * elements, may be NULL: left as they are.
 */
extern void truust_attached_update(const char *server, int n, const int64 *order_ids,
								   char **statuses, char **buyer_links);

/*
 * Forget attachments that have ended, and with dropped_too those whose tables are gone, once no request needs
 * them: all that came of them are done, and written back.  In a transaction with SPI, with the owner's rights.
 */
extern void truust_attached_tidy(bool dropped_too);

#endif /* TRUUST_ATTACH_H */
