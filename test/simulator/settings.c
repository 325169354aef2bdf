/*
 * settings.c
 *		What a test can set: how answers look, how webhooks behave, how slow everything is.
 *
 * One table says which there are, of which type and with which default. A change is checked whole before any of it
 * is made, and a name that is not in the table is refused: a misspelt setting would make a test pass for nothing.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Settings settings;

/* Where webhooks go is never given back: the sender may still be using what a test has replaced. */
static Arena hook_memory;

typedef struct Entry
{
	const char *name;
	bool		is_flag;
	size_t		offset;
	int64_t		otherwise;
	int64_t		minimum;
} Entry;

#define FLAG(name, otherwise)                                                                      \
	{                                                                                              \
#name, true, offsetof(Settings, name), otherwise, 0                                        \
	}
#define NUMBER(name, otherwise, minimum)                                                           \
	{                                                                                              \
#name, false, offsetof(Settings, name), otherwise, minimum                                 \
	}

static const Entry entries[] = {
	FLAG(bom, false),
	FLAG(envelope, true),
	FLAG(value_as_string, true),
	FLAG(ids_as_string, false),
	FLAG(flags_as_integer, true),
	FLAG(strict, true),
	FLAG(page_shift, false),
	FLAG(record, true),
	FLAG(webhook_shuffle, false),
	FLAG(webhook_amount_as_string, false),
	NUMBER(last_page_lies, 0, -1000000),
	NUMBER(delay_ms, 0, 0),
	NUMBER(rate_limit, 0, 0),
	NUMBER(webhook_duplicate, 0, 0),
	NUMBER(webhook_hold_ms, 250, 1),
	NUMBER(webhook_retry_ms, 300, 0),
	NUMBER(webhook_timeout_ms, 8000, 1),
	NUMBER(webhook_attempts, 5, 1),
	NUMBER(auto_release_ms, 0, -1),
	NUMBER(seed, 1, 0),
};

static void
store_entry(Settings *into, const Entry *entry, int64_t value)
{
	if (entry->is_flag)
		*(bool *) ((char *) into + entry->offset) = value != 0;
	else
		*(int64_t *) ((char *) into + entry->offset) = value;
}

void
settings_reset(void)
{
	settings.generation++;
	settings.nhooks = 0;
	for (size_t i = 0; i < lengthof(entries); i++)
		store_entry(&settings, &entries[i], entries[i].otherwise);
	settings.random = (uint64_t) settings.seed;
}

static const char *
complain(const char *name, const char *what)
{
	static char text[200];

	snprintf(text, sizeof(text), "%.100s: %s", name, what);
	return text;
}

static const char *
apply_entry(Settings *into, const Entry *entry, const Json *value)
{
	int64_t number;

	if (entry->is_flag)
	{
		if (value->type != JSON_TRUE && value->type != JSON_FALSE)
			return complain(entry->name, "must be true or false");
		store_entry(into, entry, value->type == JSON_TRUE);
		return NULL;
	}
	if (!json_int(value, &number) || number < entry->minimum)
		return complain(entry->name, "must be a whole number, and not below its minimum");
	store_entry(into, entry, number);
	if (strcmp(entry->name, "seed") == 0)
		into->random = (uint64_t) number;
	return NULL;
}

/* ---------------------------------------------------------------- where webhooks go */

static void *
arena_zeroed(size_t size)
{
	return memset(arena_alloc(&hook_memory, size), 0, size);
}

/* Every element as text in a list that ends in NULL; NULL where one is no string, or no event. */
static char **
read_events(const Json *array)
{
	char **list;
	int	   n = 0;

	if (array->type != JSON_ARRAY)
		return NULL;
	list = arena_zeroed(sizeof(char *) * (size_t) (array->count + 1));
	for (const Json *item = array->first; item != NULL; item = item->next)
	{
		if (item->type != JSON_STRING ||
			(strcmp(item->text, "*") != 0 && !webhook_known_event(item->text)))
			return NULL;
		list[n++] = arena_strndup(&hook_memory, item->text, item->len);
	}
	return list;
}

static char **
read_headers(const Json *object)
{
	char **list;
	int	   n = 0;

	if (object->type != JSON_OBJECT)
		return NULL;
	list = arena_zeroed(sizeof(char *) * (size_t) (object->count + 1));
	for (const Json *item = object->first; item != NULL; item = item->next)
	{
		Buf line = {0};

		if (item->type != JSON_STRING)
			return NULL;
		buf_addf(&line, "%s: %s", item->name, item->text);
		list[n++] = arena_strndup(&hook_memory, line.data, line.len);
		buf_free(&line);
	}
	return list;
}

