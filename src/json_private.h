/*-------------------------------------------------------------------------
 *
 * json_private.h
 *		What the files of the json module share; nobody else's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_JSON_PRIVATE_H
#define TRUUST_JSON_PRIVATE_H

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

/* jsonb's own order of keys: the shorter first, then by bytes. */
static inline int
truust_json_compare_keys(const char *a, size_t alen, const char *b, size_t blen)
{
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

/*
 * The character of the escape at p ("\uXXXX", or two of them for a pair of
 * surrogates) and the escape's length; 0 where it is none, or half a pair.
 */
extern int truust_json_read_escape(const char *p, const char *end, pg_wchar *character);

/*
 * Where the first \u escape is that jsonb cannot hold, a NUL or half a pair of
 * surrogates, as a phrase (palloc'd); NULL: there is none.
 */
extern char *truust_json_place_of_bad_escape(const char *text, size_t len);

/*
 * JSON in the server's encoding, known to be valid in it, as jsonb in the
 * current memory context; NULL where jsonb_in() must decide.  May raise what
 * jsonb_in() raises.
 */
extern Jsonb *truust_json_scan(const char *text, size_t len);

/*
 * A container as jsonb; its objects' fields are in jsonb's order and each is
 * there once.  expected: about as many bytes.  NULL where it is too large.
 */
extern Jsonb *truust_json_build(const JsonbValue *root, Size expected);

/*
 * In a PG_CATCH: the caught error as text in cxt, where it is one that the
 * data caused; any other goes on its way.  cxt is current afterwards.
 */
extern char *truust_json_caught(MemoryContext cxt);

/*
 * Valid UTF-8 that should be JSON, in the server's encoding (which is not
 * UTF-8), NUL-terminated and palloc'd.  What the encoding lacks becomes the
 * text of its \u escape.
 */
extern char *truust_json_to_server(const char *text, size_t len);

#endif /* TRUUST_JSON_PRIVATE_H */
