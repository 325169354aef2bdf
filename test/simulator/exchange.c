/*
 * exchange.c
 *		The way of a request: route, record, rule, work, answer.
 *
 *		STAGE_ARRIVED -> (delay) STAGE_WORK -> STAGE_DONE -> (delay) STAGE_ANSWER or STAGE_CLOSE
 *
 * A request may change threads at a delay, never otherwise. Work is done in one go under sim_lock, and what it changed
 * is in the journal before the lock is let go, hence before any answer can be sent.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Operation direct_link = {
	.name = "directLink", .method = "POST", .path = "/direct", .run = op_direct_link};

/* ---------------------------------------------------------------- reading */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
url_decode(Arena *arena, const char *text, size_t len, bool plus_is_space)
{
	char *decoded = arena_alloc(arena, len + 1);
	char *out = decoded;

	for (size_t i = 0; i < len; i++)
	{
		int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

		if (low >= 0)
		{
			*out++ = (char) (high * 16 + low);
			i += 2;
		}
		else
			*out++ = text[i] == '+' && plus_is_space ? ' ' : text[i];
	}
	*out = '\0';
	return decoded;
}

static void
read_args(Exchange *x)
{
	Arg **link = &x->args;

	for (const char *at = x->query; *at != '\0';)
	{
		size_t len = strcspn(at, "&");
		size_t name = strcspn(at, "=&");

		if (len > 0)
		{
			Arg *arg = arena_alloc(&x->arena, sizeof(Arg));

			arg->name = url_decode(&x->arena, at, name, true);
			arg->value =
				name < len ? url_decode(&x->arena, at + name + 1, len - name - 1, true) : "";
			arg->next = NULL;
			*link = arg;
			link = &arg->next;
		}
		at += len + (at[len] == '&');
	}
}

const char *
exchange_arg(const Exchange *x, const char *name)
{
	for (const Arg *arg = x->args; arg != NULL; arg = arg->next)
		if (strcmp(arg->name, name) == 0)
			return arg->value;
	return NULL;
}

static void
split_uri(Exchange *x)
{
	size_t len = strcspn(x->uri, "?");

	x->path = arena_strndup(&x->arena, x->uri, len);
	x->query = x->uri[len] == '?' ? x->uri + len + 1 : "";
	read_args(x);
}

/* Does the operation's path match? Fills in the parts that its parameters stand for. */
static bool
matches(Exchange *x, const Operation *op, const char *path)
{
	const char *args[MAX_SEGMENTS];
	int			nargs = 0;

	for (int i = 0; i < op->nsegments; i++)
	{
		size_t len;

		if (*path++ != '/')
			return false;
		len = strcspn(path, "/");
		if (*op->segments[i] == '{')
		{
			if (len == 0)
				return false;
			args[nargs++] = url_decode(&x->arena, path, len, false);
		}
		else if (strlen(op->segments[i]) != len || strncmp(op->segments[i], path, len) != 0)
			return false;
		path += len;
	}
	if (*path != '\0')
		return false;
	memcpy(x->path_args, args, sizeof(args[0]) * (size_t) nargs);
	x->npath_args = nargs;
	return true;
}

/* Rows of the table with fixed words win over those with parameters: they match in more segments. */
static void
route(Exchange *x)
{
	const char *path = x->path;
	bool		exact = false;

	if (strncmp(path, "/direct/", 8) == 0)
	{
		x->op = &direct_link;
		return;
	}
	if (strncmp(path, "/2.0/", 5) != 0)
		return;
	path += 4;
	for (int i = 0; i < noperations && !exact; i++)
	{
		Operation *op = &operations[i];

		if (strcmp(op->method, x->method) != 0 || !matches(x, op, path))
			continue;
		x->op = op;
		exact = x->npath_args == 0;
	}
	/* The currency of /accounts/fees/{currency} may be left out. */
	if (x->op == NULL && strcmp(path, "/accounts/fees") == 0 && strcmp(x->method, "GET") == 0)
		x->op = facts_operation("getAccountFees");
}

