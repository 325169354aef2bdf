/*-------------------------------------------------------------------------
 *
 * webhook_look.c
 *		The API is asked what is true of some orders.
 *
 * A look is prepared in a transaction (whose key, which address) and run
 * between transactions, many requests at once.  Where a server does not
 * answer, takes no more, or refuses the key, the rest is not even tried and the
 * server is left alone for a while, longer each time: that is nobody's fault but
 * the server's, and whatever waits for it just waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "attempt.h"
#include "clock.h"
#include "guc.h"
#include "slots.h"
#include "stats.h"
#include "webhook.h"

#define FIRST_SERVER_PAUSE 500	   /* ms */
#define LONGEST_SERVER_PAUSE 30000 /* ms */
#define MAX_FAILURES_IN_A_ROW                                                                      \
	3 /* and not one answer that can be used, before the server is to blame */

/* A server that does not answer; kept for the process's life. */
typedef struct ServerPause
{
	char  server[NAMEDATALEN]; /* must be first */
	int	  failures;			   /* in a row */
	int64 until;			   /* ms of the monotonic clock */
} ServerPause;

static HTAB *pauses = NULL;

/* A server in one run. */
typedef struct Server
{
	const char *name;
	int			ok;
	int			failed;
	bool		stop;		 /* send nothing more */
	bool		no_key;		 /* nobody has one */
	long		retry_after; /* ms, -1: not said */
	char	   *error;
} Server;

typedef enum AskKind
{
	ASK_ORDER,
	ASK_PAYIN,
	ASK_PAYOUT
} AskKind;

/* One request of a look. */
typedef struct Ask
{
	TruustLook		 *look;
	AskKind			  kind;
	Server			 *server;
	TruustAccount	 *account;
	TruustWire		  wire;
	TruustHttpRequest req;
	int64			  started; /* us of the monotonic clock */
	bool			  repeated;
} Ask;

typedef struct Account
{
	const char	  *server;
	Oid			   role;
	TruustAccount *account; /* NULL: there is none */
} Account;

struct TruustLooking
{
	MemoryContext cxt;
	HTAB		 *looks;
	Ask			 *asks;
	int			  n;
	int			  max;
	List		 *servers;	/* of Server */
	List		 *accounts; /* of Account */
	bool		  quiet;	/* a server without a key is nothing to complain of */
};

HTAB *
truust_looks_set(long n)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(TruustOrderKey);
	ctl.entrysize = sizeof(TruustLook);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("truust looks", n, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

TruustLook *
truust_look_enter(HTAB *looks, int64 id, const char *server)
{
	TruustOrderKey key;
	TruustLook	  *look;
	bool		   found;

	memset(&key, 0, sizeof(key));
	key.id = id;
	strlcpy(key.server, server, sizeof(key.server));
	look = hash_search(looks, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) look + sizeof(key), 0, sizeof(TruustLook) - sizeof(key));
	return look;
}

