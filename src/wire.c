/*-------------------------------------------------------------------------
 *
 * wire.c
 *		From an endpoint and SQL values to a URL and a body.
 *
 * The result is text only, so that a worker can build it in one transaction
 * and send it with none open.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "guc.h"
#include "wire.h"

/* Percent-encode everything but RFC 3986's unreserved characters. */
static void
append_url_escaped(StringInfo buf, const char *text)
{
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if (*p < 0x80 && (isalnum(*p) || strchr("-._~", *p)))
			appendStringInfoChar(buf, *p);
		else
			appendStringInfo(buf, "%%%02X", *p);
	}
}

/* A value of the path or the query, in UTF-8 and without JSON's quotes. */
static char *
plain_text(const TruustParameter *p, Datum value)
{
	StringInfoData buf;

	if (p->type == TEXTOID)
	{
		char *string = TextDatumGetCString(value);

		return pg_server_to_any(string, strlen(string), PG_UTF8);
	}
	initStringInfo(&buf);
	truust_json_append_datum(&buf, value, p->type, p->flag_as_number, p->name);
	if (buf.data[0] == '"')
	{
		buf.data[buf.len - 1] = '\0';
		return buf.data + 1;
	}
	return buf.data;
}

static int
parameter_index(const TruustSignature *signature, const char *name, size_t len)
{
	for (int i = 0; i < signature->n_parameters; i++)
		if (strncmp(signature->parameters[i].name, name, len) == 0 &&
			signature->parameters[i].name[len] == '\0')
			return i;
	elog(ERROR, "path of %s names \"%.*s\", which is no parameter", signature->endpoint->name,
		 (int) len, name);
}

/* One {name} of the path; a NULL optional one takes its slash with it. */
static void
append_path_value(StringInfo url, const TruustParameter *p, Datum value, bool isnull)
{
	char *text;

	if (isnull)
	{
		Assert(!p->required && url->data[url->len - 1] == '/');
		url->data[--url->len] = '\0';
		return;
	}
	text = plain_text(p, value);
	/* these would be taken for the folder itself or the one above it */
	if (text[0] == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for parameter \"%s\": \"%s\"", p->name, text),
						errdetail("It is part of the request's path. Nothing was sent."),
						errhint("Give the id of an existing resource.")));
	append_url_escaped(url, text);
}

static void
append_path(StringInfo url, const TruustSignature *signature, const Datum *values,
			const bool *nulls)
{
	const char *p = signature->endpoint->path;

	while (*p)
	{
		size_t len = strcspn(p, "{");

		appendBinaryStringInfo(url, p, len);
		p += len;
		if (*p == '{')
		{
			int i;

			len = strcspn(++p, "}");
			i = parameter_index(signature, p, len);
			append_path_value(url, &signature->parameters[i], values[i], nulls[i]);
			p += len + 1;
		}
	}
}

static void
append_query(StringInfo url, const TruustSignature *signature, const Datum *values,
			 const bool *nulls)
{
	char separator = '?';

	for (int i = 0; i < signature->n_parameters; i++)
	{
		const TruustParameter *p = &signature->parameters[i];

		if (p->place != TRUUST_IN_QUERY || nulls[i])
			continue;
		appendStringInfoChar(url, separator);
		appendStringInfo(url, "%s=", p->wire_name);
		append_url_escaped(url, plain_text(p, values[i]));
		separator = '&';
	}
}

