/*-------------------------------------------------------------------------
 *
 * options.h
 *		The options of a server and of a user mapping: their names, defaults
 *		and what they may hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_OPTIONS_H
#define TRUUST_OPTIONS_H

#include "nodes/pg_list.h"

#define TRUUST_API_VERSION_PATH "/2.0"
#define TRUUST_DEFAULT_CONNECT_TIMEOUT 5000	 /* ms */
#define TRUUST_DEFAULT_REQUEST_TIMEOUT 30000 /* ms */
#define TRUUST_DEFAULT_MAX_RETRIES 3

/* A key longer than this is refused when it is written. */
#define TRUUST_MAX_KEY 256

typedef enum TruustEnvironment
{
	TRUUST_ENV_UNKNOWN, /* an address of the user's own, or a key without a known prefix */
	TRUUST_ENV_SANDBOX,
	TRUUST_ENV_PRODUCTION
} TruustEnvironment;

/* sandbox or production, for messages */
extern const char *truust_environment_name(TruustEnvironment environment);

/* What the option environment says. */
extern TruustEnvironment truust_environment_parse(const char *name);

/* What the prefix of a secret key says. */
extern TruustEnvironment truust_environment_of_key(const char *key);

/* What the host of an address says: Truust's own hosts tell. */
extern TruustEnvironment truust_environment_of_url(const char *url);

/*
 * Why a text cannot be a secret key (a sentence for DETAIL that never quotes
 * it), or NULL if it can.
 */
extern const char *truust_key_problem(const char *key);

/* Whether the options of a statement hold a key, in its place or in a wrong one. */
extern bool truust_options_hold_key(List *options);

/*
 * For an ErrorContextCallback.  A statement that fails is written to the
 * server's log, and so is the one that a function was executing; one that
 * holds a key must not be, nor one where the key or a password stands in the
 * wrong place.
 */
extern void truust_options_hide_statement(void *arg);

#endif /* TRUUST_OPTIONS_H */
