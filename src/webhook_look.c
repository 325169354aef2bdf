/*-------------------------------------------------------------------------
 *
 * webhook_look.c
 *		The API is asked what is true of some orders.
 *
 * A look is prepared in a transaction (whose key, which address) and run
 * between transactions, many requests at once.  Where a server does not
 * answer or takes no more, the rest is not even tried and the server is left
 * alone for a while, longer each time: that is nobody's fault but the server's,
 * and whatever waits for it just waits.  Where a role has no key, or it is
 * refused, that is so for this role's orders only.
 *
 * A payment that an event names is asked for after its order and the payment that
 * this shows, and only where that is another one.
 *
 * An order is looked at with the key of the role that noted it, else, where
 * that fails too, with the one for orders that nobody noted: all keys of a server
 * are of one account at Truust.
 *
 * What counts is the API's own word: the order that was asked for, with a
 * status, or a 404 in JSON.  Anything else, whatever its HTTP status, comes from
 * something in between, and is a failure like a 5xx.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "attempt.h"
#include "clock.h"
#include "guc.h"
#include "role_name.h"
#include "slots.h"
#include "stats.h"
#include "webhook.h"

#define MAX_FAILURES_IN_A_ROW                                                                      \
	3 /* and not one answer that can be used, before the server is to blame */

/* Whom a failure can be laid to in one run: a server, or its account as a role has it. */
typedef struct Party
{
	const char	  *server;
	Oid			   role;	  /* InvalidOid: for orders of nobody; TRUUST_ALL_ROLES: the server */
	TruustAccount *account;	  /* of a role; NULL: there is none */
	char		  *role_name; /* whose key it is */
	int			   ok;
	int			   failed;
	bool		   stop;		/* send nothing more */
	bool		   was_resting; /* that is from before */
	bool		   no_key;
	long		   retry_after; /* ms, -1: not said */
	char		  *error;		/* where it stops or something failed */
} Party;

typedef enum AskKind
{
	ASK_ORDER,
	ASK_PAYIN,
	ASK_PAYOUT,
	ASK_NAMED
} AskKind;

/* One request of a look. */
typedef struct Ask
{
	struct TruustLooking *looking;
	TruustLook			 *look;
	AskKind				  kind;
	TruustNamedPayment	 *named; /* of ASK_NAMED */
	int64				  id;	 /* of what is asked for, or whose it is */
	Party				 *server;
	Party				 *account;
	TruustWire			  wire;
	TruustHttpRequest	  req;
	int64				  started; /* us of the monotonic clock */
	bool				  repeated;
} Ask;

