/*-------------------------------------------------------------------------
 *
 * bare_http.c
 *		The yardstick: the same requests from a plain libcurl loop.
 *
 *	bare_http URL N [BODY [CONCURRENCY]]
 *
 * Sends N requests one after the other over one kept connection, or so many at
 * once over as many with libcurl's multi interface (GET, or POST of BODY), with the headers that the extension sends, reads each answer into
 * memory and prints the calls per second.  What the extension takes longer for
 * is its own doing.  KEY in the environment is sent as the bearer.
 *
 *	cc -O2 -o bare_http bare_http.c -lcurl
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

typedef struct Answer
{
	char  *bytes;
	size_t len;
	size_t size;
} Answer;

static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
	Answer *answer = arg;
	size_t	len = size * n;

	if (answer->len + len > answer->size)
	{
		size_t wanted = 2 * (answer->len + len);
		char  *p = realloc(answer->bytes, wanted);

		if (p == NULL)
			return 0;
		answer->bytes = p;
		answer->size = wanted;
	}
	memcpy(answer->bytes + answer->len, bytes, len);
	answer->len += len;
	return len;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static CURL *
set_up(const char *url, const char *body, Answer *answer)
{
	CURL			  *easy = curl_easy_init();
	struct curl_slist *headers = NULL;
	const char		  *key = getenv("KEY");
	char			   authorization[256];

	snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s",
			 key ? key : "sk_stage_bench_of_a_made_up_key");
	headers = curl_slist_append(headers, "Accept: application/json");
	headers = curl_slist_append(headers, "Expect:");
	headers = curl_slist_append(headers, authorization);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "truust/bench");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	if (body)
	{
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) strlen(body));
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	return easy;
}

static void
check(long i, CURL *easy, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status >= 200 && status <= 299)
		return;
	fprintf(stderr, "call %ld: %s, HTTP status %ld\n", i, curl_easy_strerror(code), status);
	exit(1);
}

static void
one_by_one(const char *url, long n, const char *body)
{
	Answer answer = {0};
	CURL  *easy = set_up(url, body, &answer);

	for (long i = 0; i < n; i++)
	{
		answer.len = 0;
		check(i, easy, curl_easy_perform(easy));
	}
}

static void
at_once(const char *url, long n, const char *body, int concurrency)
{
	CURLM  *multi = curl_multi_init();
	Answer *answers = calloc(concurrency, sizeof(Answer));
	long	started = 0;
	long	ended = 0;

	for (; started < concurrency && started < n; started++)
	{
		CURL *easy = set_up(url, body, &answers[started]);

		curl_easy_setopt(easy, CURLOPT_PRIVATE, &answers[started]);
		curl_multi_add_handle(multi, easy);
	}
	while (ended < n)
	{
		CURLMsg *message;
		int		 running;

		curl_multi_perform(multi, &running);
		while ((message = curl_multi_info_read(multi, &running)) != NULL)
		{
			CURL   *easy = message->easy_handle;
			Answer *answer;

			check(ended++, easy, message->data.result);
			curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &answer);
			answer->len = 0;
			curl_multi_remove_handle(multi, easy);
			if (started++ < n)
				curl_multi_add_handle(multi, easy);
		}
		if (ended < n)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
}

int
main(int argc, char **argv)
{
	long   n;
	int	   concurrency = argc > 4 ? atoi(argv[4]) : 1;
	double start;

	if (argc < 3 || (n = atol(argv[2])) <= 0 || concurrency < 1)
	{
		fprintf(stderr, "usage: %s URL N [BODY [CONCURRENCY]]\n", argv[0]);
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	start = now();
	if (concurrency > 1)
		at_once(argv[1], n, argv[3], concurrency);
	else
		one_by_one(argv[1], n, argv[3]);
	printf("%.0f\n", n / (now() - start));
	return 0;
}
