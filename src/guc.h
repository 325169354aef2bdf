/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Every setting of the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_GUC_H
#define TRUUST_GUC_H

typedef enum TruustTrust
{
	TRUUST_TRUST_FETCH, /* a body only says which order to look at */
	TRUUST_TRUST_BODY	/* the receiver has authenticated the sender */
} TruustTrust;

/* calls */
extern char *truust_server;			   /* server that calls use */
extern int	 truust_max_connections;   /* requests at once in one backend */
extern int	 truust_max_response_size; /* kB */

/* webhooks */
extern int truust_max_webhook_size;		/* bytes */
extern int truust_webhook_trust;		/* TruustTrust */
extern int truust_workers;				/* webhook workers of each database */
extern int truust_batch_size;			/* events or requests in one transaction */
extern int truust_handler_timeout;		/* ms, 0: none */
extern int truust_handler_lock_timeout; /* ms, 0: none */
extern int truust_sync_interval;		/* s, 0: off */

/* deferred requests */
extern int	  truust_max_in_flight;			  /* requests at once in a worker */
extern double truust_max_requests_per_second; /* 0: no limit */
extern int
	truust_settle_time; /* ms after the loss of its answer when a request that cannot be found was not executed */

/* both */
extern int truust_max_attempts;
extern int truust_retry_delay;	   /* ms, the first pause */
extern int truust_max_retry_delay; /* ms, the longest pause */
extern int truust_retention;	   /* minutes of history, -1: for ever */

/* workers */
extern bool truust_autostart; /* launcher at server start */
extern int	truust_naptime;	  /* ms between looks when nothing wakes a worker */

/* Once, from _PG_init. */
extern void truust_guc_init(void);

#endif /* TRUUST_GUC_H */
