/*
 * request.c - see request.h.
 *
 * Tokens are looked for in each segment of the path and in two headers.  The
 * same care is taken on the way out: a segment that is a token is no event,
 * the headers that carry secrets are left out, and a token that turns up
 * inside another header (a proxy may copy the address there) is blotted out.
 */
#define _GNU_SOURCE
#include "request.h"
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEGMENT_MAX 32 /* segments looked at */
#define EVENT_MAX 255  /* bytes */
#define HEADERS_MAX 100
#define BLOTTED "[redacted]"
#define BEARER "Bearer "

/* A growing text; `failed` once memory ran out. */
typedef struct Text
{
	char  *data;
	size_t used;
	size_t room;
	bool   failed;
} Text;

static void
text_put(Text *text, const char *data, size_t size)
{
	if (text->used + size > text->room)
	{
		size_t room = (text->used + size) * 2 + 256;
		char  *larger = text->failed ? NULL : realloc(text->data, room);

		text->failed = larger == NULL;
		if (text->failed)
			return;
		text->data = larger;
		text->room = room;
	}
	memcpy(text->data + text->used, data, size);
	text->used += size;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Undo percent-encoding into `to`; returns the length.  What is no encoding
 * stays as it is if `loosely`, else the result is -1.
 */
static ssize_t
decode(char *to, const char *from, size_t size, bool loosely)
{
	char *start = to;

	for (size_t i = 0; i < size; i++)
	{
		int high;
		int low;

		if (from[i] != '%')
		{
			*to++ = from[i];
			continue;
		}
		if (i + 2 >= size || (high = hex_value(from[i + 1])) < 0 ||
			(low = hex_value(from[i + 2])) < 0)
		{
			if (!loosely)
				return -1;
			*to++ = from[i];
			continue;
		}
		*to++ = (char) (high << 4 | low);
		i += 2;
	}
	return to - start;
}

/* Length of the well-formed UTF-8 character at `p`, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
	size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (length == 1)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong forms, surrogates, beyond the last character */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

/* --- the path --- */

static bool
segment_is_token(const char *segment, size_t length)
{
	char	decoded[TOKEN_MAX * 3];
	ssize_t size;

	if (length > sizeof(decoded))
		return false;
	size = decode(decoded, segment, length, false);
	return size > 0 && tokens_match(decoded, (size_t) size);
}

static bool
path_holds_token(const char *path)
{
	bool found = false;

	for (int i = 0; i < SEGMENT_MAX && *path == '/'; i++)
	{
		size_t length = strcspn(++path, "/");

		found |= segment_is_token(path, length);
		path += length;
	}
	return found;
}

/* The last segment that is not empty, and its length. */
static const char *
last_segment(const char *path, size_t *length)
{
	const char *end = path + strlen(path);
	const char *start;

	while (end > path && end[-1] == '/')
		end--;
	for (start = end; start > path && start[-1] != '/';)
		start--;
	*length = (size_t) (end - start);
	return start;
}

/* Segments of a path that are not empty. */
static int
count_segments(const char *path)
{
	int n = 0;

	for (const char *p = path; *p; p++)
		if (*p != '/' && (p == path || p[-1] == '/'))
			n++;
	return n;
}

/*
 * The event is the last segment of the path, unless there is none or it is a token.  A
 * slash behind the only one, /hooks/, says that the event was left out.
 */
static unsigned
read_event(const char *path, Webhook *webhook)
{
	size_t		length;
	const char *last = last_segment(path, &length);
	ssize_t		size;
	char	   *event;

	if (length == 0 || segment_is_token(last, length) ||
		(last[length] == '/' && count_segments(path) == 1))
		return 0;
	if (length > EVENT_MAX * 3)
		return MHD_HTTP_BAD_REQUEST;
	event = malloc(length + 1);
	if (event == NULL)
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	size = decode(event, last, length, false);
	for (ssize_t i = 0; i < size;)
	{
		size_t step = utf8_length((unsigned char *) event + i, (size_t) (size - i));

		if (step == 0 || (unsigned char) event[i] < ' ' || event[i] == 0x7f)
			size = -1;
		i += (ssize_t) step;
	}
	if (size < 0 || size > EVENT_MAX || tokens_occur_in(event, (size_t) size))
	{
		free(event);
		return MHD_HTTP_BAD_REQUEST;
	}
	webhook->event = event;
	webhook->event_len = (size_t) size;
	return 0;
}

/* --- authentication --- */

/* Does a header's value, after `skip` bytes, match a token?  Blanks around it are no part of it. */
static bool
value_is_token(const char *value, size_t skip)
{
	size_t length;

	value += skip;
	value += strspn(value, " \t");
	length = strlen(value);
	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		length--;
	return tokens_match(value, length);
}

bool
request_authenticated(struct MHD_Connection *connection, const char *path,
					  const RequestRules *rules)
{
	const char *header;
	bool		found;

	if (rules->no_auth)
		return true;
	found = path_holds_token(path);
	header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, rules->token_header);
	if (header != NULL)
		found |= value_is_token(header, 0);
	header =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	if (header != NULL && strncasecmp(header, BEARER, strlen(BEARER)) == 0)
		found |= value_is_token(header, strlen(BEARER));
	return found;
}

/* --- the headers --- */

typedef struct Header
{
	const char *name;
	size_t		name_len;
	const char *value;
	size_t		value_len;
	bool		done; /* written together with an earlier one */
} Header;

