/*
 * list.c
 *		Lists: which rows, in which order, which page of them.
 *
 * Rows stand in a table in order of creation, so that the usual list, unfiltered and by created_at, takes its page from
 * the table without looking at anything else. Dates narrow the range by bisection; a search for a tag, an email or a
 * phone goes through the index.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct Query
{
	KindId		kind;
	RowFilter	filter;
	const void *arg;
	int			search_slot; /* -1: none */
	const char *search_text; /* decoded, or NULL */
	char	   *search_fragment;
	char	   *status;		/* fragment, or NULL */
	int			order_slot; /* -1: by creation */
	bool		descending;
	int64_t		begin; /* microseconds; created in [begin, end) */
	int64_t		end;
	int64_t		page;
	int64_t		per_page;
} Query;

typedef struct Result
{
	bool  whole; /* the table's own rows, from first on, instead of these */
	Row **rows;
	int	  n;
	int	  first;
	int	  capacity;
} Result;

/* ---------------------------------------------------------------- reading the query */

static int64_t
date_us(const char *text)
{
	struct tm tm = {0};

	if (sscanf(text, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t) timegm(&tm) * 1000000;
}

static char *
as_fragment(Arena *arena, const char *text)
{
	Buf	  buf = {0};
	char *copy;

	buf_json(&buf, text, strlen(text));
	copy = arena_strndup(arena, buf.data, buf.len);
	buf_free(&buf);
	return copy;
}

/* search names a field and query the text in it; either alone is text to be found anywhere. */
static bool
read_search(Exchange *x, Query *q)
{
	const char *search = exchange_arg(x, "search");
	const char *query = exchange_arg(x, "query");

	q->search_slot = -1;
	q->search_text = query != NULL ? query : search;
	if (q->search_text != NULL)
		q->search_fragment = as_fragment(&x->arena, q->search_text);
	if (search == NULL || query == NULL)
		return true;
	q->search_slot = kind_slot(&kinds[q->kind], search);
	if (q->search_slot >= 0 && kinds[q->kind].fields[q->search_slot].shown)
		return true;
	refuse(x, "search", "There is no field %.100s to search in.", search);
	return false;
}

static bool
read_order(Exchange *x, Query *q)
{
	const char *order = exchange_arg(x, "order");
	const char *sort = exchange_arg(x, "sort");

	q->order_slot = -1;
	q->descending = sort == NULL || strcmp(sort, "desc") == 0;
	if (order == NULL || strcmp(order, "created_at") == 0 || strcmp(order, "id") == 0)
		return true;
	q->order_slot = kind_slot(&kinds[q->kind], order);
	if (q->order_slot >= 0 && kinds[q->kind].fields[q->order_slot].shown)
		return true;
	refuse(x, "order", "There is no field %.100s to order by.", order);
	return false;
}

static bool
read_query(Exchange *x, Query *q)
{
	const char *text;

	q->page = (text = exchange_arg(x, "page")) != NULL ? strtoll(text, NULL, 10) : 1;
	q->per_page = (text = exchange_arg(x, "per_page")) != NULL ? strtoll(text, NULL, 10) : 15;
	q->begin = (text = exchange_arg(x, "date_begin")) != NULL ? date_us(text) : 0;
	q->end = (text = exchange_arg(x, "date_end")) != NULL ? date_us(text) + INT64_C(86400000000)
														  : INT64_MAX;
	q->status = (text = exchange_arg(x, "status")) != NULL ? as_fragment(&x->arena, text) : NULL;
	text = exchange_arg(x, "sandbox");
	if (text != NULL && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0))
		q->end = q->begin; /* nothing here is real */
	if (q->page > INT32_MAX)
		q->page = INT32_MAX;
	if (read_search(x, q) && read_order(x, q))
		return true;
	reply_refused(x, 422);
	return false;
}

/* ---------------------------------------------------------------- which rows */

static bool
contains(const Row *row, FieldId field, const char *text)
{
	const char *value = row_text(row, field);

	return value != NULL && strcasestr(value, text) != NULL;
}

static bool
found_in(const Row *row, const Query *q)
{
	const char *value;

	if (q->search_text == NULL)
		return true;
	if (q->search_slot < 0)
		return contains(row, F_name, q->search_text) || contains(row, F_tag, q->search_text) ||
			   contains(row, F_email, q->search_text);
	if (row->kind->fields[q->search_slot].id == F_id)
		return row->id == strtoll(q->search_text, NULL, 10);
	value = row->values[q->search_slot];
	if (value == NULL)
		return false;
	if (row->kind->fields[q->search_slot].type == T_OBJECT)
		return strstr(value, q->search_text) != NULL;
	return strcmp(value, q->search_fragment) == 0 || strcmp(value, q->search_text) == 0;
}

static bool
wanted(const Row *row, const Query *q)
{
	if (row->deleted || row->created < q->begin || row->created >= q->end)
		return false;
	if (q->status != NULL &&
		(row_text(row, F_status) == NULL || strcmp(row_text(row, F_status), q->status) != 0))
		return false;
	return found_in(row, q) && (q->filter == NULL || q->filter(row, q->arg));
}

