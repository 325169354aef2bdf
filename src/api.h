/*-------------------------------------------------------------------------
 *
 * api.h
 *		One call of the API: endpoint, credentials, JSON, HTTP and repetition
 *		put together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_API_H
#define TRUUST_API_H

#include "wire.h"

/*
 * What an answer means, for a caller that must not throw (the worker).
 */
typedef enum TruustAnswerKind
{
	TRUUST_OK,		  /* 2xx with what the wire wants */
	TRUUST_REFUSED,	  /* 4xx: permanent, not executed */
	TRUUST_TRY_LATER, /* 429, no connection: provably not executed, try again */
	TRUUST_UNKNOWN	  /* lost, timed out, 408, 5xx, no answer to this: may have been executed */
} TruustAnswerKind;

typedef struct TruustAnswer
{
	TruustAnswerKind kind;
	int				 status;	  /* HTTP status or 0 */
	Jsonb			*resource;	  /* unwrapped; NULL: empty body */
	Jsonb			*whole;		  /* as it came */
	char			*message;	  /* the API's own sentence about an error, or NULL */
	char			*field_lines; /* "field: sentence" lines of a refusal, or NULL */
	char			*error;		  /* all of it for a person, in one text; NULL when OK */
	int				 retry_after; /* ms, -1: not given */
} TruustAnswer;

/* Whether it is an object with one of the fields by which such a resource is known (TruustSignature.identity). */
extern bool truust_answer_is_known(Jsonb *resource, const char *const *identity);

/* Read a finished request into an answer (current memory context); never raises for what the peer sent. */
extern void truust_answer_read(TruustAnswer *answer, const TruustWire *wire,
							   const TruustHttpRequest *req);

/*
 * For who gives the answer to a read away as a row: one that is empty, or has
 * the words of an error and nothing by which the resource would be known, is none.
 */
extern void truust_answer_check_read(TruustAnswer *answer, const TruustWire *wire);

/*
 * A whole call in the foreground: repeats what is safe to repeat within
 * request_timeout in all, raises the errors of the interface's table.  Returns
 * the resource that the answer holds, NULL where there is none; *whole, unless
 * whole is NULL, gets the answer as it came, NULL for an empty body.
 */
extern Jsonb *truust_api_call(const TruustWire *wire, const TruustAccount *account, Jsonb **whole);

/*
 * Its two halves, for whoever has something to do while the API is at work: what
 * raises between them leaves a call behind whose outcome nobody knows.
 */
extern struct TruustCall *truust_api_send(const TruustWire *wire, const TruustAccount *account);
extern Jsonb			 *truust_api_receive(struct TruustCall *call, Jsonb **whole);

/*
 * Many calls at once, at most truust.max_connections in flight, each with the
 * same rules.  done(i, resource, arg) is called once for each, in the order in
 * which they finish, in the caller's memory context; the resource is gone when
 * it returns.  missing_ok: where the API knows no such resource (404) it is
 * NULL; else that raises like any failure.
 */
extern void truust_api_call_many(const TruustWire *wires, int n, const TruustAccount *account,
								 bool  missing_ok, void (*done)(int i, Jsonb *resource, void *arg),
								 void *arg);

/* Milliseconds to pause before attempt n (from 1): exponential with jitter, from base to cap. */
extern long truust_backoff(int attempt, long base_ms, long cap_ms);

#endif /* TRUUST_API_H */
