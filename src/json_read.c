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

/* Read valid UTF-8. */
static Jsonb *
parse_utf8(const char *text, size_t len, char **problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	Jsonb *volatile result = NULL;

	PG_TRY();
	{
		const char *server = text;
		size_t		server_len = len;

		if (GetDatabaseEncoding() != PG_UTF8)
		{
			server = truust_json_to_server(text, len);
			server_len = strlen(server);
		}
		result = truust_json_scan(server, server_len);
		if (result == NULL)
			result = parse_with_server(server, server_len);
	}
	PG_CATCH();
	{
		char *place;

		*problem = truust_json_caught(cxt);
		place = truust_json_place_of_bad_escape(text, len);
		if (place)
			*problem = psprintf("%.*s (%s)", (int) strcspn(*problem, "."), *problem, place);
		result = NULL;
	}
	PG_END_TRY();
	return result;
}

Jsonb *
truust_json_parse(const char *text, size_t len, char **problem)
{
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

	return parse_utf8(text, len, problem);
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
 * Numbers of less than 250 digits have numeric's short form, and say so in the first
 * bit behind their length (NUMERIC_SHORT in numeric.c, as on disk since 9.1).
 */
static inline bool
has_short_form(Numeric number)
{
	uint16 header;

	memcpy(&header, VARDATA_ANY(number), sizeof(header));
	return (header & 0x8000) != 0;
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

	if (has_short_form(number))
		return true;
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

char *
truust_json_text(const JsonbValue *value)
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

	return value ? truust_json_text(value) : NULL;
}

bool
truust_json_has(Jsonb *object, const char *field)
{
	JsonbValue	buf;
	JsonbValue *value = find_field(object, field, &buf);

	return value &&
		   (value->type == jbvNumeric || (value->type == jbvString && value->val.string.len > 0));
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
truust_json_int64(const JsonbValue *value, int64 *result)
{
	char *text = value->type == jbvBool ? NULL : truust_json_text(value);

	return text != NULL && parse_int64(text, result);
}

bool
truust_json_get_int64(Jsonb *object, const char *field, int64 *result)
{
	JsonbValue	buf;
	JsonbValue *value = find_field(object, field, &buf);

	return value != NULL && truust_json_int64(value, result);
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

/* Call a type's input function on text from outside. */
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
			if (scale == 0 && *p != '0')
				return false; /* finer than a microsecond */
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

/* Skip digits, as many as are from least to most. */
static bool
skip_digits(const char **p, size_t least, size_t most)
{
	size_t n = strspn(*p, "0123456789");

	*p += n;
	return n >= least && n <= most;
}

/*
 * The end of "2026-1-31", or of that and a time of day, "2026-01-31 12:00:00.5",
 * whose date ends at *date_end; NULL: something else.  Only this goes to the
 * general parsers: they would read "today" as well, and the rest of it by the
 * session's settings.
 */
static const char *
end_of_time(const char *text, const char **date_end)
{
	const char *p = text;

	if (!skip_digits(&p, 4, 4) || *p++ != '-' || !skip_digits(&p, 1, 2) || *p++ != '-' ||
		!skip_digits(&p, 1, 2))
		return NULL;
	*date_end = p;
	if ((*p != 'T' && *p != 't' && *p != ' ') || !isdigit((unsigned char) p[1]))
		return p;
	p++;
	if (!skip_digits(&p, 1, 2) || *p++ != ':' || !skip_digits(&p, 2, 2))
		return NULL;
	if (*p != ':')
		return p;
	p++;
	if (!skip_digits(&p, 2, 2))
		return NULL;
	if (*p != '.')
		return p;
	p++;
	return skip_digits(&p, 1, 400) ? p : NULL;
}

/* The end of what a time says, to the microsecond, NULL: it is finer than that. */
static const char *
end_of_microseconds(const char *text, const char *end)
{
	const char *point = memchr(text, '.', end - text);
	const char *last = point ? point + 1 + 6 : end;

	if (last >= end)
		return end;
	return last + strspn(last, "0") >= end ? last : NULL;
}

/* "Z", "+2", "+02:00", "+0200", or nothing, in microseconds; false: something else. */
static bool
read_offset(const char *zone, int64 *offset)
{
	const char *p = zone + 1;
	int			hours = 0;
	int			minutes = 0;
	char		behind = '\0';

	*offset = 0;
	if (*zone == '\0' || strcmp(zone, "Z") == 0 || strcmp(zone, "z") == 0)
		return true;
	if (*zone != '+' && *zone != '-')
		return false;
	if (strspn(p, "0123456789:") != strlen(p) || *p == ':')
		return false;
	if (sscanf(p, strchr(p, ':') ? "%2d:%2d%c" : "%2d%2d%c", &hours, &minutes, &behind) < 1 ||
		behind != '\0' || hours > 15 || minutes > 59)
		return false;
	*offset = (hours * 60 + minutes) * USECS_PER_MINUTE * (*zone == '-' ? -1 : 1);
	return true;
}

/* A time in a zone that has a name ("EST", "Europe/Madrid"), in UTC. */
static bool
apply_named_zone(const char *zone, Datum *time, char **problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool ok = true;

	if (strspn(zone, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/_-") != strlen(zone) ||
		!isalpha((unsigned char) *zone))
		return false;
	PG_TRY();
	{
		*time = DirectFunctionCall2(timestamp_zone, PointerGetDatum(cstring_to_text(zone)), *time);
	}
	PG_CATCH();
	{
		*problem = truust_json_caught(cxt);
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

/* A time that is not of the usual form.  Without a zone it is UTC. */
static bool
parse_other_time(const char *text, Datum *result, char **problem)
{
	const char *date_end;
	const char *end = end_of_time(text, &date_end);
	const char *microseconds;
	const char *zone;
	int64		offset;

	*problem = "is not a time";
	if (end == NULL)
		return false;
	microseconds = end_of_microseconds(text, end);
	if (microseconds == NULL)
	{
		*problem = "is finer than a microsecond";
		return false;
	}
	if (!input_text(timestamp_in, pnstrdup(text, microseconds - text), result, problem))
		return false;
	/* both types count microseconds since 2000 */
	zone = end + strspn(end, " ");
	*problem = "is not a time";
	if (!read_offset(zone, &offset))
		return apply_named_zone(zone, result, problem);
	*result = TimestampTzGetDatum(DatumGetTimestamp(*result) - offset);
	return true;
}

static bool
timestamptz_from_text(const char *text, Datum *result, char **problem)
{
	TimestampTz value;

	if (!parse_iso_timestamp(text, strlen(text), &value))
		return parse_other_time(text, result, problem);
	*result = TimestampTzGetDatum(value);
	return true;
}

/* A date, or its midnight without a zone or in UTC. */
static bool
date_from_text(const char *text, Datum *result, char **problem)
{
	const char *date_end;
	const char *end = end_of_time(text, &date_end);
	int64		offset;

	*problem = "is not a date";
	if (end == NULL)
		return false;
	if (strspn(date_end, "Tt 0:.") < (size_t) (end - date_end) || !read_offset(end, &offset) ||
		offset != 0 || (end == date_end && *end != '\0'))
	{
		*problem = "is a date with a time of day or a zone";
		return false;
	}
	return input_text(date_in, pnstrdup(text, date_end - text), result, problem);
}

static bool
looks_like_number(const char *text)
{
	size_t len = strspn(text, "0123456789.eE+-");

	return len > 0 && text[len] == '\0' && strpbrk(text, "0123456789") != NULL;
}

/* A whole number, written in any way in which a number can be written. */
static bool
whole_number(const char *text, int64 *result)
{
	Datum	   number;
	JsonbValue value;
	char	  *problem;

	if (parse_int64(text, result))
		return true;
	if (!looks_like_number(text) || strpbrk(text, "eE") == NULL ||
		!input_text(numeric_in, text, &number, &problem))
		return false;
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(number);
	text = truust_json_text(&value);
	return text && parse_int64(text, result);
}

static bool
boolean_from_text(const char *text, Datum *result)
{
	bool  yes = strcmp(text, "true") == 0;
	bool  no = strcmp(text, "false") == 0;
	int64 number;

	if (!yes && !no && whole_number(text, &number))
	{
		yes = number == 1;
		no = number == 0;
	}
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
			if (!whole_number(text, &number))
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
			return date_from_text(text, result, problem);
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
	text = truust_json_text(value);
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