static ServerPause *
find_pause(const char *server, HASHACTION action)
{
	char		 key[NAMEDATALEN];
	ServerPause *pause;
	bool		 found;

	if (pauses == NULL)
	{
		HASHCTL ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(ServerPause)};

		pauses = hash_create("truust server pauses", 8, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	memset(key, 0, sizeof(key));
	strlcpy(key, server, sizeof(key));
	pause = hash_search(pauses, key, action, &found);
	if (pause && !found && action == HASH_ENTER)
	{
		pause->failures = 0;
		pause->until = 0;
	}
	return pause;
}

bool
truust_server_pauses(const char *server)
{
	ServerPause *pause = find_pause(server, HASH_FIND);

	return pause && pause->until > truust_monotonic_ms();
}

long
truust_servers_pause(void)
{
	long			result = -1;
	HASH_SEQ_STATUS scan;
	ServerPause	   *pause;

	if (pauses == NULL)
		return -1;
	hash_seq_init(&scan, pauses);
	while ((pause = hash_seq_search(&scan)) != NULL)
	{
		long left = Max(1, pause->until - truust_monotonic_ms());

		if (result < 0 || left < result)
			result = left;
	}
	return result;
}

void
truust_servers_forget(void)
{
	if (pauses)
		hash_destroy(pauses);
	pauses = NULL;
}

/* The server answers again, or did not: remember. */
static void
conclude(const Server *server)
{
	ServerPause *pause;
	long		 ms;

	if (!server->stop)
	{
		if (server->ok > 0)
			(void) find_pause(server->name, HASH_REMOVE);
		return;
	}
	pause = find_pause(server->name, HASH_ENTER);
	ms = truust_backoff(++pause->failures, FIRST_SERVER_PAUSE, LONGEST_SERVER_PAUSE);
	ms = Max(ms, server->retry_after);
	pause->until = truust_monotonic_ms() + ms;
	truust_slot_error(
		psprintf("server \"%s\" is left alone for %ld ms: %s", server->name, ms, server->error));
	ereport(LOG,
			(errmsg("looking at orders of server \"%s\" failed: %s", server->name, server->error),
			 errdetail("It is tried again in %ld ms; nothing is lost meanwhile.", ms)));
}

static Server *
find_server(struct TruustLooking *looking, const char *name)
{
	ListCell *lc;
	Server	 *server;

	foreach (lc, looking->servers)
	{
		server = lfirst(lc);
		if (strcmp(server->name, name) == 0)
			return server;
	}
	server = palloc0(sizeof(Server));
	server->name = pstrdup(name);
	server->retry_after = -1;
	looking->servers = lappend(looking->servers, server);
	return server;
}

/* The roles that noted the orders, whose keys are the best to ask with. */
static void
read_roles(HTAB *looks)
{
	static TruustStatement select = {"SELECT o.id, o.server, o.role FROM truust.orders o WHERE "
									 "o.id = ANY ($1) AND o.role IS NOT NULL",
									 1,
									 {INT8ARRAYOID}};
	TruustColumn		   ids;
	HASH_SEQ_STATUS		   scan;
	TruustLook			  *look;
	Datum				   value;
	uint64				   n;
	bool				   isnull;

	truust_column_init(&ids, INT8OID, hash_get_num_entries(looks));
	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
		truust_column_add_int64(&ids, look->key.id);
	value = truust_column_array(&ids);
	n = truust_statement_run(&select, &value, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		TruustOrderKey key = {.id = DatumGetInt64(truust_result(i, 1, &isnull))};

		strlcpy(key.server, truust_result_text(i, 2), sizeof(key.server));
		look = hash_search(looks, &key, HASH_FIND, NULL);
		if (look)
			look->role = get_role_oid(truust_result_text(i, 3), true);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* In a subtransaction: raises where there is no key. */
static void
get_account(void *arg)
{
	Account *account = arg;
	Oid		 role = truust_account_role(account->server, account->role);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no role has a key for server \"%s\" that orders could be looked at with",
						account->server),
				 errhint("Create a user mapping for the server's owner.")));
	account->account =
		truust_account_copy(truust_account_get(account->server, role), CurrentMemoryContext);
}

static TruustAccount *
find_account(struct TruustLooking *looking, Server *server, Oid role)
{
	ListCell  *lc;
	Account	  *account;
	ErrorData *edata;

	foreach (lc, looking->accounts)
	{
		account = lfirst(lc);
		if (account->role == role && strcmp(account->server, server->name) == 0)
			return account->account;
	}
	account = palloc0(sizeof(Account));
	account->server = server->name;
	account->role = role;
	looking->accounts = lappend(looking->accounts, account);
	edata = truust_worker_try(get_account, account);
	if (edata)
	{
		account->account = NULL;
		server->stop = true;
		server->no_key = true;
		server->error = edata->message;
	}
	return account->account;
}

static void
add_ask(struct TruustLooking *looking, TruustLook *look, AskKind kind, const char *operation)
{
	Server		  *server = find_server(looking, look->key.server);
	TruustAccount *account = find_account(looking, server, look->role);
	Datum		   id = Int64GetDatum(look->key.id);
	bool		   isnull = false;
	Ask			  *ask;

	if (account == NULL)
		return;
	ask = &looking->asks[looking->n++];
	memset(ask, 0, sizeof(Ask));
	ask->look = look;
	ask->kind = kind;
	ask->server = server;
	ask->account = account;
	truust_wire_build(&ask->wire, truust_endpoint_signature(truust_endpoint_find(operation)),
					  account, &id, &isnull);
}

struct TruustLooking *
truust_looks_prepare(HTAB *looks, bool quiet)
{
	struct TruustLooking *looking = palloc0(sizeof(struct TruustLooking));
	HASH_SEQ_STATUS		  scan;
	TruustLook			 *look;

	looking->cxt = CurrentMemoryContext;
	looking->looks = looks;
	looking->quiet = quiet;
	looking->max = (int) hash_get_num_entries(looks) * 3;
	looking->asks = palloc_extended(sizeof(Ask) * Max(looking->max, 1), MCXT_ALLOC_HUGE);
	read_roles(looks);
	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
	{
		add_ask(looking, look, ASK_ORDER, "get_order");
		if (look->want_payin)
			add_ask(looking, look, ASK_PAYIN, "get_order_payin");
		if (look->want_payout)
			add_ask(looking, look, ASK_PAYOUT, "get_order_payout");
	}
	return looking;
}

static void
start(Ask *ask)
{
	ask->started = truust_monotonic_us();
	if (ask->kind == ASK_ORDER)
		ask->look->at = GetCurrentTimestamp();
	memset(&ask->req, 0, sizeof(ask->req));
	truust_wire_to_http(&ask->req, &ask->wire, ask->account);
	ask->req.user = ask;
	truust_http_start(&ask->req);
}

static void
blame_server(Ask *ask, const TruustAnswer *answer)
{
	ask->server->stop = true;
	ask->server->error = answer->error;
	ask->server->retry_after = Max(ask->server->retry_after, answer->retry_after);
	ask->look->error = answer->error;
	ask->look->later = true;
}

