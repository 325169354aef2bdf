/*-------------------------------------------------------------------------
 *
 * answer.c
 *		What an answer of the API means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "api.h"
#include "errors.h"

#define MAX_FIELD 100	  /* bytes of the name of a field in an error */
#define MAX_SENTENCE 1000 /* of a sentence about it */
#define MAX_LINES 4100	  /* of all of them, about; more than truust_without_secrets() keeps */
#define MAX_DEPTH 8		  /* of fields in fields */
#define MAX_HEAD 8192	  /* bytes of a body that is no JSON; what it is stands there */

/* ---------------------------------------------------------------- the words of an error */

/* Append words from outside, cut to so many bytes and kept to one line. */
static void
append_words(StringInfo buf, const char *words, int max)
{
	int len = strlen(words);
	int n = len > max ? pg_mbcliplen(words, len, max) : len;

	for (int i = 0; i < n; i++)
		appendStringInfoChar(buf,
							 (unsigned char) words[i] < ' ' || words[i] == 0x7f ? ' ' : words[i]);
	if (n < len)
		appendStringInfoString(buf, "...");
}

static void append_fields(StringInfo lines, const char *field, JsonbContainer *value, int depth);

/* Append what is said of one field, of several inside it, or of none (""). */
static void
append_field(StringInfo lines, const char *field, const JsonbValue *value, int depth)
{
	char *sentence;

	if (value->type == jbvBinary)
	{
		if (depth < MAX_DEPTH)
			append_fields(lines, field, value->val.binary.data, depth + 1);
		return;
	}
	sentence = truust_json_text(value);
	if (sentence == NULL || sentence[0] == '\0')
		return;
	if (lines->len > 0)
		appendStringInfoChar(lines, '\n');
	if (field[0])
		appendStringInfo(lines, "%s: ", field);
	append_words(lines, sentence, MAX_SENTENCE);
	pfree(sentence);
}

/* The same of each field of an object, named with the field that it is in, or of each element of an array. */
static void
append_fields(StringInfo lines, const char *field, JsonbContainer *value, int depth)
{
	JsonbIterator	  *it = JsonbIteratorInit(value);
	JsonbIteratorToken token;
	JsonbValue		   v;
	StringInfoData	   name;

	initStringInfo(&name);
	while (lines->len < MAX_LINES && (token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			resetStringInfo(&name);
			if (field[0])
				appendStringInfo(&name, "%s.", field);
			append_words(&name, pnstrdup(v.val.string.val, v.val.string.len), MAX_FIELD);
			(void) JsonbIteratorNext(&it, &v, true);
			append_field(lines, name.data, &v, depth);
		}
		else if (token == WJB_ELEM)
			append_field(lines, field, &v, depth);
	}
	pfree(name.data);
}

/* What a jsonb says: in one sentence, or in lines. */
static void
read_words(Jsonb *value, StringInfo message, StringInfo lines)
{
	if (value)
		append_fields(JB_ROOT_IS_SCALAR(value) ? message : lines, "", &value->root, 0);
}

/* An error as JSON: {"message": ...} and its like, with "errors": {"field": ["sentence", ...]}; or a text. */
static void
read_json_words(Jsonb *whole, StringInfo message, StringInfo lines)
{
	static const char *const names[] = {"message", "error_description", "error", "detail", "title"};

	if (!JB_ROOT_IS_OBJECT(whole))
	{
		read_words(whole, message, lines);
		return;
	}
	for (size_t i = 0; i < lengthof(names) && message->len == 0 && lines->len == 0; i++)
		read_words(truust_json_get(whole, names[i]), message, lines);
	read_words(truust_json_get(whole, "errors"), lines, lines);
}

/* The same of an error status: where nothing is known by its name, all of it is about the error. */
static void
read_refusal_words(Jsonb *whole, StringInfo message, StringInfo lines)
{
	read_json_words(whole, message, lines);
	if (message->len == 0 && lines->len == 0)
		read_words(whole, message, lines);
}

