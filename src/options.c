/*-------------------------------------------------------------------------
 *
 * options.c
 *		The options of a server and of a user mapping, checked when they are
 *		written.
 *
 * One table lists the options: where each belongs, who may set it and what
 * checks it.  A wrong option is refused by CREATE or ALTER, so that a call
 * can rely on what it reads.  No check ever repeats a key in its message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "errors.h"
#include "options.h"

typedef struct OptionRule
{
	const char *name;
	Oid			catalog;
	bool		superuser_only;
	void (*check)(const char *name, const char *value);
} OptionRule;

static void check_environment(const char *name, const char *value);
static void check_subdomain(const char *name, const char *value);
static void check_base_url(const char *name, const char *value);
static void check_milliseconds(const char *name, const char *value);
static void check_retries(const char *name, const char *value);
static void check_file(const char *name, const char *value);
static void check_key(const char *name, const char *value);

static const OptionRule option_rules[] = {
	{"environment", ForeignServerRelationId, false, check_environment},
	{"subdomain", ForeignServerRelationId, false, check_subdomain},
	{"base_url", ForeignServerRelationId, true, check_base_url},
	{"connect_timeout", ForeignServerRelationId, false, check_milliseconds},
	{"request_timeout", ForeignServerRelationId, false, check_milliseconds},
	{"max_retries", ForeignServerRelationId, false, check_retries},
	{"ca_file", ForeignServerRelationId, true, check_file},
	{"secret_key", UserMappingRelationId, false, check_key},
	{"secret_key_file", UserMappingRelationId, true, check_file},
	{NULL, InvalidOid, false, NULL}};

PG_FUNCTION_INFO_V1(truust_fdw_validator);

/* How names and keys tell the environment. */
#define SANDBOX_SUFFIX "-sandbox"
#define KEY_START "sk_"
#define SANDBOX_KEY "sk_stage_"
#define PRODUCTION_KEY "sk_production_"

const char *
truust_environment_name(TruustEnvironment environment)
{
	switch (environment)
	{
		case TRUUST_ENV_SANDBOX:
			return "sandbox";
		case TRUUST_ENV_PRODUCTION:
			return "production";
		case TRUUST_ENV_UNKNOWN:
			break;
	}
	return "unknown";
}

TruustEnvironment
truust_environment_parse(const char *name)
{
	if (strcmp(name, "sandbox") == 0)
		return TRUUST_ENV_SANDBOX;
	if (strcmp(name, "production") == 0)
		return TRUUST_ENV_PRODUCTION;
	return TRUUST_ENV_UNKNOWN;
}

TruustEnvironment
truust_environment_of_key(const char *key)
{
	if (strncmp(key, SANDBOX_KEY, strlen(SANDBOX_KEY)) == 0)
		return TRUUST_ENV_SANDBOX;
	if (strncmp(key, PRODUCTION_KEY, strlen(PRODUCTION_KEY)) == 0)
		return TRUUST_ENV_PRODUCTION;
	return TRUUST_ENV_UNKNOWN;
}

/*
 * One part of a URL, palloc'd, or NULL where the URL has none.  Sets *ok to
 * false where the text is no URL at all.
 */
static char *
url_part(const char *url, CURLUPart part, bool *ok)
{
	CURLU *handle = curl_url();
	char  *value = NULL;
	char  *result = NULL;

	*ok = handle != NULL && curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK;
	if (*ok && curl_url_get(handle, part, &value, 0) == CURLUE_OK)
		result = pstrdup(value);
	curl_free(value);
	curl_url_cleanup(handle);
	return result;
}

TruustEnvironment
truust_environment_of_url(const char *url)
{
	bool		ok;
	char	   *host = url_part(url, CURLUPART_HOST, &ok);
	size_t		len = host ? strlen(host) : 0;
	const char *domain = ".truust.io";
	const char *sandbox = SANDBOX_SUFFIX ".truust.io";

	if (len > 0 && host[len - 1] == '.') /* the same name, written in full */
		host[--len] = '\0';
	if (len <= strlen(domain) || pg_strcasecmp(host + len - strlen(domain), domain) != 0)
		return TRUUST_ENV_UNKNOWN;
	if (len > strlen(sandbox) && pg_strcasecmp(host + len - strlen(sandbox), sandbox) == 0)
		return TRUUST_ENV_SANDBOX;
	return TRUUST_ENV_PRODUCTION;
}

