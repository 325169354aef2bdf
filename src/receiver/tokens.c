/*
 * tokens.c - see tokens.h.
 *
 * Each token is kept padded with zeros to a fixed length.  A candidate is
 * padded likewise and compared with every token over the whole length, so that
 * the time tells nothing about the tokens, nor how many bytes were right.
 */
#define _GNU_SOURCE
#include "tokens.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_ROOM (TOKEN_MAX + 1)
#define TOKEN_SHORT 16 /* below this, guessing is conceivable */

typedef struct TokenSet
{
	size_t count;
	unsigned char (*tokens)[TOKEN_ROOM];
} TokenSet;

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static TokenSet			current; /* guarded by lock */

static void
wipe_set(TokenSet *set)
{
	if (set->tokens != NULL)
		explicit_bzero(set->tokens, set->count * TOKEN_ROOM);
	free(set->tokens);
	memset(set, 0, sizeof(*set));
}

/* Add the token of one line; a line without one is fine. */
static bool
add_line(TokenSet *set, const char *path, int number, const char *line, size_t length)
{
	unsigned char(*more)[TOKEN_ROOM];

	while (length > 0 && isspace((unsigned char) line[length - 1]))
		length--;
	while (length > 0 && isspace((unsigned char) *line))
		line++, length--;
	if (length == 0 || *line == '#')
		return true;
	for (size_t i = 0; i < length; i++)
	{
		if (line[i] <= ' ' || line[i] > '~' || length > TOKEN_MAX)
		{
			log_error("token file \"%s\" line %d: a token has 1 to %d visible ASCII characters",
					  path, number, TOKEN_MAX);
			return false;
		}
	}
	if (length < TOKEN_SHORT)
		log_warning("token file \"%s\" line %d: the token is shorter than %d characters", path,
					number, TOKEN_SHORT);
	more = calloc(set->count + 1, TOKEN_ROOM);
	if (more == NULL)
		return false;
	if (set->count > 0)
		memcpy(more, set->tokens, set->count * TOKEN_ROOM);
	memcpy(more[set->count], line, length);
	if (set->tokens != NULL)
		explicit_bzero(set->tokens, set->count * TOKEN_ROOM);
	free(set->tokens);
	set->tokens = more;
	set->count++;
	return true;
}

static bool
read_set(TokenSet *set, FILE *file, const char *path)
{
	char   *line = NULL;
	size_t	size = 0;
	ssize_t length;
	bool	good = true;

	for (int number = 1; good && (length = getline(&line, &size, file)) >= 0; number++)
		good = add_line(set, path, number, line, (size_t) length);
	if (good && ferror(file))
	{
		log_error("cannot read token file \"%s\": %s", path, strerror(errno));
		good = false;
	}
	if (good && set->count == 0)
	{
		log_error("token file \"%s\" holds no token", path);
		good = false;
	}
	if (line != NULL)
		explicit_bzero(line, size);
	free(line);
	return good;
}

bool
tokens_load(const char *path)
{
	FILE	   *file = fopen(path, "re");
	TokenSet	fresh = {0};
	TokenSet	old;
	struct stat state;

	if (file == NULL)
	{
		log_error("cannot read token file \"%s\": %s", path, strerror(errno));
		return false;
	}
	/* unbuffered: no copy of the tokens stays behind in freed memory */
	setvbuf(file, NULL, _IONBF, 0);
	if (fstat(fileno(file), &state) == 0 && S_ISREG(state.st_mode) && (state.st_mode & S_IRWXO))
		log_warning("token file \"%s\" is accessible to everyone; chmod o= it", path);
	if (!read_set(&fresh, file, path))
	{
		fclose(file);
		wipe_set(&fresh);
		return false;
	}
	fclose(file);
	pthread_rwlock_wrlock(&lock);
	old = current;
	current = fresh;
	pthread_rwlock_unlock(&lock);
	wipe_set(&old);
	log_info("%zu token(s) in use", fresh.count);
	return true;
}

/* No early way out, and no branch on what the bytes are. */
static unsigned
equal_padded(const unsigned char *a, const unsigned char *b)
{
	unsigned difference = 0;

	for (int i = 0; i < TOKEN_ROOM; i++)
		difference |= a[i] ^ b[i];
	return (difference - 1) >> 31;
}

bool
tokens_match(const char *text, size_t length)
{
	unsigned char padded[TOKEN_ROOM] = {0};
	unsigned	  found = 0;

	if (length == 0 || length > TOKEN_MAX || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(padded, text, length);
	pthread_rwlock_rdlock(&lock);
	for (size_t i = 0; i < current.count; i++)
		found |= equal_padded(padded, current.tokens[i]);
	pthread_rwlock_unlock(&lock);
	explicit_bzero(padded, sizeof(padded));
	return found != 0;
}

bool
tokens_occur_in(const char *text, size_t length)
{
	bool found = false;

	pthread_rwlock_rdlock(&lock);
	for (size_t i = 0; i < current.count && !found; i++)
	{
		const char *token = (const char *) current.tokens[i];

		found = memmem(text, length, token, strlen(token)) != NULL;
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

void
tokens_free(void)
{
	pthread_rwlock_wrlock(&lock);
	wipe_set(&current);
	pthread_rwlock_unlock(&lock);
}
