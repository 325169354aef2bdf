/*-------------------------------------------------------------------------
 *
 * errors.h
 *		From what went wrong on the wire to what a user of SQL reads.
 *
 * One table maps an HTTP status to an SQLSTATE and a hint, and one function
 * raises it.  Nothing here knows JSON, libcurl or an endpoint: callers bring
 * the words that the API used, already converted to the server's encoding.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ERRORS_H
#define TRUUST_ERRORS_H

/*
 * What became of one request, seen from this side.
 */
typedef enum TruustOutcome
{
	TRUUST_ANSWERED = 0,  /* a whole HTTP answer arrived: see the status */
	TRUUST_NO_CONNECTION, /* never connected, or TLS refused: provably not sent */
	TRUUST_LOST,		  /* the connection broke after it was made */
	TRUUST_TIMED_OUT,	  /* connect_timeout or request_timeout ran out */
	TRUUST_TOO_LARGE,	  /* over truust.max_response_size */
	TRUUST_MALFORMED	  /* not HTTP, or not what HTTP allows here */
} TruustOutcome;

/*
 * SQLSTATE of an outcome other than TRUUST_ANSWERED.
 */
extern int truust_sqlstate_of_outcome(TruustOutcome outcome, bool maybe_sent);

/*
 * A palloc'd copy of words from outside, fit for an error, a log line or a
 * table: cut to a few kB at a character's boundary, with "sk_***" in the place
 * of anything that looks like a secret key.
 */
extern char *truust_without_secrets(const char *words);

/*
 * An answer with an error status in words (palloc'd).  message: the API's own
 * sentence or NULL.  field_lines: "field: sentence" lines or NULL.  Both in the
 * server's encoding and without secrets.
 */
extern char *truust_words_of_status(int status, const char *message, const char *field_lines);

/*
 * Raise the error for an answer with an error status.
 *
 * operation: the SQL function's name.  words: what truust_words_of_status()
 * made of it.  Never returns.
 */
extern void truust_throw_status(const char *operation, int status, const char *words, bool is_write)
	__attribute__((noreturn));

/*
 * Raise the error for a request without a usable answer.
 *
 * cause: the transport's own words, never with a secret in them.  maybe_sent:
 * whether the peer may have executed it; is_write: whether that matters.
 * Never returns.
 */
extern void truust_throw_outcome(const char *operation, TruustOutcome outcome, const char *cause,
								 bool maybe_sent, bool is_write) __attribute__((noreturn));

#endif /* TRUUST_ERRORS_H */