const char *
truust_key_problem(const char *key)
{
	if (key[0] == '\0')
		return "The key is empty.";
	if (strcmp(key, SANDBOX_KEY) == 0 || strcmp(key, PRODUCTION_KEY) == 0)
		return "The key ends after its prefix.";
	if (strlen(key) > TRUUST_MAX_KEY)
		return "The key is longer than 256 characters.";
	if (strncmp(key, "pk_", 3) == 0)
		return "This is a public key (it starts with pk_).";
	for (const char *p = key; *p; p++)
		if (!isgraph((unsigned char) *p))
			return "The key has a space, a control character or a character outside ASCII.";
	if (truust_environment_of_key(key) == TRUUST_ENV_UNKNOWN)
		return "The key does not start with sk_stage_ or sk_production_.";
	return NULL;
}

static void
check_environment(const char *name, const char *value)
{
	if (truust_environment_parse(value) == TRUUST_ENV_UNKNOWN)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name,
							   truust_without_secrets(value)),
						errhint("Valid values are \"sandbox\" and \"production\".")));
}

static void
check_subdomain(const char *name, const char *value)
{
	size_t len = strlen(value);
	bool   ok = len > 0 && len <= 63 && value[0] != '-' && value[len - 1] != '-';

	for (const char *p = value; ok && *p; p++)
		ok = isalnum((unsigned char) *p) || *p == '-';
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name,
							   truust_without_secrets(value)),
						errhint("It is the first part of the host's name, as \"api\" in "
								"api.truust.io: letters, digits and hyphens.")));
	if (len >= strlen(SANDBOX_SUFFIX) &&
		pg_strcasecmp(value + len - strlen(SANDBOX_SUFFIX), SANDBOX_SUFFIX) == 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errdetail("The host's name gets \"" SANDBOX_SUFFIX
								  "\" from environment 'sandbox'."),
						errhint("Leave \"" SANDBOX_SUFFIX "\" out, and choose the environment by "
								"the option \"environment\".")));
}

static bool
is_loopback(const char *host)
{
	struct in_addr v4;

	if (pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* What is wrong with a base_url, as a sentence, or NULL. */
static const char *
base_url_problem(const char *value)
{
	bool  ok;
	char *scheme = url_part(value, CURLUPART_SCHEME, &ok);
	char *host = url_part(value, CURLUPART_HOST, &ok);

	/* a host that is missing is made up of the path by some versions of libcurl */
	if (!ok || scheme == NULL || host == NULL || strstr(value, "://") == NULL ||
		strstr(value, ":///") != NULL)
		return "It is not an address.";
	if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		return "It does not start with https:// or http://.";
	if (url_part(value, CURLUPART_USER, &ok) || url_part(value, CURLUPART_PASSWORD, &ok))
		return "It holds a user name or a password.";
	if (url_part(value, CURLUPART_QUERY, &ok) || url_part(value, CURLUPART_FRAGMENT, &ok) ||
		strpbrk(value, "?#") != NULL)
		return "It has a query or a fragment.";
	if (strcmp(scheme, "http") == 0 && !is_loopback(host))
		return "Plain http is allowed only to a loopback address, as the key would be readable on "
			   "the way.";
	return NULL;
}

static void
check_base_url(const char *name, const char *value)
{
	const char *problem = base_url_problem(value);

	if (problem)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						/* an address with an @ may hold a password: do not repeat it */
						strchr(value, '@') ? errmsg("invalid value for option \"%s\"", name)
										   : errmsg("invalid value for option \"%s\": \"%s\"", name,
													truust_without_secrets(value)),
						errdetail("%s", problem),
						errhint("Give the whole address with its version path, as in "
								"https://proxy.example/2.0.")));
}

static void
check_integer(const char *name, const char *value, int min, int max, const char *unit)
{
	char *end;
	long  number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || !isdigit((unsigned char) *value) || *end != '\0' || number < min ||
		number > max)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name,
							   truust_without_secrets(value)),
						errhint("It is a whole number%s from %d to %d.", unit, min, max)));
}

static void
check_milliseconds(const char *name, const char *value)
{
	check_integer(name, value, 1, 3600000, " of milliseconds");
}

static void
check_retries(const char *name, const char *value)
{
	check_integer(name, value, 0, 20, "");
}

