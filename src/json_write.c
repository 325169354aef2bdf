/*-------------------------------------------------------------------------
 *
 * json_write.c
 *		From SQL values to JSON text in UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "json.h"

static void
append_escaped(StringInfo buf, const char *str, int len)
{
	int start = 0;

	appendStringInfoCharMacro(buf, '"');
	for (int i = 0; i < len; i++)
	{
		unsigned char c = str[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		appendBinaryStringInfo(buf, str + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\')
		{
			appendStringInfoCharMacro(buf, '\\');
			appendStringInfoCharMacro(buf, c);
		}
		else
			appendStringInfo(buf, "\\u%04x", c);
	}
	appendBinaryStringInfo(buf, str + start, len - start);
	appendStringInfoCharMacro(buf, '"');
}

void
truust_json_append_string(StringInfo buf, const char *str, int len)
{
	char *utf8 = pg_server_to_any(str, len, PG_UTF8);

	if (utf8 == str)
		append_escaped(buf, str, len);
	else
	{
		append_escaped(buf, utf8, strlen(utf8));
		pfree(utf8);
	}
}

void
truust_json_append_jsonb(StringInfo buf, Jsonb *value)
{
	char *text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	char *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	appendStringInfoString(buf, utf8);
}

static void
throw_not_finite(const char *parameter, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid value for parameter \"%s\": %s", parameter, what),
					errdetail("JSON has no such value. Nothing was sent."),
					errhint("Give a finite value, or NULL to leave it out.")));
}

/*
 * A year has four digits in JSON's dates, and there is none before the first:
 * "0044-03-15 BC" would be read as another day, if at all.
 */
static void
check_year(const char *parameter, const char *text)
{
	if (strspn(text, "0123456789") != 4 || strstr(text, " BC") != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for parameter \"%s\": %s", parameter, text),
						errdetail("Its year cannot be sent. Nothing was sent."),
						errhint("Give a day from year 1 to 9999, or NULL to leave it out.")));
}

static void
append_numeric(StringInfo buf, Datum value, const char *parameter)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, value));

	if (text[0] == 'N' || strstr(text, "Inf") != NULL)
		throw_not_finite(parameter, text);
	appendStringInfoString(buf, text);
}

static void
append_time(StringInfo buf, Datum value, Oid type, const char *parameter)
{
	char text[MAXDATELEN + 1];
	int	 utc = 0;

	if (type == DATEOID ? DATE_NOT_FINITE(DatumGetDateADT(value))
						: TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)))
		throw_not_finite(parameter, "infinity");
	JsonEncodeDateTime(text, value, type, type == TIMESTAMPTZOID ? &utc : NULL);
	check_year(parameter, text);
	appendStringInfo(buf, "\"%s\"", text);
}

static void
append_array(StringInfo buf, Datum value, Oid element_type, const char *parameter)
{
	int16  len;
	bool   byval;
	char   align;
	Datum *elements;
	bool  *nulls;
	int	   n;

	get_typlenbyvalalign(element_type, &len, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(value), element_type, len, byval, align, &elements, &nulls,
					  &n);
	appendStringInfoChar(buf, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(buf, ',');
		if (nulls[i])
			appendStringInfoString(buf, "null");
		else
			truust_json_append_datum(buf, elements[i], element_type, false, parameter);
	}
	appendStringInfoChar(buf, ']');
}

void
truust_json_append_datum(StringInfo buf, Datum value, Oid type, bool flag_as_number,
						 const char *parameter)
{
	switch (type)
	{
		case BOOLOID:
			if (flag_as_number)
				appendStringInfoChar(buf, DatumGetBool(value) ? '1' : '0');
			else
				appendStringInfoString(buf, DatumGetBool(value) ? "true" : "false");
			break;
		case INT8OID:
			appendStringInfo(buf, INT64_FORMAT, DatumGetInt64(value));
			break;
		case NUMERICOID:
			append_numeric(buf, value, parameter);
			break;
		case TEXTOID:
		{
			text *t = DatumGetTextPP(value);

			truust_json_append_string(buf, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			break;
		}
		case DATEOID:
		case TIMESTAMPTZOID:
			append_time(buf, value, type, parameter);
			break;
		case TEXTARRAYOID:
			append_array(buf, value, TEXTOID, parameter);
			break;
		case INT8ARRAYOID:
			append_array(buf, value, INT8OID, parameter);
			break;
		case JSONBOID:
			truust_json_append_jsonb(buf, DatumGetJsonbP(value));
			break;
		default:
			elog(ERROR, "parameter \"%s\" has a type that cannot be sent: %s", parameter,
				 format_type_be(type));
	}
}