static const char *
read_hook(Hook *hook, const Json *object)
{
	static const char *any[] = {"*", NULL};

	hook->events = (char **) any;
	if (object->type != JSON_OBJECT)
		return "webhooks: each is an object";
	for (const Json *member = object->first; member != NULL; member = member->next)
	{
		if (strcmp(member->name, "url") == 0 && member->type == JSON_STRING)
			hook->url = arena_strndup(&hook_memory, member->text, member->len);
		else if (strcmp(member->name, "events") == 0 &&
				 (hook->events = read_events(member)) != NULL)
			continue;
		else if (strcmp(member->name, "append_event") == 0 &&
				 (member->type == JSON_TRUE || member->type == JSON_FALSE))
			hook->append_event = member->type == JSON_TRUE;
		else if (strcmp(member->name, "headers") == 0 &&
				 (hook->headers = read_headers(member)) != NULL)
			continue;
		else
			return complain(member->name,
							"a webhook has url, events (names or *), append_event and headers");
	}
	return hook->url == NULL ? "webhooks: url is missing" : NULL;
}

static const char *
read_hooks(Settings *into, const Json *array)
{
	if (array->type != JSON_ARRAY || array->count > MAX_HOOKS)
		return "webhooks: must be an array, and not too long";
	into->nhooks = 0;
	for (const Json *item = array->first; item != NULL; item = item->next)
	{
		Hook	   *hook = arena_zeroed(sizeof(Hook));
		const char *wrong = read_hook(hook, item);

		if (wrong != NULL)
			return wrong;
		into->hooks[into->nhooks++] = hook;
	}
	return NULL;
}

/* ---------------------------------------------------------------- all of them */

static const char *
apply_member(Settings *into, const Json *member)
{
	if (strcmp(member->name, "webhooks") == 0)
		return read_hooks(into, member);
	for (size_t i = 0; i < lengthof(entries); i++)
		if (strcmp(entries[i].name, member->name) == 0)
			return apply_entry(into, &entries[i], member);
	return complain(member->name, "there is no such setting");
}

const char *
settings_apply(const Json *object)
{
	Settings changed = settings;

	if (object == NULL || object->type != JSON_OBJECT)
		return "an object is wanted";
	for (const Json *member = object->first; member != NULL; member = member->next)
	{
		const char *wrong = apply_member(&changed, member);

		if (wrong != NULL)
			return wrong;
	}
	settings = changed;
	settings.generation++;
	return NULL;
}

static void
write_hook(Buf *buf, const Hook *hook)
{
	buf_adds(buf, "{\"url\":");
	buf_json(buf, hook->url, strlen(hook->url));
	buf_adds(buf, ",\"events\":[");
	for (char **event = hook->events; *event != NULL; event++)
		buf_addf(buf, "%s\"%s\"", event == hook->events ? "" : ",", *event);
	buf_addf(buf, "],\"append_event\":%s,\"headers\":{", hook->append_event ? "true" : "false");
	for (char **header = hook->headers; header != NULL && *header != NULL; header++)
	{
		const char *colon = strchr(*header, ':');

		buf_adds(buf, header == hook->headers ? "" : ",");
		buf_json(buf, *header, (size_t) (colon - *header));
		buf_addc(buf, ':');
		buf_json(buf, colon + 2, strlen(colon + 2));
	}
	buf_adds(buf, "}}");
}

void
settings_write(Buf *buf)
{
	buf_addc(buf, '{');
	for (size_t i = 0; i < lengthof(entries); i++)
	{
		const void *at = (const char *) &settings + entries[i].offset;

		buf_addf(buf, "\"%s\":", entries[i].name);
		if (entries[i].is_flag)
			buf_adds(buf, *(const bool *) at ? "true" : "false");
		else
			buf_addi(buf, *(const int64_t *) at);
		buf_addc(buf, ',');
	}
	buf_adds(buf, "\"webhooks\":[");
	for (int i = 0; i < settings.nhooks; i++)
	{
		if (i > 0)
			buf_addc(buf, ',');
		write_hook(buf, settings.hooks[i]);
	}
	buf_adds(buf, "]}");
}
