/*
 * database.c - see database.h.
 *
 * A batch is a single INSERT ... SELECT FROM unnest() of four arrays sent in
 * binary: one round trip, one plan that the server keeps, one commit.  The
 * connection is non-blocking, so that a server that stops reading or answering
 * costs no more than the timeout.
 */
#include "database.h"
#include "clock.h"
#include "log.h"
#include "plain.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSERT_NAME "truust_receiver_insert"
#define INSERT_TEXT                                                                                \
	"INSERT INTO truust.webhooks (received_at, event, headers, body, server) "                     \
	"SELECT r.*, $5 FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), "                \
	"pg_catalog.unnest($3), pg_catalog.unnest($4)) AS r"

/* Types of the parameters and of their elements (pg_type.dat; they never change). */
enum
{
	OID_BYTEA = 17,
	OID_TEXT = 25,
	OID_TIMESTAMPTZ = 1184,
	OID_JSONB = 3802,
	OID_BYTEA_ARRAY = 1001,
	OID_TEXT_ARRAY = 1009,
	OID_TIMESTAMPTZ_ARRAY = 1185,
	OID_JSONB_ARRAY = 3807
};

#define N_ARRAYS 4
#define N_PARAMS (N_ARRAYS + 1) /* the last is the server, the same for all rows */
#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 in Unix time */
#define PARAM_KEEP (4 * 1024 * 1024)			   /* larger buffers are given back */

typedef struct Param
{
	char  *data;
	size_t used;
	size_t room;
} Param;

struct Database
{
	const char	  *dsn;
	const char	  *server;
	PGconn		  *conn;
	bool		   broken;	 /* must be closed before it is used again */
	bool		   answered; /* the statement under way has had a result */
	DatabaseResult outcome;	 /* and this is what it means so far */
	bool		   doubtful; /* it failed, by what may be the fault of a row */
	Param		   params[N_ARRAYS];
	char		   message[512];
};

static void
set_message(Database *database, const char *text)
{
	snprintf(database->message, sizeof(database->message), "%s", text);
	for (char *p = database->message; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ')
			*p = ' ';
	}
}

/* Can the connection string be read, and is there no password in it? */
static bool
check_dsn(const char *dsn)
{
	char			 *reason = NULL;
	PQconninfoOption *options = PQconninfoParse(dsn, &reason);
	bool			  found = false;

	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		found |= strcmp(o->keyword, "password") == 0 && o->val != NULL;
	if (options == NULL)
		/* libpq's reason quotes the string, which may hold a password. */
		log_error("the connection string cannot be read; it is to be like "
				  "\"host=db dbname=shop user=hook\" or \"postgresql://hook@db/shop\"");
	else if (found)
		log_error("the connection string holds a password, which every user of this host can read; "
				  "put it into the file that PGPASSFILE names");
	PQconninfoFree(options);
	PQfreemem(reason);
	return options != NULL && !found;
}

bool
database_init(const char *dsn)
{
	if (dsn != NULL && !check_dsn(dsn))
		return false;
	if (getenv("PGPASSWORD") != NULL)
	{
		log_error("PGPASSWORD is set; put the password into the file that PGPASSFILE names");
		return false;
	}
	/*
	 * libpq looks at the environment last, after the connection string and
	 * the service file: the place for defaults of our own.
	 */
	return setenv("PGTARGETSESSIONATTRS", "read-write", 0) == 0 &&
		   setenv("PGCONNECT_TIMEOUT", "3", 0) == 0 &&
		   setenv("PGAPPNAME", "truust-receiver", 0) == 0;
}

Database *
database_create(const char *dsn, const char *server)
{
	Database *database = calloc(1, sizeof(*database));

	if (database != NULL)
	{
		database->dsn = dsn;
		database->server = server;
		database->broken = true;
	}
	return database;
}

void
database_free(Database *database)
{
	if (database == NULL)
		return;
	database_close(database);
	for (int i = 0; i < N_ARRAYS; i++)
		free(database->params[i].data);
	free(database);
}

