/*
 * facts.c
 *		The tables of the API: what the simulator knows of operations, parameters and fields comes from there.
 *
 * operations.tsv gives routes, parameters.tsv what a request may carry, fields.tsv what an answer shows. The code adds
 * to each kind of resource the fields that only it needs (Kind.inner), and one for each parameter that an answer does
 * not show, so that the control interface can tell what was asked for. Everything is read once and never freed.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Operation *operations;
int		   noperations;

const char *const field_names[F_COUNT] = {
	NULL,
#define FIELD(name) #name,
#include "fieldlist.h"
#undef FIELD
};

#define ORDER_INNER                                                                                \
	"buyer_id seller_id auto_settle history payin_id payout_id refunded refund_id receipts"

Kind kinds[K_COUNT] = {
	{.schema = "Account",
	 .name = "accounts",
	 .word = "account",
	 .first_id = 1,
	 .inner = "slug image password"},
	{.schema = "Customer", .name = "customers", .word = "customer", .first_id = 1, .by_uuid = true},
	{.schema = "OrderResponse",
	 .name = "orders",
	 .word = "order",
	 .first_id = 100001,
	 .inner = ORDER_INNER},
	{.schema = "Payin",
	 .name = "payins",
	 .word = "payin",
	 .first_id = 2000001,
	 .inner = "order_id refunded requests amount currency"},
	{.schema = "Payout",
	 .name = "payouts",
	 .word = "payout",
	 .first_id = 3000001,
	 .inner = "order_id amount currency"},
	{.schema = "Wallet",
	 .name = "wallets",
	 .word = "wallet",
	 .first_id = 5000001,
	 .by_uuid = true,
	 .inner = "customer_id"},
	{.schema = "BankAccount",
	 .name = "bankaccounts",
	 .word = "bank account",
	 .first_id = 6000001,
	 .by_uuid = true,
	 .inner = "customer_id"},
	{.schema = "Card",
	 .name = "cards",
	 .word = "card",
	 .first_id = 7000001,
	 .by_uuid = true,
	 .inner = "customer_id"},
	{.schema = "Subscription",
	 .name = "subscriptions",
	 .word = "subscription",
	 .first_id = 8000001,
	 .inner = "buyer_id seller_id value"},
	{.schema = "Verification",
	 .name = "verifications",
	 .word = "verification",
	 .first_id = 9000001,
	 .by_uuid = true,
	 .inner = "customer_id"},
	{.schema = "Document",
	 .name = "documents",
	 .word = "document",
	 .first_id = 10000001,
	 .by_uuid = true,
	 .inner = "verification_id content"},
	{.schema = "Refund",
	 .name = "refunds",
	 .word = "refund",
	 .first_id = 4000001,
	 .inner = "value currency"},
	{.schema = "Address",
	 .name = "addresses",
	 .word = "address",
	 .first_id = 11000001,
	 .by_uuid = true,
	 .inner = "customer_id"},
	{.schema = "Transaction",
	 .name = "transactions",
	 .word = "transaction",
	 .first_id = 12000001,
	 .inner = "wallet_id"},
	{.schema = "Bundle", .name = "bundles", .word = "bundle", .first_id = 13000001},
};

/* Looked up when customers are created and lists searched. */
static const char *const indexed[] = {"tag", "email", "phone"};

static void __attribute__((noreturn)) stop(const char *file, const char *what)
{
	fprintf(stderr, "truust-simulator: %s: %s\n", file, what);
	exit(2);
}

/* A whole file, NUL-terminated. */
static char *
read_table(const char *dir, const char *name)
{
	char   path[4096];
	FILE  *file;
	Buf	   buf = {0};
	char   chunk[8192];
	size_t got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	if (file == NULL)
		stop(path, "cannot be read; --facts names the folder of the tables");
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&buf, chunk, got);
	fclose(file);
	return buf_steal(&buf);
}

/* The next line, cut at its tabs into exactly n columns; the first line is passed over. False at the end. */
static bool
next_line(char **at, char **columns, int n, const char *name)
{
	char *line = strsep(at, "\n");
	int	  i = 0;

	if (line == NULL || *line == '\0')
		return false;
	while (line != NULL && i < n)
		columns[i++] = strsep(&line, "\t");
	if (i != n || line != NULL)
		stop(name, "a line has another number of columns");
	return true;
}

