/*-------------------------------------------------------------------------
 *
 * credentials.c
 *		From a server's name and a role to an address and a key.
 *
 * What was read last is kept for the transaction, so that a statement with
 * many calls reads the catalogs once.  It is forgotten, and the key
 * overwritten, at the end of the transaction, when any server or mapping
 * changes, and when a call asks for another server or role; a key that stands in a
 * file is read at each use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "credentials.h"
#include "guc.h"

static MemoryContext	 cache_context = NULL;
static TruustAccount	*cached = NULL;			 /* NULL: nothing is kept */
static char				*cached_name = NULL;	 /* as asked for */
static char				*cached_key_file = NULL; /* NULL: the key stands in the mapping */
static TruustEnvironment cached_environment;
static bool				 cache_stale = false; /* a server or mapping changed since */

/* A write that the compiler cannot leave out. */
static void
wipe(char *secret, size_t len)
{
	volatile char *p = secret;

	while (len-- > 0)
		*p++ = '\0';
}

void
truust_account_wipe(TruustAccount *account)
{
	wipe(account->key, sizeof(account->key));
}

static void
forget(void)
{
	if (cached)
		truust_account_wipe(cached);
	cached = NULL;
	if (cache_context)
		MemoryContextReset(cache_context);
}

static void
on_invalidation(Datum arg, int cacheid, uint32 hashvalue)
{
	cache_stale = true; /* a caller may be using it right now: forget later */
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		forget();
}

void
truust_credentials_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_invalidation, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_invalidation, (Datum) 0);
	RegisterXactCallback(on_transaction_end, NULL);
}

static ForeignServer *
find_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("no server is named"),
						errhint("Set truust.server to the name of a Truust server, or reset it.")));
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("server \"%s\" does not exist", name),
				 errhint("Create it with CREATE SERVER %s FOREIGN DATA WRAPPER truust OPTIONS "
						 "(environment 'sandbox'), or name another one in truust.server.",
						 quote_identifier(name))));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "truust") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" is not a server of the foreign-data wrapper truust", name),
				 errhint("Name a Truust server in truust.server.")));
	return server;
}

static bool
has_mapping(Oid userid, Oid serverid)
{
	return SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
								 ObjectIdGetDatum(serverid));
}

static UserMapping *
find_mapping(Oid userid, ForeignServer *server)
{
	if (!has_mapping(userid, server->serverid) && !has_mapping(InvalidOid, server->serverid))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("role \"%s\" has no user mapping for server \"%s\"",
					GetUserNameFromId(userid, false), server->servername),
			 errhint(
				 "Create one with CREATE USER MAPPING FOR %s SERVER %s OPTIONS (secret_key '...').",
				 quote_identifier(GetUserNameFromId(userid, false)),
				 quote_identifier(server->servername))));
	return GetUserMapping(userid, server->serverid);
}

static void
throw_no_key(const TruustAccount *account, const char *path, const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("the key file \"%s\" of server \"%s\" holds no usable key", path,
						   account->server_name),
					errdetail("%s", problem),
					errhint("The file's only line is the secret key; the database server must be "
							"able to read it.")));
}

/* Up to size bytes of a regular file, -1 with errno: a pipe, say, could keep the caller waiting for ever. */
static ssize_t
read_file(const char *path, char *buf, size_t size)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);
	struct stat status;
	ssize_t		n = -1;
	int			saved_errno;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0)
	{
		if (S_ISREG(status.st_mode))
			n = read(fd, buf, size);
		else
			errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
	}
	saved_errno = errno;
	CloseTransientFile(fd);
	errno = saved_errno;
	return n;
}

/* The key in what was read: without blanks and line ends around it, or an editor's byte-order mark. */
static char *
trim_key(char *text)
{
	static const char blanks[] = " \t\r\n";
	char			 *end;

	if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	text += strspn(text, blanks);
	end = text + strlen(text);
	while (end > text && strchr(blanks, end[-1]))
		*--end = '\0';
	return text;
}

/* Read an option file's key into account->key. */
static void
read_key_file(TruustAccount *account, const char *path)
{
	char buf[TRUUST_MAX_KEY + 32]; /* room for what is around it, and to see that there is more */
	ssize_t		n = read_file(path, buf, sizeof(buf) - 1);
	const char *problem;
	char	   *key;

	if (n < 0)
		throw_no_key(account, path,
					 errno == EINVAL ? "It is not a regular file."
									 : psprintf("It cannot be read: %s.", strerror(errno)));
	buf[n] = '\0';
	problem = strlen(buf) == (size_t) n ? NULL : "The file holds a null byte.";
	key = trim_key(buf);
	if (problem == NULL)
		problem = truust_key_problem(key);
	if (problem == NULL)
		strlcpy(account->key, key, sizeof(account->key));
	wipe(buf, sizeof(buf));
	if (problem)
		throw_no_key(account, path, problem);
}

/* Refuse a key of the other environment before anything is sent. */
static void
guard_environment(const TruustAccount *account)
{
	TruustEnvironment of_key = truust_environment_of_key(account->key);

	if (cached_environment == TRUUST_ENV_UNKNOWN || of_key == TRUUST_ENV_UNKNOWN ||
		cached_environment == of_key)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the key of role \"%s\" is a %s key, but server \"%s\" is a %s server",
					GetUserNameFromId(account->userid, false), truust_environment_name(of_key),
					account->server_name, truust_environment_name(cached_environment)),
			 errdetail("Nothing was sent."),
			 errhint("Use the key of the %s environment: ALTER USER MAPPING ... OPTIONS (SET "
					 "secret_key '...').",
					 truust_environment_name(cached_environment))));
}