struct TruustLooking
{
	MemoryContext cxt;
	HTAB		 *looks;
	Ask			 *asks;
	int			  n;
	List		 *parties; /* of Party */
	bool		  quiet;   /* a server without a key is nothing to complain of */
	bool		  trial;   /* of a server that has failed */
	int			  next;	   /* of asks */
	int			  in_flight;
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

/* It answers again, or did not: remember. */
static void
conclude(const Party *party)
{
	const char *whose = "";
	long		ms;

	if (party->was_resting)
		return;
	if (!party->stop)
	{
		if (party->ok > 0)
			truust_rest_end(party->server, party->role);
		return;
	}
	ms = truust_rest_begin(party->server, party->role, party->retry_after);
	if (party->role_name)
		whose = psprintf(" with the key of role \"%s\"", party->role_name);
	truust_slot_error(psprintf("server \"%s\" is left alone for %ld ms%s: %s", party->server, ms,
							   whose, party->error));
	ereport(LOG, (errmsg("looking at orders of server \"%s\"%s failed: %s", party->server, whose,
						 party->error),
				  errdetail("It is tried again in %ld ms; nothing is lost meanwhile.", ms)));
}

static Party *
find_party(struct TruustLooking *looking, const char *server, Oid role, bool *found)
{
	ListCell *lc;
	Party	 *party;

	*found = true;
	foreach (lc, looking->parties)
	{
		party = lfirst(lc);
		if (party->role == role && strcmp(party->server, server) == 0)
			return party;
	}
	*found = false;
	party = palloc0(sizeof(Party));
	party->server = pstrdup(server);
	party->role = role;
	party->retry_after = -1;
	looking->parties = lappend(looking->parties, party);
	return party;
}

static Party *
find_server(struct TruustLooking *looking, const char *name)
{
	bool found;

	return find_party(looking, name, TRUUST_ALL_ROLES, &found);
}

/* The roles that noted the orders, whose keys are the best to ask with. */
static void
read_roles(HTAB *looks)
{
	static TruustStatement select = {
		"SELECT o.id, o.server, " TRUUST_ROLE_OID(
			"o") " FROM truust.orders o WHERE o.id = ANY ($1) AND o.role IS NOT NULL",
		1,
		{INT8ARRAYOID}};
	TruustColumn	ids;
	HASH_SEQ_STATUS scan;
	TruustLook	   *look;
	Datum			value;
	uint64			n;
	Oid				role;
	bool			isnull;

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
		role = truust_result_oid(i, 3);
		if (look && truust_role_exists(role))
			look->role = role;
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
wipe(void *account)
{
	truust_account_wipe(account);
}

TruustAccount *
truust_account_keep(const TruustAccount *account)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = wipe;
	callback->arg = truust_account_copy(account, CurrentMemoryContext);
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return callback->arg;
}

/* In a subtransaction: raises where there is no key. */
static void
get_account(void *arg)
{
	Party *party = arg;
	Oid	   role = truust_account_role(party->server, party->role);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no role has a key for server \"%s\" that orders could be looked at with",
						party->server),
				 errhint("Create a user mapping for the server's owner.")));
	party->role_name = GetUserNameFromId(role, false);
	party->account = truust_account_keep(truust_account_get(party->server, role));
}

/* The account that a role's orders are looked at with. */
static Party *
find_account(struct TruustLooking *looking, const char *server, Oid role)
{
	bool	   found;
	Party	  *party = find_party(looking, server, role, &found);
	ErrorData *edata;

	if (found)
		return party;
	if (truust_rests(server, role))
	{
		party->stop = party->was_resting = true;
		party->error = "its key is left alone for a while";
		return party;
	}
	edata = truust_worker_try(get_account, party);
	if (edata)
	{
		party->account = NULL;
		party->role_name = NULL; /* the error names whom it must */
		party->stop = party->no_key = true;
		party->error = edata->message;
	}
	return party;
}

/* The role's account, else the one for orders of nobody. */
static Party *
choose_account(struct TruustLooking *looking, const char *server, Oid role)
{
	Party *account = find_account(looking, server, role);
	Party *other;

	if (!account->stop || !OidIsValid(role))
		return account;
	other = find_account(looking, server, InvalidOid);
	return other->stop ? account : other;
}

static Ask *
add_ask(struct TruustLooking *looking, TruustLook *look, Party *account, AskKind kind, int64 id,
		const char *operation)
{
	Datum value = Int64GetDatum(id);
	bool  isnull = false;
	Ask	 *ask = &looking->asks[looking->n++];

	memset(ask, 0, sizeof(Ask));
	ask->looking = looking;
	ask->look = look;
	ask->kind = kind;
	ask->id = id;
	ask->server = find_server(looking, look->key.server);
	ask->account = account;
	truust_wire_build(&ask->wire, truust_endpoint_signature(truust_endpoint_find(operation)),
					  account->account, &value, &isnull);
	if (kind != ASK_NAMED)
		look->n_open++;
	return ask;
}