/* Merge the caller's extra object into the body; a field given twice is an error. */
static void
append_extra(StringInfo body, const TruustSignature *signature, Jsonb *extra, const bool *nulls)
{
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   v;

	if (!JB_ROOT_IS_OBJECT(extra))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("parameter \"extra\" is not a JSON object"),
						errhint("Give the further fields as {\"field\": value, ...}.")));
	it = JsonbIteratorInit(&extra->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_VALUE)
			truust_json_append_jsonb(body, JsonbValueToJsonb(&v));
		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < signature->n_parameters; i++)
		{
			const TruustParameter *p = &signature->parameters[i];

			if (p->place == TRUUST_IN_BODY && !nulls[i] &&
				strlen(p->wire_name) == (size_t) v.val.string.len &&
				memcmp(p->wire_name, v.val.string.val, v.val.string.len) == 0)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("field \"%s\" is given twice", p->name),
								errdetail("It is a parameter of truust_%s and a field of "
										  "\"extra\". Nothing was sent.",
										  signature->endpoint->name),
								errhint("Leave it out of \"extra\".")));
		}
		if (body->len > 1)
			appendStringInfoChar(body, ',');
		truust_json_append_string(body, v.val.string.val, v.val.string.len);
		appendStringInfoChar(body, ':');
	}
}

static void
build_body(TruustWire *wire, const TruustSignature *signature, const Datum *values,
		   const bool *nulls)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoChar(&body, '{');
	for (int i = 0; i < signature->n_parameters; i++)
	{
		const TruustParameter *p = &signature->parameters[i];

		if (nulls[i])
			continue;
		if (p->place == TRUUST_IN_EXTRA)
			append_extra(&body, signature, DatumGetJsonbP(values[i]), nulls);
		if (p->place != TRUUST_IN_BODY)
			continue;
		if (body.len > 1)
			appendStringInfoChar(&body, ',');
		truust_json_append_string(&body, p->wire_name, strlen(p->wire_name));
		appendStringInfoChar(&body, ':');
		truust_json_append_datum(&body, values[i], p->type, p->flag_as_number, p->name);
	}
	wire->body = NULL;
	wire->body_len = 0;
	if (body.len > 1)
	{
		appendStringInfoChar(&body, '}');
		wire->body = body.data;
		wire->body_len = body.len;
	}
}

static void
check_required(const TruustSignature *signature, const bool *nulls)
{
	for (int i = 0; i < signature->n_parameters; i++)
		if (signature->parameters[i].required && nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("parameter \"%s\" of truust_%s must not be null",
								   signature->parameters[i].name, signature->endpoint->name),
							errdetail("The API requires it. Nothing was sent.")));
}

static TruustWanted
wanted_by(const TruustSignature *signature)
{
	if (signature->result_type == VOIDOID)
		return TRUUST_WANTS_NOTHING;
	if (signature->returns_set)
		return TRUUST_WANTS_LIST;
	return signature->identity ? TRUUST_WANTS_RESOURCE : TRUUST_WANTS_JSON;
}

void
truust_wire_build(TruustWire *wire, const TruustSignature *signature, const TruustAccount *account,
				  const Datum *values, const bool *nulls)
{
	StringInfoData url;

	check_required(signature, nulls);
	initStringInfo(&url);
	appendStringInfoString(&url, account ? account->base_url : "");
	append_path(&url, signature, values, nulls);
	append_query(&url, signature, values, nulls);

	wire->endpoint = signature->endpoint;
	wire->wanted = wanted_by(signature);
	wire->identity = signature->is_write ? signature->identity : NULL;
	wire->known_by = signature->is_write ? NULL : signature->identity;
	wire->url = url.data;
	build_body(wire, signature, values, nulls);
}

/* "a, b, c": what the operation takes. */
static char *
parameter_names(const TruustSignature *signature)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < signature->n_parameters; i++)
		if (signature->parameters[i].place != TRUUST_IN_CLIENT)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", signature->parameters[i].name);
	return buf.data;
}

/* Whether an object or an array stands where a text should: in its place, or in a list of texts. */
static bool
is_no_text(Oid type, const JsonbValue *value)
{
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   element;

	if (value->type != jbvBinary || (type != TEXTOID && type != TEXTARRAYOID))
		return false;
	if (type == TEXTOID)
		return true;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM && element.type == jbvBinary)
			return true;
	return false;
}

/*
 * A caller's value of a parameter; false with a phrase in *problem where it is
 * of another type.  Stricter than with an answer: what was meant as a text
 * and is an object is a mistake, and would be sent.
 */