/* Bytes from outside, which should be UTF-8, as a sentence in the server's encoding. */
static char *
to_server(char *bytes)
{
	size_t		   len = strlen(bytes);
	StringInfoData json;
	JsonbValue	  *value = NULL;
	Jsonb		  *parsed;
	char		  *problem;

	if (len > MAX_SENTENCE)
		bytes[pg_encoding_mbcliplen(PG_UTF8, bytes, len, MAX_SENTENCE)] = '\0';
	for (int attempt = 0; attempt < 2 && value == NULL; attempt++)
	{
		if (attempt > 0)
			for (char *p = bytes; *p; p++)
				if (IS_HIGHBIT_SET(*p))
					*p = '?';
		initStringInfo(&json);
		appendStringInfoChar(&json, '[');
		escape_json(&json, bytes);
		appendStringInfoChar(&json, ']');
		parsed = truust_json_parse(json.data, json.len, &problem);
		if (parsed)
			value = getIthJsonbValueFromContainer(&parsed->root, 0);
	}
	return value ? truust_json_text(value) : "";
}

static const char *
find_tag(const char *html, const char *tag)
{
	for (; *html; html++)
		if (pg_strncasecmp(html, tag, strlen(tag)) == 0)
			return html;
	return NULL;
}

/* Append what a page of HTML is about, which comes from a proxy, and not the page. */
static void
append_page(StringInfo message, const char *html)
{
	const char *title = find_tag(html, "<title");
	size_t		len;

	appendStringInfoString(message, find_tag(html, "<html") ? "a page of HTML" : "a text of XML");
	if (title == NULL || (title = strchr(title, '>')) == NULL)
		return;
	title++;
	title += strspn(title, " \t\r\n");
	len = strcspn(title, "<\r\n");
	if (len == 0)
		return;
	appendStringInfoString(message, " with the title \"");
	append_words(message, to_server(pnstrdup(title, len)), MAX_SENTENCE);
	appendStringInfoChar(message, '"');
}

/* A body that is no JSON: its first line. */
static void
read_plain_words(const TruustHttpRequest *req, StringInfo message)
{
	char *head = pnstrdup(req->response, Min(req->response_len, MAX_HEAD));
	char *line = head;

	if (strncmp(line, "\xEF\xBB\xBF", 3) == 0)
		line += 3;
	line += strspn(line, " \t\r\n");
	if (*line == '<')
		append_page(message, line);
	else
	{
		line[strcspn(line, "\r\n")] = '\0';
		append_words(message, to_server(line), MAX_SENTENCE);
	}
	pfree(head);
}

/* The peer's words, which may repeat the key to us; NULL where there are none. */
static char *
shown(const char *words)
{
	return words && words[0] ? truust_without_secrets(words) : NULL;
}

static void
read_error(TruustAnswer *answer, const TruustHttpRequest *req)
{
	StringInfoData message;
	StringInfoData lines;

	initStringInfo(&message);
	initStringInfo(&lines);
	if (answer->whole)
		read_refusal_words(answer->whole, &message, &lines);
	else if (req->response_len > 0)
		read_plain_words(req, &message);
	answer->message = shown(message.data);
	answer->field_lines = shown(lines.data);
	answer->error = truust_words_of_status(answer->status, answer->message, answer->field_lines);
}

/* ---------------------------------------------------------------- what is no answer */

/* Nothing, or nothing but a byte-order mark and blanks. */
static bool
is_empty(const TruustHttpRequest *req)
{
	size_t i = req->response_len >= 3 && memcmp(req->response, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

	while (i < req->response_len && strchr(" \t\r\n", req->response[i]) && req->response[i])
		i++;
	return i == req->response_len;
}

static TruustAnswerKind
kind_of_status(int status, TruustWanted wanted)
{
	if (status >= 200 && status < (wanted == TRUUST_WANTS_ANYTHING ? 400 : 300))
		return TRUUST_OK;
	if (status == 429)
		return TRUUST_TRY_LATER;
	if (status >= 400 && status < 500 && status != 408)
		return TRUUST_REFUSED;
	return TRUUST_UNKNOWN;
}

bool
truust_answer_is_known(Jsonb *resource, const char *const *identity)
{
	if (resource == NULL || !JB_ROOT_IS_OBJECT(resource))
		return false;
	for (; *identity; identity++)
		if (truust_json_has(resource, *identity))
			return true;
	return false;
}

/* What is wrong with an answer, and what it says instead where it says something. */
static char *
with_words(const char *fault, const TruustAnswer *answer)
{
	StringInfoData words;

	initStringInfo(&words);
	if (answer->whole && JB_ROOT_IS_OBJECT(answer->whole))
		read_json_words(answer->whole, &words, &words);
	if (words.len == 0 && answer->resource && JB_ROOT_IS_OBJECT(answer->resource))
		read_json_words(answer->resource, &words, &words);
	return shown(words.len > 0 ? psprintf("%s, and says: %s", fault, words.data) : fault);
}

/* What is wrong with a resource that has none of the fields by which it would be known. */
static char *
describe_stranger(const TruustAnswer *answer, const char *const *fields)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "the answer is not a resource: it has no ");
	for (int i = 0; fields[i]; i++)
		appendStringInfo(&text, "%s\"%s\"", i > 0 ? " or " : "", fields[i]);
	return with_words(text.data, answer);
}

