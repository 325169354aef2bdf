/*-------------------------------------------------------------------------
 *
 * wire.h
 *		A request of the API as it goes over the wire.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WIRE_H
#define TRUUST_WIRE_H

#include "credentials.h"
#include "endpoint.h"
#include "http.h"
#include "json.h"

/* Rows of a page of a list, at most. */
#define TRUUST_LARGEST_PAGE 100

/* What a 2xx answer must hold to be one. */
typedef enum TruustWanted
{
	TRUUST_WANTS_JSON, /* JSON, or nothing at all with status 204 */
	TRUUST_WANTS_RESOURCE, /* the same, and an object; with one of the fields of identity, if there are any */
	TRUUST_WANTS_LIST,	  /* the same, and an array */
	TRUUST_WANTS_NOTHING, /* nothing, or JSON */
	TRUUST_WANTS_ANYTHING /* whatever it is, a redirection too: nobody reads it */
} TruustWanted;

/*
 * A request ready to be sent: text only, so that it can be kept past the
 * transaction that made it.  All palloc'd in the context current at building.
 */
typedef struct TruustWire
{
	const TruustEndpoint *endpoint;
	char				 *url;
	char				 *body; /* NULL: none */
	size_t				  body_len;
	TruustWanted		  wanted;
	/* static, fields of which an answer's resource has one: */
	const char *const *identity; /* of a write; NULL: a read, or no resource is wanted */
	const char *const *known_by; /* of a read, unless it says anything else */
} TruustWire;

/*
 * Build the request for a signature's parameters.  values/nulls are in the
 * order of signature->parameters; NULL means not sent.  account NULL: only
 * check.  Raises 22004 for a NULL required parameter and 22023 for a value
 * that cannot be sent.
 */
extern void truust_wire_build(TruustWire *wire, const TruustSignature *signature,
							  const TruustAccount *account, const Datum *values, const bool *nulls);

/*
 * The same from a jsonb object of arguments by name (a deferred request):
 * unknown names and values that do not fit their types are errors (22023 with
 * the valid names in HINT), missing required ones 22004.
 */
extern void truust_wire_build_from_jsonb(TruustWire *wire, const TruustSignature *signature,
										 const TruustAccount *account, Jsonb *args);

/*
 * Ask for a page of a list that has no parameter for it: not all lists that the
 * API divides into pages are described as such.
 */
extern void truust_wire_page(TruustWire *wire, int64 page);

/*
 * The whole number that is a parameter's value, otherwise where it is NULL or
 * there is none of that name.  Raises 22023 for what is not from min to max.
 */
extern int64 truust_wire_number(const TruustSignature *signature, const Datum *values,
								const bool *nulls, const char *name, int64 min, int64 max,
								int64 otherwise);

/* Fill in an HTTP request (zeroed first) that borrows from wire and account. */
extern void truust_wire_to_http(TruustHttpRequest *req, const TruustWire *wire,
								const TruustAccount *account);

#endif /* TRUUST_WIRE_H */