static void
add_result(Result *result, Row *row)
{
	if (result->rows == NULL || result->n == result->capacity)
	{
		result->capacity = result->capacity == 0 ? 64 : result->capacity * 2;
		result->rows = xrealloc(result->rows, sizeof(Row *) * (size_t) result->capacity);
	}
	result->rows[result->n++] = row;
}

typedef struct Search
{
	const Query *q;
	Result		*result;
} Search;

static bool
add_found(Row *row, void *arg)
{
	Search *search = arg;

	if (wanted(row, search->q))
		add_result(search->result, row);
	return true;
}

/* The first row that was created at that time or later. */
static int
first_since(const Table *table, int64_t time)
{
	int low = 0;
	int high = table->nrows;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (table->rows[middle]->created < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static __thread int compare_slot;

static int
compare(const void *a, const void *b)
{
	const Row  *left = *(Row *const *) a;
	const Row  *right = *(Row *const *) b;
	const char *l = left->values[compare_slot];
	const char *r = right->values[compare_slot];
	int			result;

	if (l == NULL || r == NULL)
		result = (l != NULL) - (r != NULL);
	else if (left->kind->fields[compare_slot].type == T_NUMBER ||
			 left->kind->fields[compare_slot].type == T_INTEGER)
	{
		Decimal difference = decimal_parse(l) - decimal_parse(r);

		result = difference < 0 ? -1 : difference > 0;
	}
	else
		result = strcmp(l, r);
	return result != 0 ? result : (left->id > right->id) - (left->id < right->id);
}

static void
collect(const Query *q, Result *result)
{
	const Table *table = &tables[q->kind];
	int			 from = first_since(table, q->begin);
	int			 to = q->end == INT64_MAX ? table->nrows : first_since(table, q->end);

	if (q->search_slot >= 0 && kinds[q->kind].fields[q->search_slot].indexed)
	{
		Search search = {q, result};

		store_find(q->kind, q->search_slot, q->search_fragment, add_found, &search);
	}
	else if (q->filter == NULL && q->search_text == NULL && q->status == NULL &&
			 table->ndeleted == 0 && q->order_slot < 0)
	{
		result->whole = true;
		result->first = from;
		result->n = to - from;
		return;
	}
	else
		for (int i = from; i < to; i++)
			if (wanted(table->rows[i], q))
				add_result(result, table->rows[i]);
	compare_slot = q->order_slot;
	if (q->order_slot >= 0 && result->n > 1)
		qsort(result->rows, (size_t) result->n, sizeof(Row *), compare);
}

/* ---------------------------------------------------------------- pages */

/* Writes the page's rows; how many those are. */
static int64_t
write_rows(Exchange *x, const Query *q, const Result *result)
{
	int64_t from = (q->page - 1) * q->per_page;
	int64_t to = from + q->per_page < result->n ? from + q->per_page : result->n;

	buf_addc(&x->out, '[');
	for (int64_t i = from; i < to; i++)
	{
		int64_t place = q->descending ? result->n - 1 - i : i;

		if (i > from)
			buf_addc(&x->out, ',');
		render_row(&x->out, result->whole ? tables[q->kind].rows[result->first + place]
										  : result->rows[place]);
	}
	buf_addc(&x->out, ']');
	return to > from ? to - from : 0;
}

/* What the next page will be shifted by. It is no effect of this request. */
static void
shift(const Query *q)
{
	const Table *table = &tables[q->kind];

	row_clone(table->rows[table->nrows - 1]);
	store_commit();
}

void
list_pages(Exchange *x, KindId kind, RowFilter filter, const void *arg)
{
	Query	q = {.kind = kind, .filter = filter, .arg = arg};
	Result	result = {0};
	int64_t last;
	int64_t n;
	int64_t from;

	if (!read_query(x, &q))
		return;
	collect(&q, &result);
	last = result.n == 0 ? 1 : (result.n + q.per_page - 1) / q.per_page;
	from = (q.page - 1) * q.per_page + 1;
	buf_adds(&x->out, "{\"data\":");
	n = write_rows(x, &q, &result);
	buf_addf(&x->out, ",\"current_page\":%lld,\"last_page\":%lld,\"per_page\":%lld,\"total\":%d",
			 (long long) q.page, (long long) last + settings.last_page_lies, (long long) q.per_page,
			 result.n);
	if (n > 0)
		buf_addf(&x->out, ",\"from\":%lld,\"to\":%lld}", (long long) from,
				 (long long) from + n - 1);
	else
		buf_adds(&x->out, ",\"from\":null,\"to\":null}");
	reply_raw(x, 200);
	free(result.rows);
	if (settings.page_shift && q.page < last)
		shift(&q);
}

/* Lists that the API does not describe as paginated; those that take a page still do. */
void
list_all(Exchange *x, KindId kind, RowFilter filter, const void *arg)
{
	Query  q = {.kind = kind, .filter = filter, .arg = arg};
	Result result = {0};

	if (!read_query(x, &q))
		return;
	if (exchange_arg(x, "page") == NULL && exchange_arg(x, "per_page") == NULL)
		q.per_page = INT32_MAX;
	collect(&q, &result);
	if (settings.envelope)
		buf_adds(&x->out, "{\"data\":");
	write_rows(x, &q, &result);
	if (settings.envelope)
		buf_addc(&x->out, '}');
	reply_raw(x, 200);
	free(result.rows);
}
