/*
 * validate.c
 *		Holds a request to parameters.tsv: what is required, types, formats, lengths, limits, allowed values, and, with
 *		the setting "strict", that nothing else is in it.
 *
 * All complaints about a body come in one answer of status 422. Strict also about types: a number in quotes is refused
 * where the API says number, though the real one may be lenient; a client has no business sending one.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Json *
body_member(const Exchange *x, const char *name)
{
	Json *member = json_member(x->json, name);

	return member != NULL && member->type != JSON_NULL ? member : NULL;
}

int64_t
body_int(const Exchange *x, const char *name, int64_t otherwise)
{
	int64_t number;

	return json_int(body_member(x, name), &number) ? number : otherwise;
}

const char *
body_string(const Exchange *x, const char *name)
{
	const Json *member = body_member(x, name);

	return member != NULL && member->type == JSON_STRING ? member->text : NULL;
}

bool
body_true(const Exchange *x, const char *name)
{
	const Json *member = body_member(x, name);

	return member != NULL && (member->type == JSON_TRUE ||
							  (member->type == JSON_NUMBER && strcmp(member->text, "1") == 0));
}

/* ---------------------------------------------------------------- formats */

static bool
digits(const char *text, int n)
{
	for (int i = 0; i < n; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

bool
is_date(const char *text, size_t len)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int				 year;
	int				 month;
	int				 day;
	bool			 leap;

	if (len != 10 || !digits(text, 4) || text[4] != '-' || !digits(text + 5, 2) || text[7] != '-' ||
		!digits(text + 8, 2))
		return false;
	year = (int) strtol(text, NULL, 10);
	month = (int) strtol(text + 5, NULL, 10);
	day = (int) strtol(text + 8, NULL, 10);
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (leap && month == 2);
}

/* 2026-01-31T12:00:00, with a fraction or without, with Z, +02:00 or nothing after it. */
static bool
is_time(const char *text, size_t len)
{
	const char *rest = text + 19;

	if (len < 19 || !is_date(text, 10) || (text[10] != 'T' && text[10] != ' ') ||
		!digits(text + 11, 2) || text[13] != ':' || !digits(text + 14, 2) || text[16] != ':' ||
		!digits(text + 17, 2))
		return false;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (*rest == '\0' || strcmp(rest, "Z") == 0)
		return true;
	return (*rest == '+' || *rest == '-') && strlen(rest) == 6 && digits(rest + 1, 2) &&
		   rest[3] == ':' && digits(rest + 4, 2);
}

static bool
is_email(const char *text, size_t len)
{
	const char *at = memchr(text, '@', len);
	const char *dot = at == NULL ? NULL : strrchr(at, '.');

	return at != NULL && at > text && dot != NULL && dot > at + 1 && dot[1] != '\0' &&
		   strchr(at + 1, '@') == NULL && strpbrk(text, " \t\r\n<>,") == NULL;
}

static bool
is_uri(const char *text, size_t len)
{
	size_t scheme =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return scheme > 0 && strncmp(text + scheme, "://", 3) == 0 && len > scheme + 3 &&
		   strpbrk(text, " \t\r\n") == NULL;
}

static size_t
characters(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char) text[i] & 0xC0) != 0x80;
	return n;
}

/* ---------------------------------------------------------------- one parameter */

static bool
all_of(const Json *array, JsonType type)
{
	int64_t number;

	if (array->type != JSON_ARRAY)
		return false;
	for (const Json *item = array->first; item != NULL; item = item->next)
		if (item->type != type || (type == JSON_NUMBER && !json_int(item, &number)))
			return false;
	return true;
}

/* NULL, or what the value should be. */
static const char *
wrong_type(const Param *param, const Json *value)
{
	int64_t number;

	switch (param->type)
	{
		case T_STRING:
			return value->type == JSON_STRING ? NULL : "text";
		case T_INTEGER:
			return json_int(value, &number) ? NULL : "a whole number";
		case T_NUMBER:
			return value->type == JSON_NUMBER ? NULL : "a number";
		case T_BOOLEAN:
			return value->type == JSON_TRUE || value->type == JSON_FALSE ||
						   (value->type == JSON_NUMBER &&
							(strcmp(value->text, "0") == 0 || strcmp(value->text, "1") == 0))
					   ? NULL
					   : "true or false";
		case T_OBJECT:
			return value->type == JSON_OBJECT ? NULL : "an object";
		case T_STRINGS:
			return all_of(value, JSON_STRING) ? NULL : "an array of texts";
		case T_INTEGERS:
			return all_of(value, JSON_NUMBER) ? NULL : "an array of whole numbers";
		case T_OBJECTS:
			return all_of(value, JSON_OBJECT) ? NULL : "an array of objects";
	}
	return NULL;
}

static const char *
wrong_format(const Param *param, const Json *value)
{
	const char *text = value->text;

	if (value->type != JSON_STRING)
		return NULL;
	if (strcmp(param->format, "email") == 0)
		return is_email(text, value->len) ? NULL : "an email address";
	if (strcmp(param->format, "uri") == 0)
		return is_uri(text, value->len) ? NULL : "a URL";
	if (strcmp(param->format, "date") == 0)
		return is_date(text, value->len) ? NULL : "a date like 2026-01-31";
	if (strcmp(param->format, "date-time") == 0)
		return is_time(text, value->len) ? NULL : "a time like 2026-01-31T12:00:00Z";
	return NULL;
}

