/*-------------------------------------------------------------------------
 *
 * answer.c
 *		What an answer of the API means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "api.h"
#include "errors.h"

/* Append the sentences of one field: an array of texts, or one text. */
static void
append_field_error(StringInfo lines, const char *field, JsonbValue *value)
{
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   sentence;

	if (value->type == jbvString)
		appendStringInfo(lines, "%s%s: %.*s", lines->len ? "\n" : "", field, value->val.string.len,
						 value->val.string.val);
	if (value->type != jbvBinary)
		return;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &sentence, true)) != WJB_DONE)
		if ((token == WJB_ELEM || token == WJB_VALUE) && sentence.type == jbvString)
			appendStringInfo(lines, "%s%s: %.*s", lines->len ? "\n" : "", field,
							 sentence.val.string.len, sentence.val.string.val);
}

/* The validation shape {"errors": {"field": ["sentence", ...]}} as lines, or NULL. */
static char *
read_field_lines(Jsonb *errors)
{
	StringInfoData	   lines;
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   key, value;

	if (errors == NULL || !JB_ROOT_IS_OBJECT(errors))
		return NULL;
	initStringInfo(&lines);
	it = JsonbIteratorInit(&errors->root);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		append_field_error(&lines, pnstrdup(key.val.string.val, key.val.string.len), &value);
	}
	return lines.len > 0 ? lines.data : NULL;
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

/* The peer's words, which may repeat the key to us; NULL stays NULL. */
static char *
shown(const char *words)
{
	return words ? truust_without_secrets(words) : NULL;
}

static void
read_error(TruustAnswer *answer)
{
	StringInfoData text;

	if (answer->whole)
	{
		answer->message = shown(truust_json_get_text(answer->whole, "message"));
		answer->field_lines = shown(read_field_lines(truust_json_get(answer->whole, "errors")));
	}
	initStringInfo(&text);
	appendStringInfo(&text, "HTTP status %d", answer->status);
	if (answer->message)
		appendStringInfo(&text, ": %s", answer->message);
	if (answer->field_lines)
		appendStringInfo(&text, "\n%s", answer->field_lines);
	answer->error = text.data;
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
	if (req->response_len > 0)
		answer->whole = truust_json_parse(req->response, req->response_len, &problem);
	if (answer->kind != TRUUST_OK)
		read_error(answer);
	else if (problem)
	{
		answer->kind = TRUUST_UNKNOWN;
		answer->error = psprintf("the answer is not readable JSON: %s", shown(problem));
	}
	else if (req->response_len == 0 && req->status != 204 && wire->wanted == TRUUST_WANTS_JSON)
	{
		answer->kind = TRUUST_UNKNOWN;
		answer->error = pstrdup("the answer is empty");
	}
	else
		answer->resource = truust_json_resource(answer->whole);
}
