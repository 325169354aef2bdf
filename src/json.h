/*-------------------------------------------------------------------------
 *
 * json.h
 *		Bodies out, resources in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_JSON_H
#define TRUUST_JSON_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * Read JSON text (UTF-8, a byte-order mark in front is skipped) into a jsonb
 * in the current memory context.  On bad JSON, bad UTF-8, a NUL (\u0000), or
 * nesting beyond the stack: returns NULL with a sentence in *problem
 * (palloc'd), which says where an escape is that cannot be read.  Never raises for what the text holds.  A character that the
 * server's encoding lacks becomes the text of its escape, as in "\u20ac".
 */
extern Jsonb *truust_json_parse(const char *text, size_t len, char **problem);

/* The field of an object as jsonb (NULL: absent, JSON null, or object is none). */
extern Jsonb *truust_json_get(Jsonb *object, const char *field);

/* The field as text: strings as they are, numbers and booleans as written; NULL: absent, null, not a scalar, or a number of over 400 digits. */
extern char *truust_json_get_text(Jsonb *object, const char *field);

/* A scalar as text, as above; NULL: it is none, null, or a number of over 400 digits. */
extern char *truust_json_text(const JsonbValue *value);

/* Whether the field holds a number, or a text that is not empty. */
extern bool truust_json_has(Jsonb *object, const char *field);

/* A scalar as bigint: a whole number or a string of digits; false: not such. */
extern bool truust_json_int64(const JsonbValue *value, int64 *result);

/* The field as bigint, as above; false: absent or not such. */
extern bool truust_json_get_int64(Jsonb *object, const char *field, int64 *result);

/*
 * The resource in an answer: {"data": {...}} or bare.  NULL where there is
 * none: no answer, or {"data": null}.
 */
extern Jsonb *truust_json_resource(Jsonb *answer);

/*
 * A JSON value as a Datum of an SQL type (text, bigint, numeric, boolean, date,
 * timestamptz, jsonb, text[], bigint[]).  Converts where that loses nothing;
 * else returns false with a phrase in *problem ("is not a whole number").
 * JSON null gives *isnull; with empty_is_null so does "" for a type other than
 * text.  Never raises for what the value holds.
 */
extern bool truust_json_to_datum(JsonbValue *value, Oid type, bool empty_is_null, Datum *result,
								 bool *isnull, char **problem);

/*
 * Some fields of an object, in one pass over it: each that is there and not
 * null goes into its place in values; the others become jbvNull there.  names
 * are in jsonb's own order, the shorter first, then by bytes.
 */
extern void truust_json_get_fields(const Jsonb *object, const char *const *names, int n,
								   JsonbValue *values);

/*
 * A resource as the composite type described by desc, whose columns carry the
 * names of the fields, the last being raw jsonb.  Raises 08P01 naming the
 * field and the resource where a value does not fit without loss, or where it
 * is no object.  operation, is_write: of the call, for the error.
 */
extern HeapTuple truust_json_to_tuple(Jsonb *resource, TupleDesc desc, const char *operation,
									  bool is_write);

/* Whether an object that has no known field is none: empty, or the words of whatever answered in the API's place. */
extern bool truust_json_says_nothing(Jsonb *object);

/* Append len bytes (server's encoding) as a JSON string literal in UTF-8. */
extern void truust_json_append_string(StringInfo buf, const char *str, int len);

/* Append a jsonb as UTF-8 text. */
extern void truust_json_append_jsonb(StringInfo buf, Jsonb *value);

/*
 * Append a value of any parameter type as JSON (UTF-8): numbers exactly as
 * numeric prints them, booleans as true/false or 1/0, dates and times in ISO
 * 8601, arrays and jsonb as such.  Raises 22023 for NaN and infinity,
 * naming the parameter.
 */
extern void truust_json_append_datum(StringInfo buf, Datum value, Oid type, bool flag_as_number,
									 const char *parameter);

#endif /* TRUUST_JSON_H */
