/*-------------------------------------------------------------------------
 *
 * json_private.h
 *		What the files of the json module share; nobody else's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_JSON_PRIVATE_H
#define TRUUST_JSON_PRIVATE_H

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