static char *
describe_nonsense(const TruustHttpRequest *req, const char *problem)
{
	StringInfoData text;
	const char	  *p = req->response;
	size_t		   n = 0;

	while (n < req->response_len && strchr(" \t\r\n\xEF\xBB\xBF", p[n]) && p[n])
		n++;
	initStringInfo(&text);
	appendStringInfoString(&text, "the answer is not readable JSON: ");
	if (n < req->response_len && p[n] == '<')
	{
		appendStringInfoString(&text, "it is ");
		read_plain_words(req, &text);
	}
	else
		appendStringInfoString(&text, problem);
	return shown(text.data);
}

/*
 * Why a 2xx answer is none to what was asked, whoever gave it; NULL: it is
 * one.  What a write asks for is a resource that can be told from others: {} says
 * as little of what became of a request as no answer.  A read may leave out what
 * it likes, as long as it says something of the resource (see truust_answer_check_read()).
 */
static char *
find_fault(const TruustAnswer *answer, const TruustWire *wire, const TruustHttpRequest *req)
{
	Jsonb *resource = answer->resource;

	if (is_empty(req))
		return req->status == 204 || wire->wanted == TRUUST_WANTS_NOTHING
				   ? NULL
				   : pstrdup("the answer is empty");
	if (wire->wanted == TRUUST_WANTS_LIST &&
		(resource == NULL || !JB_ROOT_IS_ARRAY(resource) || JB_ROOT_IS_SCALAR(resource)))
		return with_words("the answer holds no list", answer);
	if (wire->wanted != TRUUST_WANTS_RESOURCE)
		return NULL;
	if (resource == NULL || !JB_ROOT_IS_OBJECT(resource))
		return with_words("the answer is not a resource: it is not a JSON object", answer);
	return wire->identity == NULL || truust_answer_is_known(resource, wire->identity)
			   ? NULL
			   : describe_stranger(answer, wire->identity);
}

void
truust_answer_read(TruustAnswer *answer, const TruustWire *wire, const TruustHttpRequest *req)
{
	char *problem = NULL;

	memset(answer, 0, sizeof(TruustAnswer));
	answer->status = req->status;
	answer->retry_after = req->retry_after;
	if (req->outcome != TRUUST_ANSWERED)
	{
		answer->kind = req->maybe_sent ? TRUUST_UNKNOWN : TRUUST_TRY_LATER;
		answer->error = shown(req->cause);
		return;
	}

	answer->kind = kind_of_status(req->status, wire->wanted);
	if (answer->kind == TRUUST_OK && wire->wanted == TRUUST_WANTS_ANYTHING)
		return;
	if (!is_empty(req))
		answer->whole = truust_json_parse(req->response, req->response_len, &problem);
	if (answer->kind != TRUUST_OK)
	{
		read_error(answer, req);
		return;
	}
	answer->resource = truust_json_resource(answer->whole);
	answer->error = problem ? describe_nonsense(req, problem) : find_fault(answer, wire, req);
	if (answer->error)
	{
		answer->kind = TRUUST_UNKNOWN;
		answer->resource = NULL;
	}
}

void
truust_answer_check_read(TruustAnswer *answer, const TruustWire *wire)
{
	if (answer->kind != TRUUST_OK || wire->known_by == NULL ||
		wire->wanted != TRUUST_WANTS_RESOURCE || answer->resource == NULL ||
		truust_answer_is_known(answer->resource, wire->known_by) ||
		!truust_json_says_nothing(answer->resource))
		return;
	answer->kind = TRUUST_UNKNOWN;
	answer->error = describe_stranger(answer, wire->known_by);
	answer->resource = NULL;
}