static void
add_look(struct TruustLooking *looking, TruustLook *look)
{
	int64  id = look->key.id;
	Party *account;

	if (!looking->trial && (truust_rests(look->key.server, TRUUST_ALL_ROLES) ||
							truust_trial_begin(look->key.server, look->key.id)))
	{
		look->error = "the server is left alone for a while";
		look->later = true;
		return;
	}
	account = choose_account(looking, look->key.server, look->role);
	if (account->stop)
	{
		look->error = account->error;
		look->later = true;
		return;
	}
	add_ask(looking, look, account, ASK_ORDER, id, "get_order");
	if (look->want_payin)
		add_ask(looking, look, account, ASK_PAYIN, id, "get_order_payin");
	if (look->want_payout)
		add_ask(looking, look, account, ASK_PAYOUT, id, "get_order_payout");
}

/* Behind all of the others, so that what they wait for is under way. */
static void
add_named(struct TruustLooking *looking, TruustLook *look)
{
	ListCell *lc;

	if (look->error)
		return;
	foreach (lc, look->named)
	{
		TruustNamedPayment *named = lfirst(lc);

		add_ask(looking, look, choose_account(looking, look->key.server, look->role), ASK_NAMED,
				named->id, named->payout ? "get_payout" : "get_payin")
			->named = named;
	}
}

static struct TruustLooking *
prepare(HTAB *looks, bool quiet, bool trial)
{
	struct TruustLooking *looking = palloc0(sizeof(struct TruustLooking));
	int					  n_named = truust_named_payments_count(looks);
	Size				  max = (Size) hash_get_num_entries(looks) * (ASK_PAYOUT + 1) + n_named;
	HASH_SEQ_STATUS		  scan;
	TruustLook			 *look;

	looking->cxt = CurrentMemoryContext;
	looking->looks = looks;
	looking->quiet = quiet;
	looking->trial = trial;
	looking->asks = palloc_extended(sizeof(Ask) * Max(max, 1), MCXT_ALLOC_HUGE);
	read_roles(looks);
	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
		add_look(looking, look);
	if (n_named == 0)
		return looking;
	truust_named_payments_read(looks);
	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
		add_named(looking, look);
	return looking;
}

struct TruustLooking *
truust_looks_prepare(HTAB *looks, bool quiet)
{
	return prepare(looks, quiet, false);
}

struct TruustLooking *
truust_looks_prepare_trial(HTAB *looks)
{
	struct TruustLooking *looking = prepare(looks, true, true);

	return looking->n > 0 ? looking : NULL;
}

static void
start(Ask *ask)
{
	ask->started = truust_monotonic_us();
	if (ask->kind == ASK_ORDER)
		ask->look->at = GetCurrentTimestamp();
	memset(&ask->req, 0, sizeof(ask->req));
	truust_wire_to_http(&ask->req, &ask->wire, ask->account->account);
	ask->req.user = ask;
	truust_http_start(&ask->req);
}

/* What was asked for has no answer: the order, or one payment of which an event speaks. */
static void
fail(Ask *ask, char *error, bool later)
{
	if (ask->named)
	{
		ask->named->error = error;
		ask->named->later |= later;
		return;
	}
	ask->look->error = error;
	ask->look->later |= later;
}

static void
blame(Ask *ask, Party *party, const TruustAnswer *answer)
{
	party->stop = true;
	party->error = answer->error;
	party->retry_after = Max(party->retry_after, answer->retry_after);
	fail(ask, answer->error, true);
}

static bool
has_status(Jsonb *resource)
{
	char *status = truust_json_get_text(resource, "status");

	return status && *status;
}

bool
truust_is_order(Jsonb *resource, int64 id)
{
	int64 found;

	return resource && JB_ROOT_IS_OBJECT(resource) && has_status(resource) &&
		   truust_json_get_int64(resource, "id", &found) && found == id;
}

/* A payin or payout; where it names its order, of this one. */
static bool
is_payment_of(Jsonb *resource, int64 order_id)
{
	int64 id;

	return JB_ROOT_IS_OBJECT(resource) && has_status(resource) &&
		   truust_json_get_int64(resource, "id", &id) &&
		   (!truust_json_get_int64(resource, "escrow_id", &id) || id == order_id);
}

