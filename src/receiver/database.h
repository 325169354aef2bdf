/*
 * database.h - one connection to PostgreSQL that inserts batches of webhooks.
 *
 * A Database belongs to one thread.  The role behind it needs nothing but
 * INSERT on the five columns of truust.webhooks that it fills in.
 */
#ifndef RECEIVER_DATABASE_H
#define RECEIVER_DATABASE_H

#include "webhook.h"

#include <stdbool.h>

typedef struct Database Database;

typedef enum DatabaseResult
{
	DATABASE_COMMITTED, /* all rows are in */
	DATABASE_TOO_LARGE, /* none is in: a row is too large for the server */
	DATABASE_REFUSED,	/* none is in: a row is not acceptable */
	DATABASE_FOREIGN,	/* none is in: its encoding lacks a character of a row's text */
	DATABASE_FAILED,	/* none is in: the server cannot do it now */
	DATABASE_LOST,		/* connection lost: they may be in or not */
	DATABASE_SLOW		/* no answer in time: see database_settle() */
} DatabaseResult;

/*
 * Prepare this process for connections: defaults that the operator's own
 * settings override, and the check that no password was given in `dsn` or the
 * environment.  Call once, before any thread exists.
 */
extern bool database_init(const char *dsn);

/*
 * `server` is the foreign server that the webhooks belong to, NULL for the
 * database's own default.  Both texts may be NULL and must outlive the result.
 * NULL when out of memory.
 */
extern Database *database_create(const char *dsn, const char *server);
extern void		 database_free(Database *database);

/*
 * Connect (again), waiting as long as connect_timeout says for each host.
 * On failure database_message() says why.
 */
extern bool database_connect(Database *database);

/* Close the connection; what is under way at the server is cancelled. */
extern void database_close(Database *database);

/* Is there a connection that is not known to be lost? */
extern bool database_usable(const Database *database);

/* Look whether an idle connection was closed meanwhile; then it is not usable. */
extern bool database_alive(Database *database);

/*
 * Insert `count` rows in one transaction and wait `timeout_ms` for its commit.
 * `plain`: event and headers in ASCII (plain.h), for rows that were
 * DATABASE_FOREIGN.  The rows are copied: the caller may free them whatever the
 * result is.
 */
extern DatabaseResult database_insert(Database *database, Webhook *const *rows, size_t count,
									  bool plain, int timeout_ms);

/*
 * Insert nothing, to see whether the database takes writes and lets this role
 * make them.  What is not allowed on a standby or in a read-only transaction is
 * refused without a row, too.
 */
extern DatabaseResult database_probe(Database *database, int timeout_ms);

/*
 * After DATABASE_SLOW: wait `timeout_ms` more for the result.  While it is
 * DATABASE_SLOW nothing else can be sent on the connection.
 */
extern DatabaseResult database_settle(Database *database, int timeout_ms);

/*
 * After DATABASE_FAILED: may one of the rows be the reason, although the
 * SQLSTATE speaks of the server?  A merchant's trigger can fail by any.
 */
extern bool database_doubtful(const Database *database);

/*
 * Why the last call failed, in one line without any value of a row.  Valid
 * until the next call.
 */
extern const char *database_message(const Database *database);

#endif
