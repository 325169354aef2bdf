/*
 * answers.c - see answers.h.
 *
 * Answers that are a status and a word are made once and shared by all
 * requests; libmicrohttpd counts their uses.
 */
#define _GNU_SOURCE
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct FixedAnswer
{
	unsigned			 status;
	const char			*text;
	const char			*header; /* an additional one, or NULL */
	const char			*value;
	struct MHD_Response *open;	  /* leaves the connection open */
	struct MHD_Response *closing; /* says that it will be closed */
} FixedAnswer;

static FixedAnswer answers[] = {
	{200, "ok\n", NULL, NULL, NULL, NULL},
	{400, "bad request\n", NULL, NULL, NULL, NULL},
	{401, "unauthorized\n", MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer", NULL, NULL},
	{404, "not found\n", NULL, NULL, NULL, NULL},
	{405, "method not allowed\n", MHD_HTTP_HEADER_ALLOW, "POST", NULL, NULL},
	{413, "body too large\n", NULL, NULL, NULL, NULL},
	{422, "the database refuses this webhook\n", NULL, NULL, NULL, NULL},
	{431, "too many headers\n", NULL, NULL, NULL, NULL},
	{500, "internal error\n", NULL, NULL, NULL, NULL},
	{503, "unavailable, try again\n", MHD_HTTP_HEADER_RETRY_AFTER, "5", NULL, NULL},
};

#define N_ANSWERS (sizeof(answers) / sizeof(answers[0]))

static struct MHD_Response *
make(const FixedAnswer *answer, bool closing)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(answer->text), (void *) answer->text, MHD_RESPMEM_PERSISTENT);

	if (response == NULL)
		return NULL;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain") != MHD_YES ||
		(answer->header != NULL &&
		 MHD_add_response_header(response, answer->header, answer->value) != MHD_YES) ||
		(closing &&
		 MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES))
	{
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

bool
answers_prepare(void)
{
	for (size_t i = 0; i < N_ANSWERS; i++)
	{
		answers[i].open = make(&answers[i], false);
		answers[i].closing = make(&answers[i], true);
		if (answers[i].open == NULL || answers[i].closing == NULL)
			return false;
	}
	return true;
}

void
answers_free(void)
{
	for (size_t i = 0; i < N_ANSWERS; i++)
	{
		if (answers[i].open != NULL)
			MHD_destroy_response(answers[i].open);
		if (answers[i].closing != NULL)
			MHD_destroy_response(answers[i].closing);
		answers[i].open = answers[i].closing = NULL;
	}
}

enum MHD_Result
answer_status(struct MHD_Connection *connection, unsigned status, bool closing)
{
	size_t i = 0;

	while (i < N_ANSWERS - 1 && answers[i].status != status)
		i++;
	metrics_count_status(status);
	return MHD_queue_response(connection, status, closing ? answers[i].closing : answers[i].open);
}

/* Send a malloc'd text; NULL becomes a 500. */
static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned status, char *text, const char *type)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result		 result;

	if (text != NULL)
		response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
	{
		free(text);
		return answer_status(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, true);
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	metrics_count_status(status);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
answer_health(struct MHD_Connection *connection, const Gauges *gauges)
{
	bool		good = gauges->spooling ? !gauges->spool_full : gauges->database_up;
	const char *spool = !gauges->spool_used			 ? "off"
						: gauges->spool_full		 ? "full"
						: gauges->spool_records == 0 ? "empty"
						: gauges->database_up		 ? "draining"
													 : "filling";
	char	   *text = NULL;

	if (asprintf(&text,
				 "{\"status\": \"%s\", \"database\": \"%s\", \"spool\": {\"state\": \"%s\", "
				 "\"records\": %llu, \"bytes\": %llu, \"limit\": %llu}}\n",
				 good ? "ok" : "unavailable", gauges->database_up ? "up" : "down", spool,
				 (unsigned long long) gauges->spool_records,
				 (unsigned long long) gauges->spool_bytes,
				 (unsigned long long) gauges->spool_limit) < 0)
		text = NULL;
	return answer_text(connection, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text,
					   "application/json");
}

enum MHD_Result
answer_metrics(struct MHD_Connection *connection, const Gauges *gauges)
{
	return answer_text(connection, MHD_HTTP_OK, metrics_render(gauges),
					   "text/plain; version=0.0.4; charset=utf-8");
}
