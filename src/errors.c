/*-------------------------------------------------------------------------
 *
 * errors.c
 *		From what went wrong on the wire to what a user of SQL reads.
 *
 * The primary message says what happened, DETAIL carries the HTTP status and
 * the words of the API or of the transport, HINT the next step where there is
 * one.  The words come from outside: they are cut to a bearable length, and
 * whatever looks like a secret key is taken out of them, because an API or a
 * proxy in between may well quote the request that it complains about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "errors.h"

#define MAX_WORDS 4096 /* bytes of foreign words in one error */

#define KEY_PREFIX "sk_"
#define KEY_REPLACEMENT "sk_***"

/*
 * What an HTTP status means to a caller.  The last row of each class stands
 * for its unlisted members, as HTTP has it: a code that is not known is to be
 * treated as the class's x00.
 */
typedef struct StatusRow
{
	int			from, to;
	int			sqlstate;
	const char *fact; /* completes "truust_create_order ..." */
	const char *hint; /* or NULL */
} StatusRow;

static const StatusRow status_rows[] = {
	{401, 401, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	 "was refused: the API does not accept the secret key",
	 "Set the current key with ALTER USER MAPPING ... OPTIONS (SET secret_key '...')."},
	{403, 403, ERRCODE_INSUFFICIENT_PRIVILEGE, "was refused: the account may not do this",
	 "The key is valid, but the account or the resource's kind does not permit the operation."},
	{404, 404, ERRCODE_NO_DATA_FOUND, "was refused: the API knows no such resource",
	 "The id may belong to another account or environment than server and user mapping point to."},
	{409, 409, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	 "was refused: it conflicts with the resource's state",
	 "Read the resource again and decide by its current status."},
	{429, 429, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "was refused: too many requests",
	 "Nothing was executed. Try again later, or spread the calls: deferred requests slow down by "
	 "themselves."},
	/* whoever answers so has not seen all of the request, or says so */
	{408, 408, ERRCODE_CONNECTION_FAILURE, "was not received by the API in time", NULL},
	{400, 499, ERRCODE_INVALID_PARAMETER_VALUE,
	 "was refused: the API does not accept the parameters", NULL},
	{500, 599, ERRCODE_SYSTEM_ERROR, "failed inside the API",
	 "The fault is not in the parameters. Try again later; before a write is repeated, look "
	 "whether it took effect."},
	{INT_MIN, INT_MAX, ERRCODE_PROTOCOL_VIOLATION, "got an answer that the API does not define",
	 NULL},
};

static const StatusRow *
find_status(int status)
{
	const StatusRow *row = status_rows;

	while (status < row->from || status > row->to)
		row++;
	return row;
}

int
truust_sqlstate_of_outcome(TruustOutcome outcome, bool maybe_sent)
{
	switch (outcome)
	{
		case TRUUST_TOO_LARGE:
		case TRUUST_MALFORMED:
			return ERRCODE_PROTOCOL_VIOLATION;
		default:
			return maybe_sent ? ERRCODE_CONNECTION_FAILURE
							  : ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
	}
}

static bool
is_key_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		   c == '-' || c == '.';
}

char *
truust_without_secrets(const char *words)
{
	StringInfoData out;
	int			   len = strlen(words);
	const char	  *end = words + (len > MAX_WORDS ? pg_mbcliplen(words, len, MAX_WORDS) : len);

	initStringInfo(&out);
	while (words < end)
	{
		if (strncmp(words, KEY_PREFIX, strlen(KEY_PREFIX)) == 0)
		{
			appendStringInfoString(&out, KEY_REPLACEMENT);
			/* the stars of one that is replaced already, too */
			while (words < end && (is_key_character(*words) || *words == '*'))
				words++;
		}
		else
			appendStringInfoChar(&out, *words++);
	}
	if (*end != '\0')
		appendStringInfoString(&out, "...");
	return out.data;
}