/* Whether the answer says that there is none: null, [] or {}, alone or as the data. */
static bool
says_none(const TruustAnswer *answer)
{
	Jsonb *resource = truust_json_resource(answer->whole);

	return answer->whole &&
		   (resource == NULL || (!JB_ROOT_IS_SCALAR(resource) && JB_ROOT_COUNT(resource) == 0));
}

/* Whether the answer is what was asked for, or says that there is none. */
static bool
is_wanted(const Ask *ask, const TruustAnswer *answer)
{
	Jsonb *resource = answer->resource;

	if (answer->kind != TRUUST_OK)
		return false;
	if (ask->kind == ASK_ORDER || (ask->kind == ASK_NAMED && resource))
		return truust_is_order(resource, ask->id);
	return resource == NULL || is_payment_of(resource, ask->id);
}

static bool
is_object(const TruustAnswer *answer)
{
	return answer->whole && JB_ROOT_IS_OBJECT(answer->whole);
}

/* Whether no payment was shown, and asking again would not show one. */
static bool
shows_none(const Ask *ask, const TruustAnswer *answer)
{
	bool answered = answer->status >= 200 && answer->status < 300;
	bool refused = answer->kind == TRUUST_REFUSED && answer->status != 401 && is_object(answer);

	if (ask->kind == ASK_NAMED)
		return refused || (answered && says_none(answer));
	if (ask->look->need_payment)
		return answered && says_none(answer);
	return answered || refused;
}

/*
 * Whether an answer says something about what was asked; else *answer gets an
 * error.  A payment that only a body speaks of is not worth one: there is none
 * that could be shown.
 */
static bool
has_sense(const Ask *ask, TruustAnswer *answer)
{
	if (answer->status == 404)
		return is_object(answer);
	if (is_wanted(ask, answer))
		return true;
	if (ask->kind != ASK_ORDER && shows_none(ask, answer))
	{
		answer->kind = TRUUST_OK;
		answer->resource = NULL;
		return true;
	}
	if (answer->kind == TRUUST_OK)
		answer->error = psprintf("HTTP status %d with something that is not what was asked for "
								 "(%s of " INT64_FORMAT ")",
								 answer->status, ask->wire.endpoint->name, ask->id);
	return false;
}

/* There it is, or there is none. */
static void
take_resource(Ask *ask, const TruustAnswer *answer)
{
	Jsonb *resource = answer->status == 404 ? NULL : answer->resource;

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
		case ASK_NAMED:
			truust_named_payment_take(ask->look, ask->named, resource);
			break;
	}
}

/* Whose trouble a failure is: the key's, the server's, or that of what was asked for. */
static void
take_failure(Ask *ask, const TruustAnswer *answer)
{
	fail(ask, answer->error, false);
	if (answer->status == 401)
		blame(ask, ask->account, answer);
	else if (answer->status == 0 || answer->status == 429)
		blame(ask, ask->server, answer);
	else if (answer->kind == TRUUST_REFUSED && answer->status != 404)
	{
		ask->server->ok++; /* it answers: what it refuses is this order */
		ask->account->ok++;
	}
	else
	{
		ask->server->error = answer->error;
		if (++ask->server->failed >= MAX_FAILURES_IN_A_ROW && ask->server->ok == 0)
			blame(ask, ask->server, answer);
	}
}

static void
take_answer(Ask *ask)
{
	TruustAnswer answer;
	bool		 good;

	ask->look->n_open -= ask->kind != ASK_NAMED;
	truust_answer_read(&answer, &ask->wire, &ask->req);
	good = has_sense(ask, &answer);
	truust_stats_call(ask->wire.endpoint - truust_endpoints, !good || answer.kind != TRUUST_OK,
					  ask->repeated, truust_monotonic_us() - ask->started);
	truust_http_release(&ask->req);
	if (!good)
	{
		take_failure(ask, &answer);
		return;
	}
	ask->server->ok++;
	ask->account->ok++;
	take_resource(ask, &answer);
}

