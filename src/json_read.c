/*-------------------------------------------------------------------------
 *
 * json_read.c
 *		From JSON that came from outside to jsonb and single Datums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "json.h"
#include "json_private.h"

/* Errors that a text causes, as opposed to the state of this process. */
static bool
is_data_error(int sqlstate)
{
	int class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_DATA_EXCEPTION || class == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		   sqlstate == ERRCODE_STATEMENT_TOO_COMPLEX ||
		   class == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION;
}

char *
truust_json_caught(MemoryContext cxt)
{
	ErrorData *edata;
	char	  *text;

	MemoryContextSwitchTo(cxt);
	if (!is_data_error(geterrcode()))
		PG_RE_THROW();
	edata = CopyErrorData();
	FlushErrorState();
	text =
		edata->detail ? psprintf("%s: %s", edata->message, edata->detail) : pstrdup(edata->message);
	FreeErrorData(edata);
	return text;
}

static Jsonb *
parse_with_server(const char *text, size_t len)
{
	char  *copy = pnstrdup(text, len);
	Jsonb *result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(copy)));

	pfree(copy);
	return result;
}

Jsonb *
truust_json_parse(const char *text, size_t len, char **problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	Jsonb *volatile result = NULL;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
	{
		text += 3;
		len -= 3;
	}
	if (len > MaxAllocSize - 1)
	{
		*problem = pstrdup("too long to be read");
		return NULL;
	}
	if (!pg_verify_mbstr(PG_UTF8, text, (int) len, true))
	{
		*problem =
			memchr(text, '\0', len) ? pstrdup("holds a null byte") : pstrdup("invalid UTF-8");
		return NULL;
	}

	PG_TRY();
	{
		char *converted =
			GetDatabaseEncoding() == PG_UTF8 ? NULL : truust_json_to_server(text, len);

		if (converted)
			text = converted;
		result = truust_json_scan(text, converted ? strlen(converted) : len);
		if (result == NULL)
			result = parse_with_server(text, converted ? strlen(converted) : len);
	}
	PG_CATCH();
	{
		*problem = truust_json_caught(cxt);
		result = NULL;
	}
	PG_END_TRY();
	return result;
}

static JsonbValue *
find_field(Jsonb *object, const char *field, JsonbValue *value)
{
	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	value = getKeyJsonValueFromContainer(&object->root, field, strlen(field), value);
	return value == NULL || value->type == jbvNull ? NULL : value;
}

Jsonb *
truust_json_get(Jsonb *object, const char *field)
{
	JsonbValue	buf;
	JsonbValue *value = find_field(object, field, &buf);

	return value ? JsonbValueToJsonb(value) : NULL;
}

/*
 * Whether a number is written in a text of a sensible length.  A few bytes of
 * JSON such as 1e131071 are a hundred kilobytes of digits, so that one body
 * could fill the memory of who reads its numbers as text.
 */
static bool
is_short(Numeric number)
{
	static Numeric limit = NULL;
	Datum		   value = NumericGetDatum(number);

	if (limit == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		limit = DatumGetNumeric(DirectFunctionCall3(
			numeric_in, CStringGetDatum("1e400"), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		MemoryContextSwitchTo(old);
	}
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, value)) <= 400 &&
		   DatumGetBool(DirectFunctionCall2(numeric_lt, DirectFunctionCall1(numeric_abs, value),
											NumericGetDatum(limit)));
}

static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			if (!is_short(value->val.numeric))
				return NULL;
			return DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

char *
truust_json_get_text(Jsonb *object, const char *field)
{
	JsonbValue	buf;
	JsonbValue *value = find_field(object, field, &buf);

	return value ? scalar_text(value) : NULL;
}

/* A whole number in decimal text, with nothing but zeros behind a point. */
static bool
parse_int64(const char *text, int64 *result)
{
	char	 *end;
	long long number;

	if (*text == '\0' || isspace((unsigned char) *text))
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text)
		return false;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0");
	*result = number;
	return *end == '\0';
}

