/*-------------------------------------------------------------------------
 *
 * json_tuple.c
 *		From a resource as jsonb to a row of a composite type, or some of it.
 *
 * A composite type is its own table of fields: its columns carry the names of
 * the API's fields and say by their types how each is read.  jsonb keeps the
 * keys of an object sorted by length and bytes, so the columns are sorted the same way
 * once for each type and then read in one merge over the object.
 *
 * The object is read where it lies.  JsonbIteratorNext() takes several times
 * as long for each field as the merge, because it can go down into any of
 * them, which nobody does here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "errors.h"
#include "json.h"
#include "json_private.h"

#define MAX_COLUMN_MAPS 32 /* more than the extension has composite types */

typedef struct Column
{
	int		 i; /* in the row */
	Oid		 type;
	NameData name;
	size_t	 len; /* of the name */
} Column;

/* The columns of one composite type in jsonb's order of keys. */
typedef struct ColumnMap
{
	uint64	identifier; /* of this version of the type */
	int		n;
	Column *columns;
} ColumnMap;

static ColumnMap column_maps[MAX_COLUMN_MAPS];
static int		 n_column_maps = 0;

/* What is read, for an error. */
typedef struct RowContext
{
	Jsonb	   *resource;
	const char *operation;
	bool		is_write;
} RowContext;

/* Fields of an object, one after the other. */
typedef struct FieldReader
{
	const JsonbContainer *object;
	const char			 *base; /* of keys and values, which lie behind the entries */
	int					  n;
	int					  i;
	uint32				  key_offset;
	uint32				  value_offset;
} FieldReader;

static int
compare_columns(const void *a, const void *b)
{
	const Column *x = (const Column *) a;
	const Column *y = (const Column *) b;

	return truust_json_compare_keys(NameStr(x->name), x->len, NameStr(y->name), y->len);
}

/* The map of a composite type, made on first use. */
static const ColumnMap *
column_map(TupleDesc desc)
{
	uint64	   identifier = assign_record_type_identifier(desc->tdtypeid, desc->tdtypmod);
	ColumnMap *map;

	for (int i = 0; i < n_column_maps; i++)
		if (column_maps[i].identifier == identifier)
			return &column_maps[i];

	if (n_column_maps == MAX_COLUMN_MAPS) /* types were altered many times: start over */
		while (n_column_maps > 0)
			pfree(column_maps[--n_column_maps].columns);
	map = &column_maps[n_column_maps];
	map->identifier = identifier;
	map->n = 0;
	map->columns = MemoryContextAlloc(TopMemoryContext, sizeof(Column) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Column			 *column = &map->columns[map->n];

		if (att->attisdropped)
			continue;
		column->i = i;
		column->type = att->atttypid;
		column->name = att->attname;
		column->len = strlen(NameStr(att->attname));
		map->n++;
	}
	qsort(map->columns, map->n, sizeof(Column), compare_columns);
	n_column_maps++;
	return map;
}

/* Words from outside, cut to fit into a sentence. */
static char *
shortened(char *text)
{
	if (strlen(text) > 100)
		strcpy(text + pg_mbcliplen(text, strlen(text), 90), "...");
	return truust_without_secrets(text);
}

/* By what the resource is found again: " It is of the resource with id 7.", or nothing. */
static char *
name_resource(Jsonb *resource, const char *bad_field)
{
	static const char *const names[] = {"id", "uuid"};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		char *value = truust_json_get_text(resource, names[i]);

		if (value && strcmp(names[i], bad_field) != 0)
			return psprintf(" It is of the resource with %s %s.", names[i], shortened(value));
	}
	return "";
}

static void
throw_bad_field(const RowContext *row, const Column *column, JsonbValue *value, const char *problem)
{
	const char *field = NameStr(column->name);
	Jsonb	   *shown = JsonbValueToJsonb(value);

	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
					errmsg("truust_%s: field \"%s\" of the answer cannot be read as %s",
						   row->operation, field, format_type_be(column->type)),
					errdetail("The value %s: %s.%s",
							  shortened(JsonbToCString(NULL, &shown->root, VARSIZE(shown))),
							  truust_without_secrets(problem), name_resource(row->resource, field)),
					row->is_write ? errhint("The request itself was answered with success; do not "
											"send it again without looking.")
								  : 0));
}

static void
begin_fields(FieldReader *reader, const Jsonb *object)
{
	reader->object = &object->root;
	reader->n = JsonContainerSize(&object->root);
	reader->base = (const char *) &object->root.children[2 * reader->n];
	reader->i = 0;
	reader->key_offset = 0;
	reader->value_offset = reader->n > 0 ? getJsonbOffset(&object->root, reader->n) : 0;
}

