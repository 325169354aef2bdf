/*-------------------------------------------------------------------------
 *
 * credentials.h
 *		Which account, where, and with whose key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_CREDENTIALS_H
#define TRUUST_CREDENTIALS_H

#include "options.h"

/*
 * One account as one role may use it.
 */
typedef struct TruustAccount
{
	Oid			serverid;
	Oid			userid;
	const char *server_name;
	const char *base_url;		 /* with the version path, no slash at the end */
	const char *ca_file;		 /* or NULL */
	int			connect_timeout; /* ms */
	int			request_timeout; /* ms */
	int			max_retries;
	char		key[TRUUST_MAX_KEY + 1];
} TruustAccount;

/* Once, from _PG_init: invalidation when a server or a mapping changes, wiping at transaction end. */
extern void truust_credentials_init(void);

/*
 * The account behind a server's name (NULL: truust.server) for a role.
 *
 * Checks USAGE on the server for that role and the environment guard.  The
 * result is the cache's: valid until the end of the transaction or the next
 * call of this function, whichever is first; a worker that needs it longer
 * copies it with truust_account_copy and wipes the copy.  Must be called in a
 * transaction.  Raises 42704 (no server, no mapping, no key), 42501 (no
 * USAGE), 28000 (key of the other environment), 58030 (key file).
 */
extern const TruustAccount *truust_account_get(const char *server_name, Oid userid);

/* A copy in the given context, with its strings. */
extern TruustAccount *truust_account_copy(const TruustAccount *account, MemoryContext cxt);

/* Overwrite the key of a copy (the memory itself stays the caller's). */
extern void truust_account_wipe(TruustAccount *account);

/*
 * The role whose mapping the worker uses to look at an order of this server:
 * preferred if it has a mapping, else the server's owner, else the only role
 * that has one.  InvalidOid if there is none.  preferred may be InvalidOid.
 */
extern Oid truust_account_role(const char *server_name, Oid preferred);

#endif /* TRUUST_CREDENTIALS_H */
