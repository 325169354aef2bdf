/*-------------------------------------------------------------------------
 *
 * truust.c
 *		Loading of the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "credentials.h"
#include "drain.h"
#include "guc.h"
#include "http.h"
#include "launcher.h"
#include "outbox.h"
#include "slots.h"
#include "stats.h"
#include "webhook.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/*
 * Everything that must be registered once for each process, lower layers
 * first.  Runs in the postmaster where the library is preloaded, else at the
 * first use in a backend.
 */
void
_PG_init(void)
{
	truust_guc_init();
	truust_stats_init();
	truust_http_init();
	truust_credentials_init();
	truust_slots_init();
	truust_webhooks_init();
	truust_drain_add(truust_outbox_drain);
	truust_utility_init();
	truust_launcher_init();
}