/* Length of what an entry stands for; offset, where it begins, moves behind it. */
static inline uint32
pass_entry(JEntry entry, uint32 *offset)
{
	uint32 start = *offset;

	*offset = JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) : start + JBE_OFFLENFLD(entry);
	return *offset - start;
}

/* The value of an entry, as JsonbIteratorNext() gives it when told not to go down. */
static void
read_value(const FieldReader *reader, JEntry entry, uint32 offset, uint32 len, JsonbValue *value)
{
	const char *start = reader->base + offset;
	const char *aligned = reader->base + INTALIGN(offset);

	if (JBE_ISNULL(entry))
		value->type = jbvNull;
	else if (JBE_ISSTRING(entry))
	{
		value->type = jbvString;
		value->val.string.val = unconstify(char *, start);
		value->val.string.len = len;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = jbvNumeric;
		value->val.numeric = (Numeric) unconstify(char *, aligned);
	}
	else if (JBE_ISBOOL(entry))
	{
		value->type = jbvBool;
		value->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else
	{
		value->type = jbvBinary;
		value->val.binary.data = (JsonbContainer *) unconstify(char *, aligned);
		value->val.binary.len = len - (aligned - start);
	}
}

/* The next field; false: there are no more. */
static inline bool
next_field(FieldReader *reader, const char **key, uint32 *key_len, JsonbValue *value)
{
	JEntry value_entry;
	uint32 start;
	uint32 len;

	if (reader->i == reader->n)
		return false;
	*key = reader->base + reader->key_offset;
	*key_len = pass_entry(reader->object->children[reader->i], &reader->key_offset);
	value_entry = reader->object->children[reader->n + reader->i];
	start = reader->value_offset;
	len = pass_entry(value_entry, &reader->value_offset);
	read_value(reader, value_entry, start, len, value);
	reader->i++;
	return true;
}

void
truust_json_get_fields(const Jsonb *object, const char *const *names, int n, JsonbValue *values)
{
	FieldReader reader;
	const char *key;
	uint32		key_len;
	JsonbValue	value;
	int			i = 0;

	for (int j = 0; j < n; j++)
		values[j].type = jbvNull;
	begin_fields(&reader, object);
	while (i < n && next_field(&reader, &key, &key_len, &value))
	{
		int order = -1;

		while (i < n &&
			   (order = truust_json_compare_keys(names[i], strlen(names[i]), key, key_len)) < 0)
			i++;
		if (i < n && order == 0)
			values[i++] = value;
	}
}

/* The columns that have a field of their name in the object; the rest keep what they have.  Returns how many. */
static int
read_columns(const ColumnMap *map, const RowContext *row, Datum *values, bool *nulls)
{
	FieldReader reader;
	const char *key;
	uint32		key_len;
	JsonbValue	value;
	int			next = 0;
	int			n_found = 0;

	begin_fields(&reader, row->resource);
	while (next < map->n && next_field(&reader, &key, &key_len, &value))
	{
		int order = -1;

		for (; next < map->n && order < 0; next++)
		{
			const Column *column = &map->columns[next];
			char		 *problem = NULL;

			order = truust_json_compare_keys(NameStr(column->name), column->len, key, key_len);
			if (order > 0)
				break;
			if (order != 0)
				continue;
			n_found++;
			if (!truust_json_to_datum(&value, column->type, true, &values[column->i],
									  &nulls[column->i], &problem))
				throw_bad_field(row, column, &value, problem);
		}
	}
	return n_found;
}

/* What has no field of a resource is none, whoever has answered. */
static void
throw_no_resource(const RowContext *row, const char *problem)
{
	truust_throw_outcome(psprintf("truust_%s", row->operation), TRUUST_MALFORMED,
						 psprintf("the answer is not a resource: %s", problem), true,
						 row->is_write);
}

bool
truust_json_says_nothing(Jsonb *object)
{
	return JB_ROOT_COUNT(object) == 0 || truust_json_get(object, "message") ||
		   truust_json_get(object, "error") || truust_json_get(object, "errors");
}

HeapTuple
truust_json_to_tuple(Jsonb *resource, TupleDesc desc, const char *operation, bool is_write)
{
	RowContext row = {resource, operation, is_write};
	Datum	  *values = palloc0(sizeof(Datum) * desc->natts);
	bool	  *nulls = palloc(sizeof(bool) * desc->natts);

	if (!JB_ROOT_IS_OBJECT(resource))
		throw_no_resource(&row, "it is not a JSON object");

	memset(nulls, true, sizeof(bool) * desc->natts);
	if (read_columns(column_map(desc), &row, values, nulls) == 0 &&
		truust_json_says_nothing(resource))
		throw_no_resource(&row, "it has none of the fields of one");
	/* whatever the API may call raw, here it is the whole */
	values[desc->natts - 1] = JsonbPGetDatum(resource);
	nulls[desc->natts - 1] = false;
	return heap_form_tuple(desc, values, nulls);
}