void
database_close(Database *database)
{
	if (database->conn == NULL)
		return;
	if (PQtransactionStatus(database->conn) == PQTRANS_ACTIVE)
	{
		/* Else a server that waits would keep its process for us for ever. */
		PGcancel *cancel = PQgetCancel(database->conn);
		char	  reason[256];

		if (cancel != NULL)
			PQcancel(cancel, reason, sizeof(reason));
		PQfreeCancel(cancel);
	}
	PQfinish(database->conn);
	database->conn = NULL;
	database->broken = true;
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

/*
 * Session settings.  A 200 stands for a durable commit, so that neither a
 * default of synchronous_commit = off applies here nor one that is set later:
 * the session keeps what it began with.
 */
static bool
set_up_session(Database *database)
{
	static const Oid types[N_PARAMS] = {OID_TIMESTAMPTZ_ARRAY, OID_TEXT_ARRAY, OID_JSONB_ARRAY,
										OID_BYTEA_ARRAY, OID_TEXT};
	PGresult		*result;
	bool			 good;

	result = PQexec(database->conn, "SELECT pg_catalog.set_config('synchronous_commit',"
									" CASE s WHEN 'off' THEN 'on' ELSE s END, false)"
									" FROM pg_catalog.current_setting('synchronous_commit') AS s");
	good = PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	if (!good)
		return false;
	result = PQprepare(database->conn, INSERT_NAME, INSERT_TEXT, N_PARAMS, types);
	good = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return good && PQsetnonblocking(database->conn, 1) == 0;
}

bool
database_connect(Database *database)
{
	const char *keywords[] = {"keepalives_idle",
							  "keepalives_interval",
							  "keepalives_count",
							  "tcp_user_timeout",
							  "dbname",
							  "client_encoding",
							  NULL};
	const char *values[] = {"10", "5", "3", "10000", database->dsn, "UTF8", NULL};
	/* What comes before dbname can be overridden by the string in it. */

	database_close(database);
	database->conn = PQconnectdbParams(keywords, values, 1);
	if (database->conn == NULL)
	{
		set_message(database, "out of memory");
		return false;
	}
	PQsetNoticeReceiver(database->conn, ignore_notice, NULL);
	/* The context of an error has the parameters where log_parameter_max_length_on_error says so. */
	PQsetErrorContextVisibility(database->conn, PQSHOW_CONTEXT_NEVER);
	if (PQstatus(database->conn) != CONNECTION_OK || !set_up_session(database))
	{
		set_message(database, PQerrorMessage(database->conn));
		database_close(database);
		return false;
	}
	database->broken = false;
	return true;
}

bool
database_usable(const Database *database)
{
	return database->conn != NULL && !database->broken;
}

bool
database_alive(Database *database)
{
	struct pollfd look = {.events = POLLIN};

	if (!database_usable(database))
		return false;
	if (PQtransactionStatus(database->conn) == PQTRANS_ACTIVE)
		return true;
	do
	{
		/* The end of the connection comes behind the server's last words. */
		if (!PQconsumeInput(database->conn) || PQstatus(database->conn) != CONNECTION_OK)
		{
			set_message(database, PQerrorMessage(database->conn));
			database->broken = true;
		}
		look.fd = PQsocket(database->conn);
	} while (!database->broken && poll(&look, 1, 0) > 0);
	return !database->broken;
}

bool
database_doubtful(const Database *database)
{
	return database->doubtful && database_usable(database);
}

const char *
database_message(const Database *database)
{
	return database->message;
}

/* --- building the arrays --- */

static char *
param_extend(Param *param, size_t size)
{
	char *place;

	if (param->used + size > param->room)
	{
		size_t room = (param->used + size) * 2;
		char  *data = realloc(param->data, room);

		if (data == NULL)
			return NULL;
		param->data = data;
		param->room = room;
	}
	place = param->data + param->used;
	param->used += size;
	return place;
}

static bool
put_int32(Param *param, uint32_t value)
{
	char	*place = param_extend(param, 4);
	uint32_t wire = htonl(value);

	if (place != NULL)
		memcpy(place, &wire, 4);
	return place != NULL;
}

/* The parts of an array's head that are always the same. */
enum
{
	DIMENSIONS = 1,
	MAY_HAVE_NULLS = 1,
	FIRST_INDEX = 1
};

/* Start a one-dimensional array of `count` elements. */
static bool
put_array_head(Param *param, uint32_t element_type, size_t count)
{
	if (param->room > PARAM_KEEP)
	{
		free(param->data);
		memset(param, 0, sizeof(*param));
	}
	param->used = 0;
	return put_int32(param, DIMENSIONS) && put_int32(param, MAY_HAVE_NULLS) &&
		   put_int32(param, element_type) && put_int32(param, (uint32_t) count) &&
		   put_int32(param, FIRST_INDEX);
}

/* An element of `size` bytes, after a lead byte unless that is negative. */
static bool
put_element(Param *param, int lead, const void *data, size_t size)
{
	char  *place;
	size_t all = size + (lead >= 0 ? 1 : 0);

	if (data == NULL)
		return put_int32(param, UINT32_MAX); /* length -1: NULL */
	if (!put_int32(param, (uint32_t) all) || (place = param_extend(param, all)) == NULL)
		return false;
	if (lead >= 0)
		*place++ = (char) lead;
	memcpy(place, data, size);
	return true;
}

/* The same for a text that is to be in ASCII. */
static bool
put_plain_element(Param *param, int lead, const char *text, size_t size)
{
	bool	 in_json = lead >= 0;
	size_t	 most = sizeof(uint32_t) + 1 + size * PLAIN_GROWTH;
	char	*place;
	size_t	 all;
	uint32_t wire;

	if (text == NULL)
		return put_int32(param, UINT32_MAX);
	place = param_extend(param, most);
	if (place == NULL)
		return false;
	if (in_json)
		place[sizeof(wire)] = (char) lead;
	all = (in_json ? 1 : 0) +
		  plain_write(place + sizeof(wire) + (in_json ? 1 : 0), text, size, in_json);
	wire = htonl((uint32_t) all);
	memcpy(place, &wire, sizeof(wire));
	param->used -= most - sizeof(wire) - all;
	return true;
}

static bool
put_text(Param *param, int lead, const char *text, size_t size, bool plain)
{
	return plain ? put_plain_element(param, lead, text, size)
				 : put_element(param, lead, text, size);
}

static bool
build_params(Database *database, Webhook *const *rows, size_t count, bool plain)
{
	static const uint32_t types[N_ARRAYS] = {OID_TIMESTAMPTZ, OID_TEXT, OID_JSONB, OID_BYTEA};
	Param				 *params = database->params;

	for (int i = 0; i < N_ARRAYS; i++)
	{
		if (!put_array_head(&params[i], types[i], count))
			return false;
	}
	for (size_t i = 0; i < count; i++)
	{
		const Webhook *row = rows[i];
		uint64_t	   time = htobe64((uint64_t) (row->received_at - POSTGRES_EPOCH_US));
		const int	   jsonb_version = 1;

		if (!put_element(&params[0], -1, &time, sizeof(time)) ||
			!put_text(&params[1], -1, row->event, row->event_len, plain) ||
			!put_text(&params[2], jsonb_version, row->headers, row->headers_len, plain) ||
			!put_element(&params[3], -1, row->body ? (const void *) row->body : "", row->body_len))
			return false;
	}
	return true;
}

/* --- sending and waiting --- */

static DatabaseResult
lost(Database *database)
{
	set_message(database, PQerrorMessage(database->conn));
	database->broken = true;
	return DATABASE_LOST;
}

/*
 * Would another row fail as well?  By the SQLSTATE's class: connection,
 * transaction, authorization, names and rights, resources, configuration,
 * foreign servers, internal.  Any other is about the row, also those of a
 * merchant's trigger, which can be anything.
 */
static bool
is_servers_trouble(const char *state)
{
	static const char *const classes[] = {"08", "0A", "25", "26", "28", "2D", "3D", "3F", "40",
										  "42", "53", "55", "57", "58", "72", "F0", "HV", "XX"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(state, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/*
 * Was the error raised inside a function, such as a merchant's trigger?  Its
 * words, and the query that it ran, may quote the row.
 */
static bool
comes_from_function(const PGresult *result)
{
	return PQresultErrorField(result, PG_DIAG_CONTEXT) != NULL ||
		   PQresultErrorField(result, PG_DIAG_INTERNAL_QUERY) != NULL;
}

/*
 * May it be the fault of one row although the SQLSTATE speaks of the server?
 * Not where that has no room, ends, or cannot read its disk.
 */
static bool
may_be_rows_fault(const char *state)
{
	return strncmp(state, "08", 2) != 0 && strncmp(state, "53", 2) != 0 &&
		   strncmp(state, "57P", 3) != 0 && strncmp(state, "58", 2) != 0;
}

/*
 * What an error of the server means for the batch.  Errors about values are
 * named by their code and constraint only: the server's words may quote the
 * row.
 */
static DatabaseResult
judge_error(Database *database, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);

	if (state == NULL)
		return lost(database);
	if (!is_servers_trouble(state))
	{
		snprintf(database->message, sizeof(database->message), "SQLSTATE %s%s%s", state,
				 constraint ? ", constraint " : "", constraint ? constraint : "");
		if (strcmp(state, "22P05") == 0)
			return DATABASE_FOREIGN;
		return strncmp(state, "54", 2) == 0 || strcmp(state, "22001") == 0 ? DATABASE_TOO_LARGE
																		   : DATABASE_REFUSED;
	}
	if (comes_from_function(result))
		snprintf(database->message, sizeof(database->message),
				 "SQLSTATE %s in a function; the server's log has its words", state);
	else
		set_message(database, PQresultErrorMessage(result));
	database->doubtful = may_be_rows_fault(state);
	/* The server goes away, became a standby, or forgot our statement. */
	if (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
		strcmp(state, "25006") == 0 || strcmp(state, "26000") == 0)
		database->broken = true;
	return DATABASE_FAILED;
}

/*
 * Take the results that are there.  True when there will be no more: the
 * server reports the statement before its commit, so that only the end of all
 * results says that the commit happened.
 */
static bool
collect(Database *database)
{
	while (!PQisBusy(database->conn))
	{
		PGresult *result = PQgetResult(database->conn);

		if (result == NULL)
			return true;
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			database->outcome = judge_error(database, result);
		else if (!database->answered)
			database->outcome = DATABASE_COMMITTED;
		database->answered = true;
		PQclear(result);
	}
	return false;
}

static DatabaseResult
wait_for_result(Database *database, int64_t until)
{
	for (;;)
	{
		struct pollfd wait = {.fd = PQsocket(database->conn), .events = POLLIN};
		int			  unsent = PQflush(database->conn);
		int64_t		  left = until - clock_monotonic_us();

		if (unsent < 0)
			return lost(database);
		if (unsent > 0)
			wait.events |= POLLOUT;
		if (collect(database))
			return database->answered ? database->outcome : lost(database);
		if (left <= 0)
		{
			set_message(database, "no commit in time");
			return DATABASE_SLOW;
		}
		if (poll(&wait, 1, (int) (left / 1000) + 1) < 0 && errno != EINTR)
			return lost(database);
		/* On failure the next collect() finds the error as a result. */
		if (wait.revents & ~POLLOUT)
			PQconsumeInput(database->conn);
	}
}

DatabaseResult
database_insert(Database *database, Webhook *const *rows, size_t count, bool plain, int timeout_ms)
{
	const char		*values[N_PARAMS];
	int				 lengths[N_PARAMS];
	static const int formats[N_PARAMS] = {1, 1, 1, 1, 0};
	int64_t			 until = clock_monotonic_us() + timeout_ms * INT64_C(1000);

	database->doubtful = false;
	if (!database_alive(database))
		return DATABASE_FAILED;
	if (!build_params(database, rows, count, plain))
	{
		set_message(database, "out of memory");
		return DATABASE_FAILED;
	}
	values[N_ARRAYS] = database->server;
	lengths[N_ARRAYS] = 0; /* of no meaning for text */
	for (int i = 0; i < N_ARRAYS; i++)
	{
		values[i] = database->params[i].data;
		lengths[i] = (int) database->params[i].used;
	}
	database->answered = false;
	database->outcome = DATABASE_LOST;
	if (!PQsendQueryPrepared(database->conn, INSERT_NAME, N_PARAMS, values, lengths, formats, 0))
		return lost(database);
	return wait_for_result(database, until);
}

DatabaseResult
database_probe(Database *database, int timeout_ms)
{
	return database_insert(database, NULL, 0, false, timeout_ms);
}

DatabaseResult
database_settle(Database *database, int timeout_ms)
{
	return wait_for_result(database, clock_monotonic_us() + timeout_ms * INT64_C(1000));
}
