/*
 * form.c
 *		Bodies that are forms, url-encoded or multipart: they become the JSON object that they stand for.
 *
 * A form has only text: the operation's parameters say what is a number. name[] is an element of an array, name[key] a
 * member of an object, as PHP reads them.
 */
#include "sim.h"

#include <string.h>

/* The text as the type asks for it; text where it cannot be that, which the validation then refuses. */
static Json *
typed(Exchange *x, const Param *param, const char *text, size_t len)
{
	const char *why;
	Json	   *value = NULL;

	if (param != NULL && (param->type == T_INTEGER || param->type == T_NUMBER))
		value = json_parse(&x->arena, text, len, &why);
	if (value != NULL && value->type == JSON_NUMBER)
		return value;
	if (param != NULL && param->type == T_BOOLEAN && len > 0)
	{
		if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
			return json_new(&x->arena, JSON_TRUE, "true", 4);
		if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
			return json_new(&x->arena, JSON_FALSE, "false", 5);
	}
	return json_new(&x->arena, JSON_STRING, text, len);
}

static void
add_value(Exchange *x, const char *name, const char *text, size_t len)
{
	size_t		 stem = strcspn(name, "[");
	const char	*plain = arena_strndup(&x->arena, name, stem);
	const Param *param = facts_param(x->op, IN_BODY, plain);
	bool		 into_array = strcmp(name + stem, "[]") == 0;
	Json		*parent;

	if (name[stem] == '\0')
	{
		json_append(x->json, plain, typed(x, param, text, len));
		return;
	}
	parent = json_member(x->json, plain);
	if (parent == NULL || parent->type < JSON_ARRAY)
	{
		parent = json_new(&x->arena, into_array ? JSON_ARRAY : JSON_OBJECT, NULL, 0);
		json_append(x->json, plain, parent);
	}
	json_append(parent, arena_strndup(&x->arena, name + stem + 1, strcspn(name + stem + 1, "]")),
				json_new(&x->arena, JSON_STRING, text, len));
}

static void
read_pairs(Exchange *x)
{
	const char *at = x->body.data;

	while (*at != '\0')
	{
		size_t len = strcspn(at, "&");
		size_t name = strcspn(at, "=&");
		char  *value = name < len ? url_decode(&x->arena, at + name + 1, len - name - 1, true) : "";

		if (len > 0)
			add_value(x, url_decode(&x->arena, at, name, true), value, strlen(value));
		at += len + (at[len] == '&');
	}
}

/* One part, headers and all. */
static bool
read_part(Exchange *x, const char *part, size_t len)
{
	const char *content = memmem(part, len, "\r\n\r\n", 4);
	const char *name = memmem(part, len, " name=\"", 7);
	size_t		name_len;

	if (content == NULL || name == NULL || name > content)
		return false;
	content += 4;
	name += 7;
	name_len = strcspn(name, "\"\r");
	len -= (size_t) (content - part);
	add_value(x, arena_strndup(&x->arena, name, name_len), arena_strndup(&x->arena, content, len),
			  len);
	return true;
}

static bool
read_parts(Exchange *x)
{
	const char *boundary = strstr(x->content_type, "boundary=");
	const char *at = x->body.data;
	const char *end = at + x->body.len;
	Buf			line = {0};
	bool		ok = false;

	if (boundary == NULL)
		return false;
	boundary += 9;
	boundary += *boundary == '"';
	buf_addf(&line, "\r\n--%.*s", (int) strcspn(boundary, "\";"), boundary);
	/* The first boundary has no line before it. */
	if (x->body.len >= line.len - 2 && memcmp(at, line.data + 2, line.len - 2) == 0)
	{
		at += line.len - 2;
		for (ok = true; ok && (end - at < 2 || memcmp(at, "--", 2) != 0);)
		{
			const char *next = memmem(at, (size_t) (end - at), line.data, line.len);

			ok = next != NULL && read_part(x, at, (size_t) (next - at));
			at = ok ? next + line.len : at;
		}
	}
	buf_free(&line);
	return ok;
}

bool
read_form(Exchange *x)
{
	x->json = json_new(&x->arena, JSON_OBJECT, NULL, 0);
	if (x->op == NULL)
		return true;
	if (strncmp(x->content_type, "multipart/", 10) != 0)
		read_pairs(x);
	else if (!read_parts(x))
	{
		reply_error(x, 400, "The multipart body cannot be read.");
		return false;
	}
	return true;
}