/* An answer that says something about the order: there it is, or there is none. */
static void
take_resource(Ask *ask, const TruustAnswer *answer)
{
	Jsonb *resource = answer->status == 404 ? NULL : answer->resource;

	if (resource && !JB_ROOT_IS_OBJECT(resource))
		resource = NULL;
	switch (ask->kind)
	{
		case ASK_ORDER:
			ask->look->order = resource;
			ask->look->missing = resource == NULL;
			break;
		case ASK_PAYIN:
			ask->look->payin = resource;
			break;
		case ASK_PAYOUT:
			ask->look->payout = resource;
			break;
	}
}

static void
take_answer(Ask *ask)
{
	TruustAnswer answer;
	bool		 good;

	truust_answer_read(&answer, &ask->wire, &ask->req);
	good = answer.kind == TRUUST_OK || answer.status == 404;
	truust_stats_call(ask->wire.endpoint - truust_endpoints, answer.kind != TRUUST_OK,
					  ask->repeated, truust_monotonic_us() - ask->started);
	truust_http_release(&ask->req);
	if (good)
	{
		ask->server->ok++;
		take_resource(ask, &answer);
		return;
	}
	ask->look->error = answer.error;
	if (answer.status == 0 || answer.status == 401 || answer.status == 429)
		blame_server(ask, &answer);
	else if (answer.kind == TRUUST_REFUSED)
		ask->server->ok++; /* it answers: what it refuses is this order */
	else if (++ask->server->failed >= MAX_FAILURES_IN_A_ROW && ask->server->ok == 0)
		blame_server(ask, &answer);
}

/* The next request that may be sent, from *next on; those of a server that fails are not. */
static Ask *
next_ask(struct TruustLooking *looking, int *next)
{
	while (*next < looking->n)
	{
		Ask *ask = &looking->asks[(*next)++];

		if (!ask->server->stop)
			return ask;
		ask->look->error = ask->server->error;
		ask->look->later = true;
	}
	return NULL;
}

/* What a handler is given as the body, made of what the API says. */
static Jsonb *
make_body(const TruustLook *look)
{
	const struct
	{
		const char *key;
		Jsonb	   *value;
	} parts[] = {{"escrow", look->order}, {"payin", look->payin}, {"payout", look->payout}};
	JsonbParseState *state = NULL;
	JsonbValue		*result;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		JsonbValue v;

		if (parts[i].value == NULL)
			continue;
		v.type = jbvString;
		v.val.string.val = unconstify(char *, parts[i].key);
		v.val.string.len = strlen(parts[i].key);
		pushJsonbValue(&state, WJB_KEY, &v);
		v.type = jbvBinary;
		v.val.binary.data = &parts[i].value->root;
		v.val.binary.len = VARSIZE(parts[i].value) - VARHDRSZ;
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

/* When all is answered: which looks count. */
static void
finish_looks(struct TruustLooking *looking)
{
	HASH_SEQ_STATUS scan;
	TruustLook	   *look;
	ListCell	   *lc;

	hash_seq_init(&scan, looking->looks);
	while ((look = hash_seq_search(&scan)) != NULL)
	{
		Server *server = find_server(looking, look->key.server);

		if (look->order == NULL && !look->missing && look->error == NULL)
			look->error = server->error ? server->error : "it was not asked";
		if (server->ok == 0)
			look->later = true; /* nothing but failures: not this order's fault */
		look->done = look->error == NULL;
		if (look->done && look->order)
			look->body = make_body(look);
	}
	foreach (lc, looking->servers)
	{
		Server *server = lfirst(lc);

		if (server->ok == 0 && server->failed > 0)
			server->stop = true;
		if (!server->no_key || !looking->quiet)
			conclude(server);
	}
	foreach (lc, looking->accounts)
		if (((Account *) lfirst(lc))->account)
			truust_account_wipe(((Account *) lfirst(lc))->account);
}

void
truust_looks_run(struct TruustLooking *looking)
{
	MemoryContext old = MemoryContextSwitchTo(looking->cxt);
	int			  next = 0;
	int			  in_flight = 0;

	for (;;)
	{
		Ask				  *ask;
		TruustHttpRequest *req;

		while (in_flight < truust_max_connections && (in_flight == 0 || truust_http_has_room()) &&
			   (ask = next_ask(looking, &next)) != NULL)
		{
			start(ask);
			in_flight++;
		}
		if (in_flight == 0)
			break;
		req = truust_http_next(-1);
		if (req == NULL)
			continue; /* the latch was set by something else */
		in_flight--;
		ask = req->user;
		if (req->outcome == TRUUST_LOST && !ask->repeated && !ask->server->stop)
		{
			truust_http_release(req);
			ask->repeated = true;
			start(ask);
			in_flight++;
		}
		else
			take_answer(ask);
	}
	finish_looks(looking);
	MemoryContextSwitchTo(old);
}
