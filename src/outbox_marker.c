/*-------------------------------------------------------------------------
 *
 * outbox_marker.c
 *		How a request is known again at Truust: a uuid of its own, in what the
 *		API stores and gives back.
 *
 * It stands in metadata under "truust_request", beside whatever the merchant
 * keeps there, and as the tag "truust:<uuid>" where the merchant set no tag: a
 * tag can be searched for, and the merchant's own is never touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "outbox.h"

#define MARKER_FIELD "truust_request"
#define MARKER_TAG "truust:"

bool
truust_marker_needed(const TruustEndpoint *endpoint)
{
	switch (endpoint->lookup)
	{
		case TRUUST_LOOKUP_ORDER_MARKER:
		case TRUUST_LOOKUP_BUNDLE_MARKER:
		case TRUUST_LOOKUP_WALLET_MARKER:
		case TRUUST_LOOKUP_ADDRESS_MARKER:
		case TRUUST_LOOKUP_BANK_MARKER:
		case TRUUST_LOOKUP_SUBSCRIPTION_MARKER:
		case TRUUST_LOOKUP_REFUND_MARKER:
			return true;
		default:
			return false;
	}
}

static bool
has_text(Jsonb *object, const char *field)
{
	char *text = truust_json_get_text(object, field);

	return text && *text;
}

TruustRepeat
truust_repeat_of(const TruustEndpoint *endpoint, Jsonb *args)
{
	Jsonb *extra;

	if (strcmp(endpoint->name, "create_customer") != 0)
		return endpoint->repeat;
	extra = truust_json_get(args, "extra");
	if (has_text(args, "email") || has_text(args, "phone") ||
		(extra && (has_text(extra, "email") || has_text(extra, "phone"))))
		return endpoint->repeat;
	return TRUUST_UNCERTAIN;
}

/* {"field": value} with value as JSON text. */
static Datum
object_of(const char *field, const char *value)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("{\"%s\": %s}", field, value)));
}

static Jsonb *
merge(Jsonb *object, Datum more)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(object), more));
}

static char *
to_text(Jsonb *value)
{
	return JsonbToCString(NULL, &value->root, VARSIZE(value));
}

static bool
is_object(Jsonb *value)
{
	return JB_ROOT_IS_OBJECT(value);
}

static void
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, text);
	v.val.string.len = strlen(text);
	pushJsonbValue(state, token, &v);
}

/* All pairs of an object, but that of one name. */
static void
push_pairs(JsonbParseState **state, Jsonb *object, const char *but)
{
	JsonbIterator	  *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue		   v;
	bool			   skip = false;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			skip = but && v.val.string.len == strlen(but) &&
				   memcmp(v.val.string.val, but, v.val.string.len) == 0;
		if ((token == WJB_KEY || token == WJB_VALUE) && !skip)
			pushJsonbValue(state, token, &v);
	}
}

/*
 * An object of the arguments with the marker in its metadata and, on request,
 * as its tag, in one pass: each request of a backlog goes through here.
 */
static Jsonb *
mark(Jsonb *object, const char *marker, bool tag, bool *marked)
{
	JsonbParseState *state = NULL;
	Jsonb			*metadata = truust_json_get(object, "metadata");
	bool			 room = metadata == NULL || is_object(metadata);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_pairs(&state, object, room ? "metadata" : NULL);
	if (room)
	{
		push_text(&state, WJB_KEY, "metadata");
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		if (metadata)
			push_pairs(&state, metadata, NULL);
		push_text(&state, WJB_KEY, MARKER_FIELD);
		push_text(&state, WJB_VALUE, marker);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	if (tag)
	{
		push_text(&state, WJB_KEY, "tag");
		push_text(&state, WJB_VALUE, psprintf(MARKER_TAG "%s", marker));
	}
	*marked |= room || tag;
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static bool
is_null(Jsonb *object, const char *field)
{
	JsonbValue	buf;
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, field, strlen(field), &buf);

	return value && value->type == jbvNull;
}

/* What is null in extra leaves its place to the marker, as a null argument does. */
static Jsonb *
without_null_marks(Jsonb *extra)
{
	static const char *const fields[] = {"tag", "metadata"};

	for (size_t i = 0; i < lengthof(fields); i++)
		if (is_null(extra, fields[i]))
			extra = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(extra),
													   CStringGetTextDatum(fields[i])));
	return extra;
}

Jsonb *
truust_marker_add(Jsonb *args, const char *marker, bool *marked)
{
	Jsonb *extra = truust_json_get(args, "extra");
	bool   has_extra = extra && is_object(extra);
	bool   tag =
		truust_json_get(args, "tag") == NULL && !(has_extra && truust_json_get(extra, "tag"));

	*marked = false;
	if (has_extra && (is_null(extra, "tag") || is_null(extra, "metadata")))
	{
		extra = without_null_marks(extra);
		args = merge(args, object_of("extra", to_text(extra)));
	}
	if (!has_extra || truust_json_get(extra, "metadata") == NULL)
		return mark(args, marker, tag, marked);
	/* what is in extra wins */
	extra = mark(extra, marker, false, marked);
	if (tag)
	{
		*marked = true;
		args = merge(args, object_of("tag", psprintf("\"" MARKER_TAG "%s\"", marker)));
	}
	return merge(args, object_of("extra", to_text(extra)));
}

char *
truust_marker_tag(Jsonb *args, const char *marker)
{
	Jsonb *extra = truust_json_get(args, "extra");
	char  *tag = truust_json_get_text(args, "tag");

	if (tag == NULL && extra)
		tag = truust_json_get_text(extra, "tag");
	return tag ? tag : psprintf(MARKER_TAG "%s", marker);
}

bool
truust_marker_matches(Jsonb *resource, const char *marker)
{
	Jsonb *metadata = truust_json_get(resource, "metadata");
	char  *mark = metadata ? truust_json_get_text(metadata, MARKER_FIELD) : NULL;
	char  *as_text = truust_json_get_text(resource, "metadata");
	char  *tag = truust_json_get_text(resource, "tag");

	if (mark && strcmp(mark, marker) == 0)
		return true;
	/* metadata that comes back as a string of JSON */
	if (as_text && strstr(as_text, marker))
		return true;
	return tag && strncmp(tag, MARKER_TAG, strlen(MARKER_TAG)) == 0 &&
		   strcmp(tag + strlen(MARKER_TAG), marker) == 0;
}

bool
truust_marker_any(Jsonb *resource)
{
	Jsonb *metadata = truust_json_get(resource, "metadata");
	char  *tag = truust_json_get_text(resource, "tag");

	return (metadata && truust_json_get(metadata, MARKER_FIELD)) ||
		   (tag && strncmp(tag, MARKER_TAG, strlen(MARKER_TAG)) == 0);
}