static bool
read_body(Exchange *x)
{
	const char *why;

	if (x->too_large)
	{
		reply_error(x, 413, "The body is too large.");
		return false;
	}
	if (x->body.len == 0)
		return true;
	if (x->content_type != NULL &&
		(strncmp(x->content_type, "application/x-www-form-urlencoded", 33) == 0 ||
		 strncmp(x->content_type, "multipart/form-data", 19) == 0))
		return read_form(x);
	x->json = json_parse(&x->arena, x->body.data, x->body.len, &why);
	if (x->json == NULL)
		reply_error(x, 400, "The body is not JSON: %s.", why);
	else if (x->json->type != JSON_OBJECT)
		reply_error(x, 400, "The body is not an object.");
	return x->json != NULL && x->json->type == JSON_OBJECT;
}

/* ---------------------------------------------------------------- answers */

void
add_header(Exchange *x, const char *name, const char *value)
{
	if (x->nheaders == MAX_HEADERS)
		return;
	x->headers[x->nheaders][0] = name;
	x->headers[x->nheaders++][1] = value;
}

void
reply_raw(Exchange *x, int status)
{
	x->status = status;
	x->content_kind = "application/json";
}

void
reply_row(Exchange *x, Row *row)
{
	x->out.len = 0;
	if (settings.envelope)
		buf_adds(&x->out, "{\"data\":");
	render_row(&x->out, row);
	if (settings.envelope)
		buf_addc(&x->out, '}');
	reply_raw(x, 200);
}

void
reply_error(Exchange *x, int status, const char *format, ...)
{
	char	message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	x->out.len = 0;
	buf_adds(&x->out, "{\"message\":");
	buf_json(&x->out, message, strlen(message));
	buf_addc(&x->out, '}');
	reply_raw(x, status);
}

void
reply_missing(Exchange *x, const char *word)
{
	reply_error(x, 404, "There is no such %s.", word);
}

void
refuse(Exchange *x, const char *field, const char *format, ...)
{
	char	sentence[512];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (x->nerrors++ > 0)
		buf_addc(&x->errors, ',');
	buf_json(&x->errors, field, strlen(field));
	buf_adds(&x->errors, ":[");
	buf_json(&x->errors, sentence, strlen(sentence));
	buf_addc(&x->errors, ']');
}

void
reply_refused(Exchange *x, int status)
{
	x->out.len = 0;
	buf_addf(&x->out, "{\"message\":\"The given data was invalid.\",\"errors\":{%s}}",
			 x->errors.data);
	reply_raw(x, status);
}

void
reply_status(Exchange *x, const Row *order, const char *what)
{
	const char *status = row_text(order, F_status);

	refuse(x, "status", "An order that is %.*s cannot be %s.", (int) strlen(status) - 2, status + 1,
		   what);
	reply_refused(x, 422);
}

/* ---------------------------------------------------------------- work */

/* Bearers that the account takes. */
static bool
authorized(const Exchange *x)
{
	const char *key = x->authorization;

	if (key == NULL || strncmp(key, "Bearer ", 7) != 0)
		return false;
	key += 7;
	if (http_options.keys == NULL)
		return strncmp(key, "sk_stage_", 9) == 0 || strncmp(key, "sk_production_", 14) == 0;
	for (char **known = http_options.keys; *known != NULL; known++)
		if (strcmp(*known, key) == 0)
			return true;
	return false;
}

/* Counts the requests of this second. */
static bool
too_many(void)
{
	static int64_t second;
	static int64_t count;
	int64_t		   now = monotonic_us() / 1000000;

	if (settings.rate_limit == 0)
		return false;
	if (now != second)
		count = 0;
	second = now;
	return ++count > settings.rate_limit;
}

static void
operate(Exchange *x)
{
	if (too_many())
	{
		add_header(x, "Retry-After", "1");
		reply_error(x, 429, "Too many requests.");
	}
	else if (x->op == NULL)
		reply_error(x, 404, "There is nothing here.");
	else if (x->op->auth && !authorized(x))
		reply_error(x, 401, "Unauthenticated.");
	else if (read_body(x) && validate(x))
		x->op->run(x);
}

