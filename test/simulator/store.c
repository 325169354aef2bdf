/*
 * store.c
 *		The resources: a table for each kind, rows in order of id.
 *
 * Values are JSON fragments, as they came or as the code made them, so that an answer is put together by copying. Ids
 * are dense within a kind, hence a row is found by subtraction; uuids and the hashes of links are derived from the id,
 * and so need no index. Tags, emails and phones have one: searching by tag is what clients do after a lost answer.
 * Rows are deleted by a mark. What has changed since the last commit stands in a list, from which the journal is fed.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Table tables[K_COUNT];

/* An entry of the index: chained by the hash of kind, field and fragment. */
typedef struct Entry
{
	Row			 *row;
	int			  slot;
	uint32_t	  hash;
	struct Entry *next;
} Entry;

static Entry **buckets;
static size_t  nbuckets;
static size_t  nentries;

static Row	**dirty;
static size_t ndirty;
static size_t dirty_capacity;

/* ---------------------------------------------------------------- index */

static uint32_t
hash_of(KindId kind, int slot, const char *fragment)
{
	uint32_t hash = 2166136261u ^ (uint32_t) (kind * 100 + slot);

	for (const unsigned char *p = (const unsigned char *) fragment; *p != '\0'; p++)
		hash = (hash ^ *p) * 16777619u;
	return hash;
}

static void
index_grow(void)
{
	size_t	more = nbuckets == 0 ? 1024 : nbuckets * 4;
	Entry **wider = xcalloc(more * sizeof(Entry *));

	for (size_t i = 0; i < nbuckets; i++)
	{
		while (buckets[i] != NULL)
		{
			Entry *entry = buckets[i];

			buckets[i] = entry->next;
			entry->next = wider[entry->hash % more];
			wider[entry->hash % more] = entry;
		}
	}
	free(buckets);
	buckets = wider;
	nbuckets = more;
}

static void
index_add(Row *row, int slot)
{
	Entry *entry = xmalloc(sizeof(Entry));

	if (nentries >= nbuckets)
		index_grow();
	entry->row = row;
	entry->slot = slot;
	entry->hash = hash_of(row->kind->id, slot, row->values[slot]);
	entry->next = buckets[entry->hash % nbuckets];
	buckets[entry->hash % nbuckets] = entry;
	nentries++;
}

static void
index_remove(Row *row, int slot)
{
	uint32_t hash = hash_of(row->kind->id, slot, row->values[slot]);
	Entry  **link = &buckets[hash % nbuckets];

	while ((*link)->row != row || (*link)->slot != slot)
		link = &(*link)->next;
	Entry *entry = *link;

	*link = entry->next;
	free(entry);
	nentries--;
}

static int
by_row_id(const void *a, const void *b)
{
	const Row *left = *(Row *const *) a;
	const Row *right = *(Row *const *) b;

	return left->id < right->id ? -1 : left->id > right->id;
}

void
store_find(KindId kind, int slot, const char *fragment, bool (*found)(Row *row, void *arg),
		   void *arg)
{
	uint32_t hash = hash_of(kind, slot, fragment);
	Row	   **rows = NULL;
	size_t	 n = 0;

	if (nbuckets == 0)
		return;
	for (Entry *entry = buckets[hash % nbuckets]; entry != NULL; entry = entry->next)
	{
		if (entry->hash != hash || entry->slot != slot || entry->row->kind->id != kind ||
			entry->row->deleted || strcmp(entry->row->values[slot], fragment) != 0)
			continue;
		if ((n & (n - 1)) == 0)
			rows = xrealloc(rows, sizeof(Row *) * (n == 0 ? 1 : n * 2));
		rows[n++] = entry->row;
	}
	if (n > 1)
		qsort(rows, n, sizeof(Row *), by_row_id);
	for (size_t i = 0; i < n && found(rows[i], arg); i++)
		;
	free(rows);
}

/* ---------------------------------------------------------------- rows */

static void
touch(Row *row)
{
	free(row->cache);
	row->cache = NULL;
	if (row->dirty)
		return;
	row->dirty = true;
	if (ndirty == dirty_capacity)
	{
		dirty_capacity = dirty_capacity == 0 ? 64 : dirty_capacity * 2;
		dirty = xrealloc(dirty, sizeof(Row *) * dirty_capacity);
	}
	dirty[ndirty++] = row;
}

