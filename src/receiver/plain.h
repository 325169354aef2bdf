/*
 * plain.h - text for a database whose encoding lacks a character of it.
 */
#ifndef RECEIVER_PLAIN_H
#define RECEIVER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#define PLAIN_GROWTH 4 /* the result has at most so many times the bytes */

/*
 * Write UTF-8 text in ASCII: every other character as the text of its JSON
 * escape, the euro sign as "\u20ac".  `in_json`: the text is JSON, in which a
 * backslash is written as two, so that reading it gives that text again.
 * `to` has room for PLAIN_GROWTH * size bytes.  Returns the length.
 */
extern size_t plain_write(char *to, const char *text, size_t size, bool in_json);

#endif
