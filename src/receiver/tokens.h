/*
 * tokens.h - who may send.
 *
 * Several tokens are valid at once, so that a token can be replaced without a
 * moment in which the sender is refused.
 */
#ifndef RECEIVER_TOKENS_H
#define RECEIVER_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MAX 255 /* longest token, in bytes */

/*
 * Read the token file and replace the tokens in use.  On failure (unreadable,
 * no token, a token that is too long) the former tokens stay and the reason is
 * logged.  Safe while other threads ask.
 */
extern bool tokens_load(const char *path);

/*
 * Is `text` one of the tokens?  Takes the same time whether it nearly is or
 * not at all, and whichever token it is.
 */
extern bool tokens_match(const char *text, size_t length);

/* Does a token stand anywhere inside `text`? */
extern bool tokens_occur_in(const char *text, size_t length);

/* Forget the tokens and wipe their memory. */
extern void tokens_free(void);

#endif