static Row *
add_row(KindId kind, int64_t created)
{
	Table *table = &tables[kind];
	Row	  *row = xcalloc(sizeof(Row) + sizeof(char *) * (size_t) kinds[kind].nfields);

	if (table->nrows == table->capacity)
	{
		table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
		table->rows = xrealloc(table->rows, sizeof(Row *) * (size_t) table->capacity);
	}
	row->kind = &kinds[kind];
	row->id = kinds[kind].first_id + table->nrows;
	row->created = created;
	table->rows[table->nrows++] = row;
	touch(row);
	return row;
}

/* No two rows of a kind are of the same microsecond, nor does a clock set back disturb their order. */
Row *
row_create(KindId kind)
{
	Table  *table = &tables[kind];
	int64_t created = now_us();

	if (table->nrows > 0 && created <= table->rows[table->nrows - 1]->created)
		created = table->rows[table->nrows - 1]->created + 1;
	return add_row(kind, created);
}

Row *
row_restore(KindId kind, int64_t id, int64_t created)
{
	Table  *table = &tables[kind];
	int64_t n = id - kinds[kind].first_id;

	if (n < 0 || n > table->nrows)
		return NULL;
	return n < table->nrows ? table->rows[n] : add_row(kind, created);
}

Row *
row_clone(const Row *row)
{
	Row *copy = row_create(row->kind->id);

	for (int i = 0; i < row->kind->nfields; i++)
		if (row->values[i] != NULL)
			row_set_slot(copy, i, row->values[i], strlen(row->values[i]));
	return copy;
}

void
row_delete(Row *row)
{
	if (row->deleted)
		return;
	row->deleted = true;
	tables[row->kind->id].ndeleted++;
	touch(row);
}

Row *
row_by_id(KindId kind, int64_t id)
{
	int64_t n = id - kinds[kind].first_id;
	Row	   *row = n >= 0 && n < tables[kind].nrows ? tables[kind].rows[n] : NULL;

	return row != NULL && !row->deleted ? row : NULL;
}

/* Derived, so that it is the same after a restart and needs no index: two words of noise, the second ends in the id. */
static void
noise(const Row *row, uint64_t *first, uint64_t *second)
{
	uint64_t state = (uint64_t) row->kind->id * 7919 + (uint64_t) row->id;

	*first = next_random(&state);
	*second = next_random(&state);
}

void
row_uuid(const Row *row, char uuid[37])
{
	uint64_t first;
	uint64_t second;

	noise(row, &first, &second);
	snprintf(uuid, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned) (first >> 32),
			 (unsigned) (first >> 16 & 0xFFFF), (unsigned) (first & 0xFFF),
			 (unsigned) (second & 0x3FFF) | 0x8000,
			 (unsigned long long) row->id & 0xFFFFFFFFFFFFULL);
}

void
row_hash(const Row *row, char hash[33])
{
	uint64_t first;
	uint64_t second;

	noise(row, &first, &second);
	snprintf(hash, 33, "%016llx%llx", (unsigned long long) (first ^ second),
			 (unsigned long long) row->id);
}

Row *
row_by_uuid(KindId kind, const char *uuid)
{
	char right[37];
	Row *row;

	if (strlen(uuid) != 36)
		return NULL;
	row = row_by_id(kind, strtoll(uuid + 24, NULL, 16));
	if (row == NULL)
		return NULL;
	row_uuid(row, right);
	return strcmp(right, uuid) == 0 ? row : NULL;
}

Row *
row_by_hash(KindId kind, const char *hash)
{
	char right[33];
	Row *row;

	if (strlen(hash) < 17 || strlen(hash) > 28)
		return NULL;
	row = row_by_id(kind, strtoll(hash + 16, NULL, 16));
	if (row == NULL)
		return NULL;
	row_hash(row, right);
	return strcmp(right, hash) == 0 ? row : NULL;
}