static const char *
default_base_url(const char *subdomain)
{
	return psprintf("https://%s%s.truust.io" TRUUST_API_VERSION_PATH, subdomain,
					cached_environment == TRUUST_ENV_SANDBOX ? "-sandbox" : "");
}

static void
read_server_options(TruustAccount *account, List *options)
{
	const char		 *subdomain = "api";
	TruustEnvironment of_url;
	ListCell		 *lc;

	account->connect_timeout = TRUUST_DEFAULT_CONNECT_TIMEOUT;
	account->request_timeout = TRUUST_DEFAULT_REQUEST_TIMEOUT;
	account->max_retries = TRUUST_DEFAULT_MAX_RETRIES;
	cached_environment = TRUUST_ENV_UNKNOWN;

	foreach (lc, options)
	{
		DefElem *def = (DefElem *) lfirst(lc);
		char	*value = defGetString(def);

		if (strcmp(def->defname, "environment") == 0)
			cached_environment = truust_environment_parse(value);
		else if (strcmp(def->defname, "subdomain") == 0)
			subdomain = value;
		else if (strcmp(def->defname, "base_url") == 0)
			account->base_url = pstrdup(value);
		else if (strcmp(def->defname, "connect_timeout") == 0)
			account->connect_timeout = atoi(value);
		else if (strcmp(def->defname, "request_timeout") == 0)
			account->request_timeout = atoi(value);
		else if (strcmp(def->defname, "max_retries") == 0)
			account->max_retries = atoi(value);
		else if (strcmp(def->defname, "ca_file") == 0)
			account->ca_file = pstrdup(value);
	}
	if (account->base_url == NULL)
		account->base_url = default_base_url(subdomain);
	else
	{
		char *url = unconstify(char *, account->base_url);

		for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
			url[len - 1] = '\0';
	}
	/* where a key goes decides, whatever an option of an older version may say */
	of_url = truust_environment_of_url(account->base_url);
	if (of_url != TRUUST_ENV_UNKNOWN)
		cached_environment = of_url;
}

static void
read_mapping_options(TruustAccount *account, List *options)
{
	ListCell *lc;

	cached_key_file = NULL;
	foreach (lc, options)
	{
		DefElem *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, "secret_key") == 0)
		{
			char *value = defGetString(def);

			strlcpy(account->key, value, sizeof(account->key));
			wipe(value, strlen(value)); /* our own copy of the catalog's text */
		}
		else if (strcmp(def->defname, "secret_key_file") == 0)
			cached_key_file = pstrdup(defGetString(def));
	}
}

/* Fill the cache; whatever it allocates lives in cache_context. */
static void
load(const char *name, Oid userid)
{
	MemoryContext  old;
	TruustAccount *account;
	ForeignServer *server;

	forget();
	cache_stale = false;
	if (cache_context == NULL)
		cache_context =
			AllocSetContextCreate(TopMemoryContext, "truust account", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cache_context);

	server = find_server(name);
	account = palloc0(sizeof(TruustAccount));
	account->serverid = server->serverid;
	account->userid = userid;
	account->server_name = pstrdup(server->servername);
	read_server_options(account, server->options);
	read_mapping_options(account, find_mapping(userid, server)->options);
	cached_name = pstrdup(name);
	cached = account; /* only now: what raised above is no account */

	MemoryContextSwitchTo(old);
}

const TruustAccount *
truust_account_get(const char *server_name, Oid userid)
{
	const char *name = server_name ? server_name : truust_server;
	AclResult	acl;

	/* a transaction that only calls takes no lock, and would not hear of what others have changed */
	AcceptInvalidationMessages();
	if (cached == NULL || cache_stale || cached->userid != userid || strcmp(cached_name, name) != 0)
		load(name, userid);

	acl = truust_server_aclcheck(cached->serverid, userid);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FOREIGN_SERVER, cached->server_name);
	if (cached_key_file)
		read_key_file(cached, cached_key_file);
	guard_environment(cached);
	return cached;
}

TruustAccount *
truust_account_copy(const TruustAccount *account, MemoryContext cxt)
{
	MemoryContext  old = MemoryContextSwitchTo(cxt);
	TruustAccount *copy = palloc(sizeof(TruustAccount));

	memcpy(copy, account, sizeof(TruustAccount));
	copy->server_name = pstrdup(account->server_name);
	copy->base_url = pstrdup(account->base_url);
	copy->ca_file = account->ca_file ? pstrdup(account->ca_file) : NULL;
	MemoryContextSwitchTo(old);
	return copy;
}

/* The only role with a mapping of its own for the server, or InvalidOid. */
static Oid
only_mapped_role(Oid serverid)
{
	Relation	rel = table_open(UserMappingRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	Oid			result = InvalidOid;
	int			found = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_user_mapping form = (Form_pg_user_mapping) GETSTRUCT(tuple);

		if (form->umserver != serverid || !OidIsValid(form->umuser))
			continue;
		result = form->umuser;
		found++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found == 1 ? result : InvalidOid;
}

Oid
truust_account_role(const char *server_name, Oid preferred)
{
	ForeignServer *server = find_server(server_name ? server_name : truust_server);
	bool		   public_mapping = has_mapping(InvalidOid, server->serverid);

	if (OidIsValid(preferred) && (public_mapping || has_mapping(preferred, server->serverid)))
		return preferred;
	if (public_mapping || has_mapping(server->owner, server->serverid))
		return server->owner;
	return only_mapped_role(server->serverid);
}