char *
truust_words_of_status(int status, const char *message, const char *field_lines)
{
	StringInfoData words;

	initStringInfo(&words);
	appendStringInfo(&words, "HTTP status %d", status);
	if (message)
		appendStringInfo(&words, ": %s", message);
	else if (field_lines)
		appendStringInfoChar(&words, ':');
	else
		appendStringInfoString(&words, " without a word of explanation.");
	if (field_lines)
		appendStringInfo(&words, "\n%s", field_lines);
	return words.data;
}

static const char *
fact_of_outcome(TruustOutcome outcome, bool maybe_sent)
{
	switch (outcome)
	{
		case TRUUST_ANSWERED:
			break;
		case TRUUST_NO_CONNECTION:
			return "could not connect to the API";
		case TRUUST_LOST:
			return "lost the connection to the API before the answer was complete";
		case TRUUST_TIMED_OUT:
			return maybe_sent ? "got no complete answer from the API in time"
							  : "could not connect to the API in time";
		case TRUUST_TOO_LARGE:
			return "got an answer that is too large";
		case TRUUST_MALFORMED:
			return "got an answer that is not valid";
	}
	return "failed";
}

/* What became of the request, for DETAIL: a write's fate is always said, a read's where there is no whole answer. */
static const char *
fate_of_request(int sqlstate, bool maybe_sent, bool is_write)
{
	if (!maybe_sent)
		return " The request was not sent.";
	if (is_write)
		return " The request was sent and may have been executed.";
	return sqlstate == ERRCODE_CONNECTION_FAILURE
			   ? " The request was sent; executed or not, it changes nothing."
			   : "";
}

static const char *
hint_of_outcome(TruustOutcome outcome, bool maybe_sent, bool is_write)
{
	if (maybe_sent && is_write)
		return "It is not repeated by itself. Look first whether it took effect (list the "
			   "resources by tag, or read the resource), and only then repeat it.";
	switch (outcome)
	{
		case TRUUST_TIMED_OUT:
			return "Try again later, or raise connect_timeout or request_timeout of the server.";
		case TRUUST_TOO_LARGE:
			return "Ask for less at once (per_page), or raise truust.max_response_size.";
		case TRUUST_MALFORMED:
			return "Check base_url of the server: something else than the API may have answered.";
		case TRUUST_NO_CONNECTION:
			return "Check the server's options and that this host reaches the API.";
		default:
			return NULL;
	}
}

void
truust_throw_outcome(const char *operation, TruustOutcome outcome, const char *cause,
					 bool maybe_sent, bool is_write)
{
	char	   *words = truust_without_secrets(cause && cause[0] ? cause : "no cause is known");
	const char *hint = hint_of_outcome(outcome, maybe_sent, is_write);
	int			sqlstate = truust_sqlstate_of_outcome(outcome, maybe_sent);
	char		last = words[strlen(words) - 1];

	if (words[0] >= 'a' && words[0] <= 'z')
		words[0] += 'A' - 'a';

	ereport(ERROR,
			(errcode(sqlstate), errmsg("%s %s", operation, fact_of_outcome(outcome, maybe_sent)),
			 errdetail_internal("%s%s%s", words, last == '.' ? "" : ".",
								fate_of_request(sqlstate, maybe_sent, is_write)),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

void
truust_throw_status(const char *operation, int status, const char *words, bool is_write)
{
	const StatusRow *row = find_status(status);
	const char		*hint = row->hint;
	const char		*fate = "";

	/* 408, and what is no status at all, say nothing of what became of the request */
	if (row->sqlstate == ERRCODE_CONNECTION_FAILURE || row->sqlstate == ERRCODE_PROTOCOL_VIOLATION)
	{
		hint = hint_of_outcome(row->sqlstate == ERRCODE_CONNECTION_FAILURE ? TRUUST_LOST
																		   : TRUUST_MALFORMED,
							   true, is_write);
		fate = fate_of_request(row->sqlstate, true, is_write);
	}
	ereport(ERROR, (errcode(row->sqlstate), errmsg("%s %s", operation, row->fact),
					errdetail_internal("%s%s%s", words,
									   fate[0] && words[strlen(words) - 1] != '.' ? "." : "", fate),
					hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}