typedef struct HeaderList
{
	const RequestRules *rules;
	Header				headers[HEADERS_MAX];
	int					count;
	bool				too_many;
} HeaderList;

static enum MHD_Result
collect_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
			   const char *value, size_t value_len)
{
	HeaderList				*list = cls;
	static const char *const secret[] = {"authorization", "proxy-authorization", "cookie"};

	(void) kind;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
	{
		if (strcasecmp(name, secret[i]) == 0)
			return MHD_YES;
	}
	if (strcasecmp(name, list->rules->token_header) == 0 || tokens_occur_in(name, name_len))
		return MHD_YES;
	if (list->count == HEADERS_MAX)
	{
		list->too_many = true;
		return MHD_NO;
	}
	list->headers[list->count++] =
		(Header){name, name_len, value ? value : "", value ? value_len : 0, false};
	return MHD_YES;
}

/*
 * The inside of a JSON string.  Bytes that are not UTF-8 are read as Latin-1, and written as characters rather than as
 * escapes, which not every database can read.
 */
static void
put_json_inside(Text *text, const char *data, size_t size, bool lower)
{
	for (size_t i = 0; i < size;)
	{
		unsigned char c = (unsigned char) data[i];
		size_t		  length = utf8_length((const unsigned char *) data + i, size - i);
		char		  escaped[8];

		if (lower && c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c == '"' || c == '\\')
			text_put(text, (char[]){'\\', (char) c}, 2);
		else if (length == 0)
			text_put(text, (char[]){(char) (0xc0 | c >> 6), (char) (0x80 | (c & 0x3f))}, 2);
		else if (c < ' ' || c == 0x7f)
			text_put(text, escaped, (size_t) snprintf(escaped, sizeof(escaped), "\\u%04x", c));
		else if (length == 1)
			text_put(text, (char[]){(char) c}, 1);
		else
			text_put(text, data + i, length);
		i += length > 0 ? length : 1;
	}
}

/* A token must not be in it, written plainly or percent-encoded. */
static bool
holds_token(const Header *header)
{
	char   *decoded;
	ssize_t size;
	bool	found = tokens_occur_in(header->value, header->value_len);

	if (found || memchr(header->value, '%', header->value_len) == NULL)
		return found;
	decoded = malloc(header->value_len);
	if (decoded == NULL)
		return true;
	size = decode(decoded, header->value, header->value_len, true);
	found = size > 0 && tokens_occur_in(decoded, (size_t) size);
	free(decoded);
	return found;
}

static void
put_value(Text *text, const Header *header)
{
	if (holds_token(header))
		text_put(text, BLOTTED, strlen(BLOTTED));
	else
		put_json_inside(text, header->value, header->value_len, false);
}

/* One member of the object; headers of one name are joined as HTTP joins them. */
static void
put_header(Text *text, HeaderList *list, int index)
{
	Header *header = &list->headers[index];

	text_put(text, text->used > 1 ? ",\"" : "\"", text->used > 1 ? 2 : 1);
	put_json_inside(text, header->name, header->name_len, true);
	text_put(text, "\":\"", 3);
	put_value(text, header);
	for (int i = index + 1; i < list->count; i++)
	{
		Header *other = &list->headers[i];

		if (other->done || other->name_len != header->name_len ||
			strcasecmp(other->name, header->name) != 0)
			continue;
		other->done = true;
		text_put(text, ", ", 2);
		put_value(text, other);
	}
	text_put(text, "\"", 1);
}

static unsigned
read_headers(struct MHD_Connection *connection, const RequestRules *rules, Webhook *webhook)
{
	HeaderList list;
	Text	   text = {0};

	list.rules = rules;
	list.count = 0;
	list.too_many = false;
	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, collect_header, &list);
	if (list.too_many)
		return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
	text_put(&text, "{", 1);
	for (int i = 0; i < list.count; i++)
	{
		if (!list.headers[i].done)
			put_header(&text, &list, i);
	}
	text_put(&text, "}", 1);
	if (text.failed)
	{
		free(text.data);
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
	webhook->headers = text.data;
	webhook->headers_len = text.used;
	return 0;
}

/* --- where the request ends --- */

typedef struct Framing
{
	int	 told;	/* headers that say where the body ends */
	bool coded; /* one of them is Transfer-Encoding */
	bool odd;
} Framing;

static enum MHD_Result
look_at_framing(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
				const char *value, size_t value_len)
{
	Framing *framing = cls;

	(void) kind;
	(void) value_len;
	if (strpbrk(name, " \t") != NULL || name_len == 0)
		framing->odd = true;
	if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
		framing->told++;
	if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0)
	{
		framing->told++;
		framing->coded = true;
		if (value == NULL || strcasecmp(value, "chunked") != 0)
			framing->odd = true;
	}
	return MHD_YES;
}

bool
request_is_clear(struct MHD_Connection *connection, const char *version)
{
	Framing framing = {0};

	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at_framing, &framing);
	if (framing.coded && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
		return false;
	return !framing.odd && framing.told <= 1;
}

unsigned
request_describe(struct MHD_Connection *connection, const char *path, const RequestRules *rules,
				 Webhook *webhook)
{
	unsigned status = read_event(path, webhook);

	return status != 0 ? status : read_headers(connection, rules, webhook);
}

void
request_release(Webhook *webhook)
{
	free((char *) webhook->event);
	free((char *) webhook->headers);
	webhook->event = NULL;
	webhook->headers = NULL;
}