static FieldType
field_type(const char *type)
{
	static const struct
	{
		const char *name;
		FieldType	type;
	} types[] = {
		{"string", T_STRING},			{"integer", T_INTEGER},
		{"number", T_NUMBER},			{"boolean", T_BOOLEAN},
		{"object", T_OBJECT},			{"Connections", T_OBJECT},
		{"array of string", T_STRINGS}, {"array of integer", T_INTEGERS},
		{"array of object", T_OBJECTS},
	};

	for (size_t i = 0; i < lengthof(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].type;
	stop(type, "a type that the simulator does not know");
}

static FieldId
field_id(const char *name)
{
	for (int id = F_NONE + 1; id < F_COUNT; id++)
		if (strcmp(field_names[id], name) == 0)
			return (FieldId) id;
	return F_NONE;
}

int
kind_slot(const Kind *kind, const char *name)
{
	for (int i = 0; i < kind->nfields; i++)
		if (strcmp(kind->fields[i].name, name) == 0)
			return i;
	return -1;
}

static int
add_field(Kind *kind, const char *name, FieldType type, bool nullable, bool shown)
{
	Field *field;
	Buf	   label = {0};
	size_t len = strlen(name);

	if (kind_slot(kind, name) >= 0)
		return kind_slot(kind, name);
	if (kind->nfields == MAX_FIELDS)
		stop(kind->schema, "too many fields");
	field = &kind->fields[kind->nfields];
	field->name = xstrdup(name);
	buf_addf(&label, "\"%s\":", name);
	field->label = buf_steal(&label);
	field->id = field_id(name);
	field->type = type;
	field->nullable = nullable;
	field->shown = shown;
	field->is_id = strcmp(name, "id") == 0 ||
				   (len > 3 && strcmp(name + len - 3, "_id") == 0 && type == T_INTEGER);
	for (size_t i = 0; i < lengthof(indexed); i++)
		field->indexed |= strcmp(indexed[i], name) == 0;
	kind->slot[field->id] = (int16_t) kind->nfields;
	return kind->nfields++;
}

static void
load_fields(const char *dir)
{
	char *table = read_table(dir, "fields.tsv");
	char *at = table;
	char *columns[6];

	next_line(&at, columns, 6, "fields.tsv");
	for (int i = 0; i < K_COUNT; i++)
	{
		kinds[i].id = (KindId) i;
		memset(kinds[i].slot, -1, sizeof(kinds[i].slot));
	}
	while (next_line(&at, columns, 6, "fields.tsv"))
		for (int i = 0; i < K_COUNT; i++)
			if (strcmp(kinds[i].schema, columns[0]) == 0)
				add_field(&kinds[i], columns[1], field_type(columns[2]),
						  strcmp(columns[4], "yes") == 0, true);
	free(table);
	for (int i = 0; i < K_COUNT; i++)
	{
		char *names = xstrdup(kinds[i].inner != NULL ? kinds[i].inner : "");
		char *rest = names;
		char *name;

		if (kinds[i].nfields == 0)
			stop(kinds[i].schema, "fields.tsv has nothing of it");
		while ((name = strsep(&rest, " ")) != NULL)
			if (*name != '\0')
				add_field(&kinds[i], name, T_STRING, true, false);
		free(names);
	}
}

static void
cut_path(Operation *op)
{
	char *rest = xstrdup(op->path + 1);

	while (rest != NULL)
	{
		if (op->nsegments == MAX_SEGMENTS)
			stop(op->path, "too many segments");
		op->segments[op->nsegments++] = strsep(&rest, "/");
	}
}

static const OperationEntry *const entries[] = {
	order_operations, payment_operations, customer_operations, money_operations, account_operations,
};

static void
find_code(Operation *op)
{
	for (size_t i = 0; i < lengthof(entries); i++)
		for (const OperationEntry *entry = entries[i]; entry->name != NULL; entry++)
			if (strcmp(entry->name, op->name) == 0)
				op->run = entry->run;
	if (op->run == NULL)
		stop(op->name, "the simulator has no code for this operation");
}

static void
load_operations(const char *dir)
{
	char *at = read_table(dir, "operations.tsv");
	char *columns[7];

	next_line(&at, columns, 7, "operations.tsv");
	while (next_line(&at, columns, 7, "operations.tsv"))
	{
		Operation *op;

		operations = xrealloc(operations, sizeof(Operation) * (size_t) (noperations + 1));
		op = &operations[noperations++];
		memset(op, 0, sizeof(*op));
		op->name = columns[0];
		op->method = columns[1];
		op->path = columns[2];
		op->result = columns[3];
		op->auth = strcmp(columns[4], "bearer") == 0;
		for (int i = 0; i < K_COUNT; i++)
			if (strcmp(kinds[i].schema, op->result) == 0)
				op->kind = &kinds[i];
		cut_path(op);
		find_code(op);
	}
}

static char **
cut_values(char *text)
{
	char **values = xcalloc(sizeof(char *) * (strlen(text) + 2));
	int	   n = 0;

	while (text != NULL)
		values[n++] = strsep(&text, "|");
	return values;
}

static void
add_param(Operation *op, char **columns)
{
	Param *param;

	op->params = xrealloc(op->params, sizeof(Param) * (size_t) (op->nparams + 1));
	param = &op->params[op->nparams++];
	memset(param, 0, sizeof(*param));
	param->name = columns[1];
	param->where = strcmp(columns[2], "path") == 0	  ? IN_PATH
				   : strcmp(columns[2], "query") == 0 ? IN_QUERY
													  : IN_BODY;
	param->type = field_type(columns[3]);
	param->format = columns[4];
	param->required = strcmp(columns[5], "yes") == 0;
	param->max_length = atoi(columns[6]);
	param->minimum = *columns[7] != '\0' ? columns[7] : NULL;
	param->maximum = *columns[8] != '\0' ? columns[8] : NULL;
	param->values = *columns[9] != '\0' ? cut_values(columns[9]) : NULL;
	param->slot = -1;
	if (param->where != IN_BODY)
		return;
	op->nbody++;
	if (op->kind != NULL)
		param->slot = add_field(op->kind, param->name, param->type, true, false);
}

static void
load_params(const char *dir)
{
	char *at = read_table(dir, "parameters.tsv");
	char *columns[10];

	next_line(&at, columns, 10, "parameters.tsv");
	while (next_line(&at, columns, 10, "parameters.tsv"))
	{
		Operation *op = facts_operation(columns[0]);

		if (op == NULL)
			stop(columns[0], "parameters.tsv has an operation that operations.tsv has not");
		add_param(op, columns);
	}
}

void
facts_load(const char *dir)
{
	load_fields(dir);
	load_operations(dir);
	load_params(dir);
}

Operation *
facts_operation(const char *name)
{
	for (int i = 0; i < noperations; i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

const Param *
facts_param(const Operation *op, Where where, const char *name)
{
	for (int i = 0; i < op->nparams; i++)
		if (op->params[i].where == where && strcmp(op->params[i].name, name) == 0)
			return &op->params[i];
	return NULL;
}
