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

/* An object of the arguments with the marker in its metadata; false: metadata is no object. */
static bool
mark_metadata(Jsonb **object, const char *marker)
{
	Jsonb *metadata = truust_json_get(*object, "metadata");
	Datum  mark = object_of(MARKER_FIELD, psprintf("\"%s\"", marker));

	if (metadata && !is_object(metadata))
		return false;
	if (metadata)
		mark = JsonbPGetDatum(merge(metadata, mark));
	*object = merge(*object, object_of("metadata", to_text(DatumGetJsonbP(mark))));
	return true;
}

Jsonb *
truust_marker_add(Jsonb *args, const char *marker, bool *marked)
{
	Jsonb *extra = truust_json_get(args, "extra");

	if (extra && is_object(extra) && truust_json_get(extra, "metadata"))
	{
		*marked = mark_metadata(&extra, marker);
		args = merge(args, object_of("extra", to_text(extra)));
	}
	else
		*marked = mark_metadata(&args, marker);

	if (truust_json_get(args, "tag") == NULL &&
		!(extra && is_object(extra) && truust_json_get(extra, "tag")))
	{
		args = merge(args, object_of("tag", psprintf("\"" MARKER_TAG "%s\"", marker)));
		*marked = true;
	}
	return args;
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
