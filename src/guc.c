/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting of the extension, in one table.
 *
 * Settings that a session may choose for its own calls are USERSET; those that
 * the workers go by are SUSET, so that ALTER SYSTEM sets them for all databases
 * and ALTER DATABASE for one.  The launcher, which is in no database, goes by
 * those that are SIGHUP.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "compat.h"
#include "guc.h"

char  *truust_server;
int	   truust_max_connections;
int	   truust_max_response_size;
int	   truust_max_webhook_size;
int	   truust_webhook_trust;
int	   truust_workers;
int	   truust_batch_size;
int	   truust_handler_timeout;
int	   truust_handler_lock_timeout;
int	   truust_sync_interval;
int	   truust_max_in_flight;
double truust_max_requests_per_second;
int	   truust_settle_time;
int	   truust_max_attempts;
int	   truust_retry_delay;
int	   truust_max_retry_delay;
int	   truust_retention;
bool   truust_autostart;
int	   truust_naptime;

static const struct config_enum_entry trust_options[] = {
	{"fetch", TRUUST_TRUST_FETCH, false}, {"body", TRUUST_TRUST_BODY, false}, {NULL, 0, false}};

typedef struct IntSetting
{
	const char *name;
	const char *description;
	int		   *variable;
	int			boot;
	int			min;
	int			max;
	GucContext	context;
	int			flags;
} IntSetting;

static const IntSetting int_settings[] = {
	{"truust.max_connections", "Requests that one backend has in flight at once.",
	 &truust_max_connections, 8, 1, 64, PGC_USERSET, 0},
	{"truust.max_response_size", "Largest answer of the API that is read.",
	 &truust_max_response_size, 16 * 1024, 1, 1024 * 1024 - 1, PGC_USERSET, GUC_UNIT_KB},
	{"truust.max_webhook_size", "Largest webhook body that is taken.", &truust_max_webhook_size,
	 1024 * 1024, 1024, 256 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE},
	{"truust.workers", "Webhook workers of each database.", &truust_workers, 1, 1, 64, PGC_SIGHUP,
	 0},
	{"truust.batch_size", "Events or requests that one transaction of a worker handles.",
	 &truust_batch_size, 1000, 1, 10000, PGC_SUSET, 0},
	{"truust.handler_timeout", "Longest time that one handler may run; 0 for no limit.",
	 &truust_handler_timeout, 30000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS},
	{"truust.handler_lock_timeout",
	 "Longest time that a handler may wait for a lock; 0 for no limit.",
	 &truust_handler_lock_timeout, 5000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS},
	{"truust.sync_interval",
	 "How long an unfinished order may go without news before the API is asked about it; 0 for "
	 "never.",
	 &truust_sync_interval, 3600, 0, INT_MAX / 1000, PGC_SUSET, GUC_UNIT_S},
	{"truust.max_in_flight", "Deferred requests that a worker has in flight at once.",
	 &truust_max_in_flight, 16, 1, 1000, PGC_SUSET, 0},
	{"truust.settle_time",
	 "How long after its answer was lost a request that cannot be found at Truust counts as not "
	 "executed.",
	 &truust_settle_time, 60000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS},
	{"truust.max_attempts",
	 "Attempts before an event becomes a dead letter or a deferred request fails.",
	 &truust_max_attempts, 10, 1, 1000, PGC_SUSET, 0},
	{"truust.retry_delay", "First pause before something is tried again; later ones grow.",
	 &truust_retry_delay, 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS},
	{"truust.max_retry_delay", "Longest pause before something is tried again.",
	 &truust_max_retry_delay, 3600 * 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS},
	{"truust.retention", "How long history is kept; -1 for ever.", &truust_retention, 90 * 24 * 60,
	 -1, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
	{"truust.naptime", "Longest time between two looks of a worker when nothing wakes it.",
	 &truust_naptime, 5000, 10, INT_MAX / 2, PGC_SUSET, GUC_UNIT_MS},
	{NULL}};

/* The name of a server is no longer than any other. */
static bool
check_server(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || strlen(*newval) < NAMEDATALEN)
		return true;
	GUC_check_errdetail("The name of a server has no more than %d bytes.", NAMEDATALEN - 1);
	return false;
}

void
truust_guc_init(void)
{
	DefineCustomStringVariable("truust.server", "Foreign server that calls use.", NULL,
							   &truust_server, "truust", PGC_USERSET, 0, check_server, NULL, NULL);
	DefineCustomEnumVariable("truust.webhook_trust", "What a webhook's body is worth.",
							 "fetch: the body only says which order to look at; body: the receiver "
							 "has authenticated the sender.",
							 &truust_webhook_trust, TRUUST_TRUST_FETCH, trust_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomRealVariable("truust.max_requests_per_second",
							 "Deferred requests that a worker sends in a second; 0 for no limit.",
							 NULL, &truust_max_requests_per_second, 0.0, 0.0, 1e6, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("truust.autostart", "Start the workers with the server.",
							 "Takes effect where truust is in shared_preload_libraries.",
							 &truust_autostart, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	for (const IntSetting *s = int_settings; s->name; s++)
		DefineCustomIntVariable(s->name, s->description, NULL, s->variable, s->boot, s->min, s->max,
								s->context, s->flags, NULL, NULL, NULL);
	truust_reserve_prefix("truust");
}
