/*-------------------------------------------------------------------------
 *
 * list.c
 *		Lists: page after page into a set of rows.
 *
 * The next page is asked for only when the rows so far are not enough.  What
 * the API says of pages and totals is taken as a hint, because a list changes
 * while it is read: rows that move to a later page are seen once, by their ids, and a
 * list ends at an empty page whatever last_page says.  A list that has no parameter
 * for pages is followed only where the answer says that there are more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "api.h"
#include "functions.h"
#include "rowset.h"

#define USUAL_PAGE 15 /* rows, where nothing is asked for */

typedef struct ListState
{
	const TruustSignature *signature;
	const TruustAccount	  *account;
	Datum				  *values;
	bool				  *nulls;
	TupleDesc			   desc;
	Tuplestorestate		  *store;
	HTAB				  *seen;		   /* hashes of the ids so far */
	int					   page_parameter; /* index, -1: the operation has none */
	int					   per_page_parameter;
	bool				   one_page; /* the caller asked for a page of his own */
	int64				   max_rows; /* -1: all */
	int64				   n_rows;	 /* rows put into the store */
	int64				   n_items;	 /* rows that the API sent */
	int64				   page;
	int					   barren_pages; /* in a row without a new row */
} ListState;

PG_FUNCTION_INFO_V1(truust_call_set);

/* A parameter's number, or the default where it is NULL or not there; refuses what is below min. */
static int64
number_parameter(const ListState *list, const char *name, int64 min, int64 max, int64 otherwise)
{
	return truust_wire_number(list->signature, list->values, list->nulls, name, min, max,
							  otherwise);
}

/* The 64-bit hash of a row's id; rows without one are all new. */
static bool
row_identity(Jsonb *row, uint64 *identity)
{
	char *id = truust_json_get_text(row, "id");

	if (id == NULL)
		return false;
	*identity = hash_bytes_extended((unsigned char *) id, strlen(id), 0);
	pfree(id);
	return true;
}

static void
add_row(ListState *list, Jsonb *row, bool *is_new)
{
	uint64	  identity;
	bool	  found = false;
	HeapTuple tuple;

	if (row_identity(row, &identity))
		hash_search(list->seen, &identity, HASH_ENTER, &found);
	if (found)
		return;
	*is_new = true;
	tuple = truust_json_to_tuple(row, list->desc, list->signature->endpoint->name, false);
	tuplestore_puttuple(list->store, tuple);
	list->n_rows++;
}

/* The rows of one answer. */
static int
add_rows(ListState *list, Jsonb *rows)
{
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   v;
	int				   n = 0;
	bool			   is_new = false;

	if (rows == NULL || !JB_ROOT_IS_ARRAY(rows) || JB_ROOT_IS_SCALAR(rows))
		truust_throw_outcome(psprintf("truust_%s", list->signature->endpoint->name),
							 TRUUST_MALFORMED, "HTTP status 204: the answer holds no list", true,
							 false); /* of any other status it would not have come so far */
	it = JsonbIteratorInit(&rows->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		n++;
		if (list->max_rows < 0 || list->n_rows < list->max_rows)
			add_row(list, JsonbValueToJsonb(&v), &is_new);
	}
	list->n_items += n;
	list->barren_pages = is_new ? 0 : list->barren_pages + 1;
	return n;
}

/*
 * Whether a list that says nothing of pages and totals may have another one:
 * only after a page that is full, and that brought something new.
 */
static bool
may_go_on(const ListState *list, int n)
{
	int	  i = list->per_page_parameter;
	int64 page_size = i >= 0 && !list->nulls[i] ? DatumGetInt64(list->values[i]) : USUAL_PAGE;

	return n >= page_size && list->barren_pages == 0;
}

/*
 * Whether to ask for another page.  last_page and total may be wrong either
 * way: an empty page ends the list, and so do two in a row that bring nothing new.
 */
static bool
wants_more(const ListState *list, Jsonb *answer, int n)
{
	int64 last_page, total;
	bool  has_last = truust_json_get_int64(answer, "last_page", &last_page);
	bool  has_total = truust_json_get_int64(answer, "total", &total);

	if (list->one_page || n == 0 || list->barren_pages >= 2)
		return false;
	if (list->max_rows >= 0 && list->n_rows >= list->max_rows)
		return false;
	if (!has_last && !has_total)
		return list->page_parameter >= 0 && may_go_on(list, n);
	return (has_last && list->page < last_page) || (has_total && list->n_items < total);
}

/* Big pages where the caller has no wish, no bigger than what he wants. */
static void
choose_page_size(ListState *list)
{
	int i = list->per_page_parameter;

	if (i < 0 || !list->nulls[i] || list->one_page)
		return;
	list->nulls[i] = false;
	list->values[i] = Int64GetDatum(list->max_rows > 0 ? Min(list->max_rows, TRUUST_LARGEST_PAGE)
													   : TRUUST_LARGEST_PAGE);
}

static void
read_arguments(ListState *list, FunctionCallInfo fcinfo)
{
	truust_call_arguments(fcinfo, &list->values, &list->nulls);
	list->page_parameter = truust_endpoint_parameter(list->signature, "page");
	list->per_page_parameter = truust_endpoint_parameter(list->signature, "per_page");
	list->page = number_parameter(list, "page", 1, PG_INT64_MAX, 1);
	list->one_page = list->page_parameter >= 0 && !list->nulls[list->page_parameter];
	list->max_rows = number_parameter(list, "max_rows", 0, PG_INT64_MAX, -1);
	(void) number_parameter(list, "per_page", 1, TRUUST_LARGEST_PAGE, 0);
	choose_page_size(list);
}

/* The rows; *answer gets what is told of the pages, too. */
static Jsonb *
get_page(ListState *list, Jsonb **answer)
{
	TruustWire wire;
	int		   i = list->page_parameter;

	if (list->page > 1 && i >= 0)
	{
		list->values[i] = Int64GetDatum(list->page);
		list->nulls[i] = false;
	}
	truust_wire_build(&wire, list->signature, list->account, list->values, list->nulls);
	if (list->page > 1 && i < 0)
		truust_wire_page(&wire, list->page);
	return truust_api_call(&wire, list->account, answer);
}

static HTAB *
create_seen(void)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(uint64);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("truust rows of a list", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Shared by every function that returns a list.
 */
Datum
truust_call_set(PG_FUNCTION_ARGS)
{
	ListState	  list = {0};
	MemoryContext page_context =
		AllocSetContextCreate(CurrentMemoryContext, "truust page", ALLOCSET_DEFAULT_SIZES);
	bool more;

	list.signature = truust_endpoint_signature_of(fcinfo->flinfo->fn_oid);
	list.account = truust_account_get(NULL, GetUserId());
	list.store = truust_materialize(fcinfo, &list.desc);
	list.seen = create_seen();
	read_arguments(&list, fcinfo);

	more = list.max_rows != 0;
	while (more)
	{
		MemoryContext old = MemoryContextSwitchTo(page_context);
		Jsonb		 *answer;
		Jsonb		 *rows = get_page(&list, &answer);
		int			  n = add_rows(&list, rows);

		more = wants_more(&list, answer, n);
		list.page++;
		MemoryContextSwitchTo(old);
		MemoryContextReset(page_context);
	}
	return (Datum) 0;
}
