/*-------------------------------------------------------------------------
 *
 * json_build.c
 *		From values in memory to a jsonb.
 *
 * What JsonbValueToJsonb() does, for what the scanner makes: strings, numbers,
 * words, and containers of these whose fields are in order already.  That one
 * goes through a stack of states for each value, and asks for room for each of
 * its parts; here a container's entries are written behind each other, and
 * room is asked for once for each value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "json_private.h"

#define FIRST_SIZE 1024

typedef struct Builder
{
	char *data; /* the jsonb, with its varlena header */
	Size  len;
	Size  size;
} Builder;

static bool build_value(Builder *b, const JsonbValue *v, JEntry *entry);

/* Room for so many bytes more; false where the jsonb would be larger than any may be. */
static inline bool
make_room(Builder *b, Size more)
{
	if (more <= b->size - b->len)
		return true;
	if (more > MaxAllocSize / 2 - b->len)
		return false;
	while (more > b->size - b->len)
		b->size *= 2;
	b->data = repalloc(b->data, b->size);
	return true;
}

/* Room for so many bytes from the next multiple of four on, and zeros up to there. */
static inline bool
make_aligned_room(Builder *b, Size more)
{
	Size padding = INTALIGN(b->len) - b->len;

	if (!make_room(b, padding + more))
		return false;
	memset(b->data + b->len, 0, padding);
	b->len += padding;
	return true;
}

static bool
build_string(Builder *b, const JsonbValue *v, JEntry *entry)
{
	if (!make_room(b, v->val.string.len))
		return false;
	memcpy(b->data + b->len, v->val.string.val, v->val.string.len);
	b->len += v->val.string.len;
	*entry = JENTRY_ISSTRING | (JEntry) v->val.string.len;
	return v->val.string.len <= JENTRY_OFFLENMASK;
}

static bool
build_number(Builder *b, const JsonbValue *v, JEntry *entry)
{
	Size start = b->len;
	Size len = VARSIZE_ANY(v->val.numeric);

	if (!make_aligned_room(b, len))
		return false;
	memcpy(b->data + b->len, v->val.numeric, len);
	b->len += len;
	*entry = JENTRY_ISNUMERIC | (JEntry) (b->len - start);
	return b->len - start <= JENTRY_OFFLENMASK;
}

/*
 * Put the entry of a container's part i in its place.  It says how long the
 * part is, and now and then, so that not all before it need be added up, where
 * it ends: that is *end, which moves on.
 */
static inline bool
set_entry(Builder *b, Size entries, int i, JEntry entry, Size *end)
{
	*end += JBE_OFFLENFLD(entry);
	if (*end > JENTRY_OFFLENMASK)
		return false;
	if (i % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | (JEntry) *end | JENTRY_HAS_OFF;
	memcpy(b->data + entries + i * sizeof(JEntry), &entry, sizeof(JEntry));
	return true;
}

/* A container's header and room for n entries; where these begin. */
static bool
begin_container(Builder *b, uint32 header, Size n, Size *entries)
{
	if (!make_aligned_room(b, sizeof(header) + n * sizeof(JEntry)))
		return false;
	memcpy(b->data + b->len, &header, sizeof(header));
	*entries = b->len + sizeof(header);
	b->len = *entries + n * sizeof(JEntry);
	return true;
}

static bool
build_array(Builder *b, const JsonbValue *v)
{
	int	   n = v->val.array.nElems;
	Size   entries;
	Size   end = 0;
	JEntry entry;

	if (n > (int) JB_CMASK || !begin_container(b, n | JB_FARRAY, n, &entries))
		return false;
	for (int i = 0; i < n; i++)
		if (!build_value(b, &v->val.array.elems[i], &entry) ||
			!set_entry(b, entries, i, entry, &end))
			return false;
	return true;
}

/* All keys, then all values. */
static bool
build_object(Builder *b, const JsonbValue *v)
{
	int				 n = v->val.object.nPairs;
	const JsonbPair *pairs = v->val.object.pairs;
	Size			 entries;
	Size			 end = 0;
	JEntry			 entry;

	if (n > (int) JB_CMASK || !begin_container(b, n | JB_FOBJECT, 2 * (Size) n, &entries))
		return false;
	for (int i = 0; i < n; i++)
		if (!build_string(b, &pairs[i].key, &entry) || !set_entry(b, entries, i, entry, &end))
			return false;
	for (int i = 0; i < n; i++)
		if (!build_value(b, &pairs[i].value, &entry) || !set_entry(b, entries, n + i, entry, &end))
			return false;
	return true;
}

/* Append a value, and say what its entry is. */
static bool
build_value(Builder *b, const JsonbValue *v, JEntry *entry)
{
	Size start = b->len;

	switch (v->type)
	{
		case jbvNull:
			*entry = JENTRY_ISNULL;
			return true;
		case jbvBool:
			*entry = v->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
			return true;
		case jbvString:
			return build_string(b, v, entry);
		case jbvNumeric:
			return build_number(b, v, entry);
		case jbvArray:
			if (!build_array(b, v))
				return false;
			break;
		case jbvObject:
			if (!build_object(b, v))
				return false;
			break;
		default:
			return false;
	}
	*entry = JENTRY_ISCONTAINER | (JEntry) (b->len - start);
	return b->len - start <= JENTRY_OFFLENMASK;
}

Jsonb *
truust_json_build(const JsonbValue *root, Size expected)
{
	Builder b = {.len = VARHDRSZ, .size = Max(expected, FIRST_SIZE)};
	JEntry	unused;

	b.data = palloc(b.size);
	if (!build_value(&b, root, &unused))
	{
		pfree(b.data);
		return NULL;
	}
	SET_VARSIZE(b.data, b.len);
	return (Jsonb *) b.data;
}