static void
check_file(const char *name, const char *value)
{
	if (!is_absolute_path(value))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name,
							   truust_without_secrets(value)),
						errhint("Give an absolute path on the database server's machine.")));
}

static void
check_key(const char *name, const char *value)
{
	const char *problem = truust_key_problem(value);

	if (problem)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\"", name), errdetail("%s", problem),
						errhint("Copy the secret key from the API Developers tab of the account's "
								"settings in Truust's dashboard.")));
}

/* "a, b, c": the options that a catalog takes. */
static char *
valid_options(Oid catalog)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const OptionRule *rule = option_rules; rule->name; rule++)
		if (rule->catalog == catalog)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", rule->name);
	return buf.data;
}

static void
check_option(DefElem *def, Oid catalog)
{
	for (const OptionRule *rule = option_rules; rule->name; rule++)
	{
		if (rule->catalog != catalog || strcmp(rule->name, def->defname) != 0)
			continue;
		if (rule->superuser_only && !superuser())
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("permission denied to set option \"%s\"", rule->name),
							errdetail("Only a superuser may set it, or change the other options "
									  "of what has it.")));
		rule->check(rule->name, defGetString(def));
		return;
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("invalid option \"%s\"", def->defname),
					valid_options(catalog)[0] != '\0'
						? errhint("Valid options here are: %s.", valid_options(catalog))
						: errhint("There are no valid options here.")));
}

/* The value of an option, or NULL. */
static const char *
option_value(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

static bool
has_option(List *options, const char *name)
{
	return option_value(options, name) != NULL;
}

/* An address of Truust's own says which environment it is; the option must not say another. */
static void
check_environment_of_url(List *options)
{
	const char		 *base_url = option_value(options, "base_url");
	const char		 *environment = option_value(options, "environment");
	TruustEnvironment of_url;

	if (base_url == NULL || environment == NULL)
		return;
	of_url = truust_environment_of_url(base_url);
	if (of_url != TRUUST_ENV_UNKNOWN && of_url != truust_environment_parse(environment))
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("options \"environment\" and \"base_url\" contradict each other"),
			 errdetail("The address is one of the %s environment.",
					   truust_environment_name(of_url)),
			 errhint("Leave base_url out, or give the address of the environment that is meant.")));
}

/* Options that only make sense together. */
static void
check_options_together(List *options, Oid catalog)
{
	bool key = has_option(options, "secret_key");
	bool key_file = has_option(options, "secret_key_file");

	if (catalog == ForeignServerRelationId && !has_option(options, "environment") &&
		!has_option(options, "base_url"))
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
			 errmsg("option \"environment\" is missing"),
			 errhint(
				 "Add OPTIONS (environment 'sandbox') or OPTIONS (environment 'production').")));
	if (catalog == ForeignServerRelationId && has_option(options, "subdomain") &&
		has_option(options, "base_url"))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("options \"subdomain\" and \"base_url\" exclude each other"),
						errhint("A base_url is the whole address already.")));
	if (catalog == ForeignServerRelationId)
		check_environment_of_url(options);
	if (catalog == UserMappingRelationId && !key && !key_file)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
						errmsg("option \"secret_key\" is missing"),
						errhint("Add OPTIONS (secret_key 'sk_stage_...') or, as a superuser, "
								"OPTIONS (secret_key_file '/path/of/the/file').")));
	if (catalog == UserMappingRelationId && key && key_file)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("options \"secret_key\" and \"secret_key_file\" exclude each other"),
						errhint("Drop one of them.")));
}

bool
truust_options_hold_key(List *options)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = (DefElem *) lfirst(lc);

		if (def->arg != NULL && (strcmp(def->defname, "secret_key") == 0 ||
								 strncmp(defGetString(def), KEY_START, strlen(KEY_START)) == 0))
			return true;
	}
	return false;
}

void
truust_options_hide_statement(void *arg)
{
	errhidestmt(true);
	errhidecontext(true);
}

/*
 * truust_fdw_validator(options text[], catalog oid)
 */
Datum
truust_fdw_validator(PG_FUNCTION_ARGS)
{
	List				*options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid					 catalog = PG_GETARG_OID(1);
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = truust_options_hide_statement};
	ListCell			*lc;

	error_context_stack = &callback;
	foreach (lc, options)
		check_option((DefElem *) lfirst(lc), catalog);
	check_options_together(options, catalog);
	error_context_stack = callback.previous;
	PG_RETURN_VOID();
}