bool
truust_json_get_int64(Jsonb *object, const char *field, int64 *result)
{
	JsonbValue	buf;
	JsonbValue *value = find_field(object, field, &buf);
	char	   *text;

	if (value == NULL || value->type == jbvBool)
		return false;
	text = scalar_text(value);
	return text != NULL && parse_int64(text, result);
}

Jsonb *
truust_json_resource(Jsonb *answer)
{
	JsonbValue	buf;
	JsonbValue *data;

	if (answer == NULL || !JB_ROOT_IS_OBJECT(answer))
		return answer;
	data = getKeyJsonValueFromContainer(&answer->root, "data", strlen("data"), &buf);
	if (data && data->type == jbvNull)
		return NULL;
	return data && data->type == jbvBinary ? JsonbValueToJsonb(data) : answer;
}

/*
 * Call a type's input function on text from outside.  utc: a time without a
 * zone is UTC, not the session's.
 */
static bool
input_text(PGFunction input, const char *text, Datum *result, char **problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*result = DirectFunctionCall3(input, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									  Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		*problem = truust_json_caught(cxt);
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

static bool
two_digits(const char *p, int *result)
{
	if (!isdigit((unsigned char) p[0]) || !isdigit((unsigned char) p[1]))
		return false;
	*result = (p[0] - '0') * 10 + (p[1] - '0');
	return true;
}

/*
 * The usual form, 2026-01-31T12:00:00[.ffffff][Z|+hh:mm|+hhmm], without the cost of
 * the general parser.  False: not this form, ask that one.
 */
static bool
parse_iso_timestamp(const char *s, size_t len, TimestampTz *result)
{
	int			century, year, month, day, hour, min, sec, zone_hour = 0, zone_min = 0;
	int64		usec = 0;
	int			sign = 1;
	const char *p = s + 19;

	if (len < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != ' ') || s[13] != ':' ||
		s[16] != ':' || !two_digits(s, &century) || !two_digits(s + 2, &year) ||
		!two_digits(s + 5, &month) || !two_digits(s + 8, &day) || !two_digits(s + 11, &hour) ||
		!two_digits(s + 14, &min) || !two_digits(s + 17, &sec))
		return false;
	year += century * 100;
	if (year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || min > 59 || sec > 59 ||
		day > day_tab[isleap(year)][month - 1])
		return false;
	if (*p == '.')
		for (int scale = 100000; isdigit((unsigned char) *++p); scale /= 10)
		{
			if (scale == 0)
				return false; /* finer than a microsecond: let the parser round */
			usec += (int64) (*p - '0') * scale;
		}
	if (*p == 'Z')
		p++;
	else if (*p == '+' || *p == '-')
	{
		sign = *p++ == '-' ? -1 : 1;
		if (strlen(p) < 2 || !two_digits(p, &zone_hour))
			return false;
		p += 2;
		if (*p == ':')
			p++;
		if (strlen(p) == 2 && two_digits(p, &zone_min))
			p += 2;
	}
	if (*p != '\0' || p != s + len || zone_hour > 15 || zone_min > 59)
		return false;

	*result = (int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
			  (((hour * 60 + min) * INT64CONST(60)) + sec) * USECS_PER_SEC + usec -
			  sign * (zone_hour * 60 + zone_min) * USECS_PER_MINUTE;
	return true;
}

/*
 * Only what begins with year, month, day goes to the general parsers: they
 * would read "today" as well, and "01/02/2026" by the session's DateStyle.
 */
static bool
begins_with_date(const char *text)
{
	return strspn(text, "0123456789") == 4 && text[4] == '-' && isdigit((unsigned char) text[5]);
}

/* Whether something behind the date could be a time zone. */
static bool
names_zone(const char *text)
{
	for (const char *p = text + Min(strlen(text), strlen("2026-01-31T")); *p; p++)
		if (*p == '+' || *p == '-' || isalpha((unsigned char) *p))
			return true;
	return false;
}

static bool
timestamptz_from_text(const char *text, Datum *result, char **problem)
{
	TimestampTz value;

	if (parse_iso_timestamp(text, strlen(text), &value))
	{
		*result = TimestampTzGetDatum(value);
		return true;
	}
	*problem = "is not a time";
	if (!begins_with_date(text))
		return false;
	/* without a zone it is UTC: both types count microseconds since 2000 */
	return input_text(names_zone(text) ? timestamptz_in : timestamp_in, text, result, problem);
}

static bool
looks_like_number(const char *text)
{
	size_t len = strspn(text, "0123456789.eE+-");

	return len > 0 && text[len] == '\0' && strpbrk(text, "0123456789") != NULL;
}

static bool
boolean_from_text(const char *text, Datum *result)
{
	bool yes = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
	bool no = strcmp(text, "0") == 0 || strcmp(text, "false") == 0;

	*result = BoolGetDatum(yes);
	return yes || no;
}

/* A scalar, as text, of a type other than text and jsonb. */
static bool
text_to_datum(const char *text, Oid type, Datum *result, char **problem)
{
	int64 number;

	switch (type)
	{
		case INT8OID:
			*problem = "is not a whole number that fits bigint";
			if (!parse_int64(text, &number))
				return false;
			*result = Int64GetDatum(number);
			return true;
		case NUMERICOID:
			*problem = "is not a number";
			return looks_like_number(text) && input_text(numeric_in, text, result, problem);
		case BOOLOID:
			*problem = "is not true, false, 0 or 1";
			return boolean_from_text(text, result);
		case TIMESTAMPTZOID:
			return timestamptz_from_text(text, result, problem);
		case DATEOID:
			*problem = "is not a date";
			return begins_with_date(text) && input_text(date_in, text, result, problem);
		default:
			*problem = psprintf("cannot be read as %s", format_type_be(type));
			return false;
	}
}

/* A JSON array as text[] or bigint[]. */
static bool
array_to_datum(JsonbValue *value, Oid element_type, Datum *result, char **problem)
{
	JsonbIterator	  *it;
	JsonbValue		   element;
	JsonbIteratorToken token;
	ArrayBuildState	  *state = initArrayResult(element_type, CurrentMemoryContext, false);

	*problem = "is not an array";
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerIsScalar(value->val.binary.data))
		return false;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		Datum datum = (Datum) 0;
		bool  isnull;

		if (token != WJB_ELEM)
			continue;
		if (!truust_json_to_datum(&element, element_type, false, &datum, &isnull, problem))
			return false;
		accumArrayResult(state, datum, isnull, element_type, CurrentMemoryContext);
	}
	*result = makeArrayResult(state, CurrentMemoryContext);
	return true;
}