Row *
row_by_path(KindId kind, const char *text)
{
	if (kinds[kind].by_uuid)
		return row_by_uuid(kind, text);
	if (*text == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0')
		return NULL;
	return row_by_id(kind, strtoll(text, NULL, 10));
}

/* ---------------------------------------------------------------- values */

const char *
row_text(const Row *row, FieldId field)
{
	int slot = row->kind->slot[field];

	return slot < 0 ? NULL : row->values[slot];
}

char *
row_string(const Row *row, FieldId field, Arena *arena)
{
	const char *text = row_text(row, field);
	const char *why;
	Json	   *value;

	if (text == NULL || *text != '"')
		return NULL;
	value = json_parse(arena, text, strlen(text), &why);
	return value != NULL ? arena_strndup(arena, value->text, value->len) : NULL;
}

int64_t
row_int(const Row *row, FieldId field)
{
	const char *text = row_text(row, field);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

Decimal
row_decimal(const Row *row, FieldId field)
{
	const char *text = row_text(row, field);

	return text == NULL || (*text != '-' && (*text < '0' || *text > '9')) ? 0 : decimal_parse(text);
}

bool
row_is(const Row *row, FieldId field, const char *word)
{
	const char *text = row_text(row, field);
	size_t		len = strlen(word);

	return text != NULL && *text == '"' && strncmp(text + 1, word, len) == 0 &&
		   strcmp(text + 1 + len, "\"") == 0;
}

bool
row_true(const Row *row, FieldId field)
{
	const char *text = row_text(row, field);

	return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

void
row_set_slot(Row *row, int slot, const char *fragment, size_t len)
{
	char *old;
	bool  indexed;

	if (slot < 0)
		return;
	old = row->values[slot];
	indexed = row->kind->fields[slot].indexed;
	if (fragment != NULL && len == 4 && memcmp(fragment, "null", 4) == 0)
		fragment = NULL;
	if (fragment == NULL ? old == NULL
						 : old != NULL && strncmp(old, fragment, len) == 0 && old[len] == '\0')
		return;
	if (indexed && old != NULL)
		index_remove(row, slot);
	row->values[slot] = NULL;
	if (fragment != NULL)
	{
		row->values[slot] = xmalloc(len + 1);
		memcpy(row->values[slot], fragment, len);
		row->values[slot][len] = '\0';
		if (indexed)
			index_add(row, slot);
	}
	free(old);
	touch(row);
}

void
row_set(Row *row, FieldId field, const char *fragment)
{
	row_set_slot(row, row->kind->slot[field], fragment, fragment == NULL ? 0 : strlen(fragment));
}

/* What was gathered in buf becomes the field's value. */
static void
row_set_buf(Row *row, FieldId field, Buf *buf)
{
	row_set_slot(row, row->kind->slot[field], buf->data, buf->len);
	buf_free(buf);
}

void
row_set_string(Row *row, FieldId field, const char *text)
{
	Buf buf = {0};

	buf_json(&buf, text, strlen(text));
	row_set_buf(row, field, &buf);
}

void
row_set_int(Row *row, FieldId field, int64_t number)
{
	Buf buf = {0};

	buf_addi(&buf, number);
	row_set_buf(row, field, &buf);
}

void
row_set_decimal(Row *row, FieldId field, Decimal value)
{
	Buf buf = {0};

	decimal_write(&buf, value);
	row_set_buf(row, field, &buf);
}

void
row_set_now(Row *row, FieldId field)
{
	Buf buf = {0};

	buf_addc(&buf, '"');
	buf_time(&buf, now_us());
	buf_addc(&buf, '"');
	row_set_buf(row, field, &buf);
}

/* ---------------------------------------------------------------- all of it */

int
store_commit(void)
{
	int n = (int) ndirty;

	for (size_t i = 0; i < ndirty; i++)
	{
		if (journal_is_open())
			journal_row(dirty[i]);
		dirty[i]->dirty = false;
	}
	ndirty = 0;
	if (journal_is_open())
		journal_flush();
	return n;
}

static void
free_row(Row *row)
{
	for (int i = 0; i < row->kind->nfields; i++)
		free(row->values[i]);
	free(row->cache);
	free(row);
}

void
store_reset(void)
{
	for (size_t i = 0; i < nbuckets; i++)
	{
		while (buckets[i] != NULL)
		{
			Entry *entry = buckets[i];

			buckets[i] = entry->next;
			free(entry);
		}
	}
	free(buckets);
	buckets = NULL;
	nbuckets = nentries = 0;
	free(dirty);
	dirty = NULL;
	ndirty = dirty_capacity = 0;
	for (int kind = 0; kind < K_COUNT; kind++)
	{
		for (int i = 0; i < tables[kind].nrows; i++)
			free_row(tables[kind].rows[i]);
		free(tables[kind].rows);
		memset(&tables[kind], 0, sizeof(Table));
	}
}