static bool
is_value(const Param *param, const Json *value)
{
	for (char **known = param->values; *known != NULL; known++)
		if (strcmp(*known, value->text) == 0)
			return true;
	return false;
}

/* Refuses the value if anything is wrong with it. */
static void
check(Exchange *x, const Param *param, const Json *value)
{
	const char *wanted = wrong_type(param, value);

	if (wanted == NULL)
		wanted = wrong_format(param, value);
	if (wanted != NULL)
	{
		refuse(x, param->name, "The field %s must be %s.", param->name, wanted);
		return;
	}
	if (param->values != NULL && (value->type == JSON_STRING || value->type == JSON_NUMBER) &&
		!is_value(param, value))
		refuse(x, param->name, "The field %s has a value that is not allowed.", param->name);
	else if (param->max_length > 0 && value->type == JSON_STRING &&
			 characters(value->text, value->len) > (size_t) param->max_length)
		refuse(x, param->name, "The field %s is longer than %d characters.", param->name,
			   param->max_length);
	else if (param->required && value->type == JSON_STRING && value->len == 0)
		refuse(x, param->name, "The field %s must not be empty.", param->name);
	else if (value->type == JSON_NUMBER && param->minimum != NULL &&
			 decimal_parse(value->text) < decimal_parse(param->minimum))
		refuse(x, param->name, "The field %s must be at least %s.", param->name, param->minimum);
	else if (value->type == JSON_NUMBER && param->maximum != NULL &&
			 decimal_parse(value->text) > decimal_parse(param->maximum))
		refuse(x, param->name, "The field %s must be at most %s.", param->name, param->maximum);
}

/* ---------------------------------------------------------------- a request */

static void
check_body(Exchange *x)
{
	for (int i = 0; i < x->op->nparams; i++)
	{
		const Param *param = &x->op->params[i];
		const Json	*value;

		if (param->where != IN_BODY)
			continue;
		value = body_member(x, param->name);
		if (value != NULL)
			check(x, param, value);
		else if (param->required)
			refuse(x, param->name, "The field %s is required.", param->name);
	}
	/* Nothing is said of the body of createCard: anything is taken there. */
	if (!settings.strict || x->json == NULL || strcmp(x->op->name, "createCard") == 0)
		return;
	for (const Json *member = x->json->first; member != NULL; member = member->next)
		if (facts_param(x->op, IN_BODY, member->name) == NULL)
			refuse(x, member->name, "The field %.200s is not known.", member->name);
}

/* A query's text as the JSON value that the parameter asks for. */
static Json *
query_value(Exchange *x, const Param *param, const char *text)
{
	const char *why;
	Json	   *value = NULL;

	if (param->type == T_INTEGER || param->type == T_NUMBER || param->type == T_BOOLEAN)
		value = json_parse(&x->arena, text, strlen(text), &why);
	return value != NULL ? value : json_new(&x->arena, JSON_STRING, text, strlen(text));
}

static void
check_query(Exchange *x)
{
	for (int i = 0; i < x->op->nparams; i++)
	{
		const Param *param = &x->op->params[i];
		const char	*text;

		if (param->where != IN_QUERY)
			continue;
		text = exchange_arg(x, param->name);
		if (text != NULL)
			check(x, param, query_value(x, param, text));
		else if (param->required)
			refuse(x, param->name, "The parameter %s is required.", param->name);
	}
}

static bool
unknown_query(Exchange *x)
{
	for (const Arg *arg = x->args; settings.strict && arg != NULL; arg = arg->next)
	{
		if (facts_param(x->op, IN_QUERY, arg->name) != NULL)
			continue;
		reply_error(x, 400, "The query parameter %s is not known.", arg->name);
		return true;
	}
	return false;
}

bool
validate(Exchange *x)
{
	if (unknown_query(x))
		return false;
	check_query(x);
	check_body(x);
	if (x->nerrors > 0)
		reply_refused(x, 422);
	return x->nerrors == 0;
}

/* Numbers become plain decimals, flags true or false where the field is one; everything else stays as it came. */
void
apply_body(Exchange *x, Row *row)
{
	for (int i = 0; i < x->op->nparams; i++)
	{
		const Param *param = &x->op->params[i];
		const Json	*value = param->where == IN_BODY ? json_member(x->json, param->name) : NULL;
		int			 slot;
		Buf			 text = {0};

		if (value == NULL)
			continue;
		slot = x->op->kind == row->kind ? param->slot : kind_slot(row->kind, param->name);
		if (slot < 0)
			continue;
		if (param->type == T_NUMBER && value->type == JSON_NUMBER)
			money_text(&text, value->text);
		else if (row->kind->fields[slot].type == T_BOOLEAN && value->type == JSON_NUMBER)
			buf_adds(&text, strcmp(value->text, "1") == 0 ? "true" : "false");
		else
			json_write(&text, value);
		row_set_slot(row, slot, text.data, text.len);
		buf_free(&text);
	}
}