bool
truust_json_to_datum(JsonbValue *value, Oid type, bool empty_is_null, Datum *result, bool *isnull,
					 char **problem)
{
	char *text;

	*isnull = value->type == jbvNull;
	if (*isnull)
		return true;
	if (type == JSONBOID)
	{
		*result = JsonbPGetDatum(JsonbValueToJsonb(value));
		return true;
	}
	if (type == TEXTOID && value->type == jbvString)
	{
		*result =
			PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
		return true;
	}
	if (type == NUMERICOID && value->type == jbvNumeric)
	{
		*result = NumericGetDatum(value->val.numeric);
		return true;
	}
	if (type == BOOLOID && value->type == jbvBool)
	{
		*result = BoolGetDatum(value->val.boolean);
		return true;
	}
	if (empty_is_null && type != TEXTOID && value->type == jbvString && value->val.string.len == 0)
	{
		*isnull = true;
		return true;
	}
	if (type == TEXTARRAYOID)
		return array_to_datum(value, TEXTOID, result, problem);
	if (type == INT8ARRAYOID)
		return array_to_datum(value, INT8OID, result, problem);

	if (value->type == jbvBinary)
	{
		*problem = "is not a single value";
		if (type != TEXTOID)
			return false;
		*result = CStringGetTextDatum(
			JsonbToCString(NULL, value->val.binary.data, value->val.binary.len));
		return true;
	}
	text = scalar_text(value);
	if (text == NULL)
	{
		*problem = "is a number of too many digits";
		return false;
	}
	if (type == TEXTOID)
	{
		*result = CStringGetTextDatum(text);
		return true;
	}
	return text_to_datum(text, type, result, problem);
}