/* The next request that may be sent, NULL: none yet; those of a server or a key that fails are not. */
static Ask *
next_ask(struct TruustLooking *looking)
{
	while (looking->next < looking->n)
	{
		Ask *ask = &looking->asks[looking->next];

		if (ask->named && ask->look->n_open > 0)
			return NULL;
		looking->next++;
		if (ask->named && !truust_named_payment_is_needed(ask->look, ask->named))
			continue;
		if (!ask->server->stop && !ask->account->stop)
			return ask;
		ask->look->n_open -= ask->kind != ASK_NAMED;
		fail(ask, ask->server->stop ? ask->server->error : ask->account->error, true);
	}
	return NULL;
}

/* What a handler is given as the body, made of what the API says. */
static Jsonb *
make_body(Jsonb *order, Jsonb *payin, Jsonb *payout)
{
	const struct
	{
		const char *key;
		Jsonb	   *value;
	} parts[] = {{"escrow", order}, {"payin", payin}, {"payout", payout}};
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

/* A look that counts: bodies of what it says. */
static void
make_bodies(TruustLook *look)
{
	ListCell *lc;

	look->body = make_body(look->order, look->payin, look->payout);
	foreach (lc, look->named)
	{
		TruustNamedPayment *named = lfirst(lc);

		if (named->resource)
			named->body = make_body(look->order, named->payout ? look->payin : named->resource,
									named->payout ? named->resource : look->payout);
	}
}

/* When all is answered: which looks count. */
void
truust_looks_finish(struct TruustLooking *looking)
{
	HASH_SEQ_STATUS scan;
	TruustLook	   *look;
	ListCell	   *lc;

	hash_seq_init(&scan, looking->looks);
	while ((look = hash_seq_search(&scan)) != NULL)
	{
		if (find_server(looking, look->key.server)->ok == 0)
			look->later = true; /* nothing but failures: not this order's fault */
		look->done = look->error == NULL;
		if (look->done && look->order)
			make_bodies(look);
	}
	foreach (lc, looking->parties)
	{
		Party *party = lfirst(lc);

		if (party->ok == 0 && party->failed > 0 && !looking->trial)
			party->stop = true;
		if (!party->no_key || !looking->quiet)
			conclude(party);
		if (party->account)
			truust_account_wipe(party->account);
	}
}

void
truust_looks_begin(struct TruustLooking *looking)
{
	Ask *ask;

	while (looking->in_flight < truust_max_connections &&
		   (looking->in_flight == 0 || truust_http_has_room()) && (ask = next_ask(looking)) != NULL)
	{
		start(ask);
		looking->in_flight++;
	}
}

void
truust_looks_take(TruustHttpRequest *req)
{
	Ask			 *ask = req->user;
	MemoryContext old = MemoryContextSwitchTo(ask->looking->cxt);

	if (req->outcome == TRUUST_LOST && !ask->repeated && !ask->server->stop)
	{
		truust_http_release(req);
		ask->repeated = true;
		start(ask);
	}
	else
	{
		ask->looking->in_flight--;
		take_answer(ask);
	}
	MemoryContextSwitchTo(old);
}

bool
truust_looks_are_over(const struct TruustLooking *looking)
{
	return looking->in_flight == 0;
}

bool
truust_looks_are_lost(const struct TruustLooking *looking)
{
	for (int i = 0; i < looking->next; i++)
		if (truust_http_is_known(&looking->asks[i].req))
			return false;
	return true;
}

void
truust_looks_run(struct TruustLooking *looking)
{
	MemoryContext old = MemoryContextSwitchTo(looking->cxt);

	for (;;)
	{
		TruustHttpRequest *req;

		truust_looks_begin(looking);
		if (truust_looks_are_over(looking))
			break;
		req = truust_http_next(-1);
		if (req) /* else the latch was set by something else */
			truust_looks_take(req);
	}
	truust_looks_finish(looking);
	MemoryContextSwitchTo(old);
}