static bool
read_argument(const TruustParameter *p, JsonbValue *value, Datum *result, bool *isnull,
			  char **problem)
{
	if (is_no_text(p->type, value))
	{
		*problem = p->type == TEXTOID ? "is not a text" : "is not an array of texts";
		return false;
	}
	return truust_json_to_datum(value, p->type, false, result, isnull, problem);
}

static void
fill_argument(const TruustSignature *signature, JsonbValue *key, JsonbValue *value, Datum *values,
			  bool *nulls)
{
	char *name = pnstrdup(key->val.string.val, key->val.string.len);
	char *problem = NULL;

	for (int i = 0; i < signature->n_parameters; i++)
	{
		const TruustParameter *p = &signature->parameters[i];

		if (strcmp(p->name, name) != 0 || p->place == TRUUST_IN_CLIENT)
			continue;
		if (!read_argument(p, value, &values[i], &nulls[i], &problem))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for parameter \"%s\" of %s", name,
							signature->endpoint->name),
					 errdetail("The value %s %s.",
							   JsonbToCString(NULL, &JsonbValueToJsonb(value)->root, 0), problem),
					 errhint("It is of type %s.", format_type_be(p->type))));
		return;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("operation %s has no parameter \"%s\"", signature->endpoint->name, name),
					errhint("Its parameters are: %s.", parameter_names(signature))));
}

void
truust_wire_build_from_jsonb(TruustWire *wire, const TruustSignature *signature,
							 const TruustAccount *account, Jsonb *args)
{
	Datum			  *values = palloc0(sizeof(Datum) * Max(signature->n_parameters, 1));
	bool			  *nulls = palloc(sizeof(bool) * Max(signature->n_parameters, 1));
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   key, value;

	memset(nulls, true, sizeof(bool) * signature->n_parameters);
	if (!JB_ROOT_IS_OBJECT(args))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments of %s are not a JSON object", signature->endpoint->name),
				 errhint("Give them by name: {\"parameter\": value, ...}. Its parameters are: %s.",
						 parameter_names(signature))));
	it = JsonbIteratorInit(&args->root);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		fill_argument(signature, &key, &value, values, nulls);
	}
	(void) truust_wire_number(signature, values, nulls, "page", 1, PG_INT64_MAX, 0);
	(void) truust_wire_number(signature, values, nulls, "per_page", 1, TRUUST_LARGEST_PAGE, 0);
	truust_wire_build(wire, signature, account, values, nulls);
}

void
truust_wire_page(TruustWire *wire, int64 page)
{
	wire->url =
		psprintf("%s%cpage=" INT64_FORMAT, wire->url, strchr(wire->url, '?') ? '&' : '?', page);
}

int64
truust_wire_number(const TruustSignature *signature, const Datum *values, const bool *nulls,
				   const char *name, int64 min, int64 max, int64 otherwise)
{
	int64 value;
	int	  i = truust_endpoint_parameter(signature, name);

	if (i < 0 || nulls[i])
		return otherwise;
	value = DatumGetInt64(values[i]);
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s\": " INT64_FORMAT, name, value),
				 max == PG_INT64_MAX
					 ? errhint("It is " INT64_FORMAT " or more.", min)
					 : errhint("It is from " INT64_FORMAT " to " INT64_FORMAT ".", min, max)));
	return value;
}

void
truust_wire_to_http(TruustHttpRequest *req, const TruustWire *wire, const TruustAccount *account)
{
	memset(req, 0, sizeof(TruustHttpRequest));
	req->method = wire->endpoint->method;
	req->url = wire->url;
	req->body = wire->body;
	req->body_len = wire->body_len;
	req->bearer = wire->endpoint->authenticated ? account->key : NULL;
	req->ca_file = account->ca_file;
	req->connect_timeout = account->connect_timeout;
	req->request_timeout = account->request_timeout;
	req->max_response = (size_t) truust_max_response_size * 1024;
	req->repeatable = wire->endpoint->repeat == TRUUST_SAFE;
}
