/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The process that keeps the workers of all databases running.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_LAUNCHER_H
#define TRUUST_LAUNCHER_H

#include "postmaster/bgworker.h"

/* From _PG_init: registers the launcher where the library is preloaded. */
extern void truust_launcher_init(void);

/* From _PG_init: installs the hook that gets workers out of the way of commands about databases. */
extern void truust_utility_init(void);

/* Fill in the registration of a worker that the postmaster does not start again by itself. */
extern void truust_worker_registration(BackgroundWorker *worker, Oid database, int kind,
									   int instance, int instances);

/* Wait until no worker is left in a database; false: some are after 10 s. */
extern bool truust_workers_wait_gone(Oid database);

#endif /* TRUUST_LAUNCHER_H */