/* The answer that a rule puts in the place of one. */
static void
answer_by_rule(Exchange *x)
{
	const Rule *rule = x->rule;

	if (rule->body != NULL)
	{
		x->out.len = 0;
		buf_adds(&x->out, rule->body);
		reply_raw(x, rule->misdeed == DO_STATUS ? rule->status : 200);
	}
	else if (rule->misdeed == DO_STATUS)
		reply_error(x, rule->status, "This is what the simulator was told to answer.");
	for (int i = 0; i < rule->nheaders; i++)
		add_header(x, rule->headers[i][0], rule->headers[i][1]);
}

/* Is the operation done, before the rule has its way? */
static bool
works(const Exchange *x)
{
	if (x->rule == NULL || x->rule->when_after || x->rule->misdeed == DO_DELAY)
		return true;
	return x->rule->body == NULL &&
		   (x->rule->misdeed == DO_TRUNCATE || x->rule->misdeed == DO_DRIP ||
			x->rule->misdeed == DO_SLOW_HEADERS);
}

static void
work(Exchange *x)
{
	bool silent = x->rule != NULL && (x->rule->misdeed == DO_DROP || x->rule->misdeed == DO_RESET ||
									  x->rule->misdeed == DO_HANG ||
									  (x->rule->misdeed == DO_GARBAGE && x->rule->body == NULL));
	int	 changes;

	pthread_mutex_lock(&sim_lock);
	if (works(x))
		operate(x);
	changes = store_commit();
	if (x->rule != NULL)
		answer_by_rule(x);
	if (settings.bom && x->out.len > 0)
	{
		buf_adds(&x->out, "\xEF\xBB\xBF");
		memmove(x->out.data + 3, x->out.data, x->out.len - 3);
		memcpy(x->out.data, "\xEF\xBB\xBF", 3);
	}
	recorder_done(x->record, silent ? 0 : x->status, changes > 0);
	pthread_mutex_unlock(&sim_lock);
	x->stage = STAGE_DONE;
}

/* What is left when the answer is there: to misbehave, or not. */
static void
answer(Exchange *x)
{
	x->stage = STAGE_ANSWER;
	if (x->rule != NULL && misbehave(x))
		return;
	if (x->suspended)
		http_resume(x);
}

void
exchange_go_on(Exchange *x)
{
	if (x->stage == STAGE_WORK)
	{
		work(x);
		if (x->rule != NULL && x->rule->misdeed == DO_DELAY && x->rule->when_after)
		{
			wire_delay(x, x->rule->ms);
			return;
		}
	}
	answer(x);
}

void
exchange_arrived(Exchange *x)
{
	int64_t delay;

	split_uri(x);
	if (strncmp(x->path, "/_sim/", 6) == 0)
	{
		x->stage = STAGE_ANSWER;
		control(x);
		return;
	}
	x->stage = STAGE_WORK;
	if (strncmp(x->path, "/pay/", 5) == 0)
	{
		pthread_mutex_lock(&sim_lock);
		op_buyer_page(x);
		store_commit();
		pthread_mutex_unlock(&sim_lock);
		x->stage = STAGE_ANSWER;
		return;
	}
	pthread_mutex_lock(&sim_lock);
	route(x);
	x->record = recorder_note(x);
	rules_pick(x);
	delay = settings.delay_ms;
	if (x->rule != NULL && x->rule->misdeed == DO_DELAY && !x->rule->when_after)
		delay += x->rule->ms;
	pthread_mutex_unlock(&sim_lock);
	if (delay > 0)
		wire_delay(x, delay);
	else
		exchange_go_on(x);
}

void
exchange_free(Exchange *x)
{
	if (x->record != NULL)
	{
		pthread_mutex_lock(&sim_lock);
		recorder_left(x->record);
		pthread_mutex_unlock(&sim_lock);
	}
	buf_free(&x->body);
	buf_free(&x->out);
	buf_free(&x->errors);
	arena_free(&x->arena);
	free(x->uri);
	free(x);
}
