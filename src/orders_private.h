/*-------------------------------------------------------------------------
 *
 * orders_private.h
 *		What the files of orders share; nobody else's.
 *
 *	orders.c			orders, and sets of what is known of them
 *	orders_write.c		rows of truust.orders
 *	orders_history.c	rows of truust.events
 *	orders_payments.c	payins and payouts
 *	orders_note.c		what calls and deferred requests return is noted
 *	orders_verdict.c	the state machines, for SQL
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ORDERS_PRIVATE_H
#define TRUUST_ORDERS_PRIVATE_H

#include "orders.h"

/* ---- orders.c: sets whose entries begin with a TruustOrderKey ---- */

/* Types of TruustOrder.fields. */
extern const Oid truust_order_field_types[TRUUST_N_ORDER_FIELDS];

/* An empty set, in the current memory context. */
extern HTAB *truust_set_make(const char *name, Size entry_size, long n);

/* The entry with this key, zeroed where it is new. */
extern void *truust_set_enter(HTAB *set, int64 id, const char *server, Size entry_size);

/* Those that are wanted, in the order of their keys, so that two writers cannot wait for each other. */
extern void **truust_set_sorted(HTAB *set, bool (*wanted)(const void *entry), long *n);

/*
 * ---- orders_write.c, orders_history.c: rows one by one, without a plan ----
 *
 * Open as the current user, false: the table is for SQL to write to; reserve what can
 * be before the row is known (see direct.h), or not; insert; close.
 * An order is inserted unless it is there already (false); expect_new as in direct.h.
 */
extern bool truust_orders_open(void);
extern void truust_orders_reserve(void);
extern bool truust_orders_insert(const TruustOrder *order, bool expect_new);
extern void truust_orders_close(void);
extern bool truust_history_open(void);
extern void truust_history_reserve(void);
extern void truust_history_insert(TruustHistory *h);
extern void truust_history_close(void);

/* The two ways of truust_history_write; false: the table is for SQL to write to. */
extern bool truust_history_write_directly(TruustHistory **rows, int n);
extern void truust_history_write_by_sql(TruustHistory **rows, int n, bool want_ids);

#endif /* TRUUST_ORDERS_PRIVATE_H */
