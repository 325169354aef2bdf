/*
 * webhook.c
 *		Sends webhooks the way that the real sender is known to: a queue for each URL, one request at a time in each,
 *		a time limit, and attempts with pauses between them.
 *
 * An event becomes a delivery for each hook that wants it. A delivery that fails goes back into its queue with a later
 * due time, while others go on: hence deliveries can overtake each other, as the real ones do. One thread drives all
 * queues through curl's multi interface. Deliveries are remembered in order, the last LOG_SIZE of them in detail.
 */
#include "sim.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SIZE 100000

typedef struct Delivery
{
	int64_t seq;
	char   *event;
	int64_t order_id;
	char   *hook_url; /* names the queue */
	char   *url;	  /* where it goes */
	char   *body;
	int		attempts;
	bool	delivered;
	bool	settled; /* delivered or given up */
	bool	flying;
	bool	orphan; /* forgotten by a reset while flying */
	int		status; /* of the last answer; 0: none came */
	int64_t due;
} Delivery;

/* Deliveries to one hook; a heap by due time and seq. */
typedef struct Queue
{
	char			  *hook_url;
	Delivery		 **heap;
	int				   n;
	int				   capacity;
	CURL			  *easy;
	struct curl_slist *headers;
	Delivery		  *flying;
	struct Queue	  *next;
} Queue;

static Queue	 *queues;
static Delivery **deliveries; /* by seq - first_seq */
static int		  ndeliveries;
static int		  deliveries_capacity;
static int64_t	  first_seq = 1;
static int		  pending;

static CURLM	*multi;
static pthread_t thread;
static bool		 stopping;

static const char *const event_names[] = {
	"order.published", "order.failed",	 "order.accepted", "order.rejected",
	"order.cancelled", "payout.created", "order.released", "payin.confirmed",
};

bool
webhook_known_event(const char *name)
{
	for (size_t i = 0; i < lengthof(event_names); i++)
		if (strcmp(event_names[i], name) == 0)
			return true;
	return false;
}

int
webhook_pending(void)
{
	return __atomic_load_n(&pending, __ATOMIC_SEQ_CST);
}

void
webhook_wake(void)
{
	if (multi != NULL)
		curl_multi_wakeup(multi);
}

/* ---------------------------------------------------------------- queues */

static bool
sooner(const Delivery *a, const Delivery *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void
swap(Queue *queue, int a, int b)
{
	Delivery *kept = queue->heap[a];

	queue->heap[a] = queue->heap[b];
	queue->heap[b] = kept;
}

static void
push(Queue *queue, Delivery *delivery)
{
	int i = queue->n++;

	if (queue->n > queue->capacity)
	{
		queue->capacity = queue->capacity == 0 ? 16 : queue->capacity * 2;
		queue->heap = xrealloc(queue->heap, sizeof(Delivery *) * (size_t) queue->capacity);
	}
	queue->heap[i] = delivery;
	for (; i > 0 && sooner(queue->heap[i], queue->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(queue, i, (i - 1) / 2);
}

static Delivery *
pop(Queue *queue)
{
	Delivery *top = queue->heap[0];
	int		  i = 0;

	queue->heap[0] = queue->heap[--queue->n];
	for (;;)
	{
		int least = i;

		for (int child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < queue->n && sooner(queue->heap[child], queue->heap[least]))
				least = child;
		if (least == i)
			return top;
		swap(queue, i, least);
		i = least;
	}
}

static Queue *
queue_of(const char *hook_url)
{
	Queue *queue;

	for (queue = queues; queue != NULL; queue = queue->next)
		if (strcmp(queue->hook_url, hook_url) == 0)
			return queue;
	queue = xcalloc(sizeof(Queue));
	queue->hook_url = xstrdup(hook_url);
	queue->next = queues;
	queues = queue;
	return queue;
}

static const Hook *
hook_of(const char *url)
{
	for (int i = 0; i < settings.nhooks; i++)
		if (strcmp(settings.hooks[i]->url, url) == 0)
			return settings.hooks[i];
	return NULL;
}

/* ---------------------------------------------------------------- deliveries */

static void
free_delivery(Delivery *delivery)
{
	free(delivery->event);
	free(delivery->hook_url);
	free(delivery->url);
	free(delivery->body);
	free(delivery);
}

/* The oldest are forgotten where there are too many, those that are settled. */
static void
trim(void)
{
	int drop = 0;

	while (ndeliveries - drop > LOG_SIZE && deliveries[drop]->settled && !deliveries[drop]->flying)
		free_delivery(deliveries[drop++]);
	memmove(deliveries, deliveries + drop, sizeof(Delivery *) * (size_t) (ndeliveries - drop));
	ndeliveries -= drop;
	first_seq += drop;
}

/* Takes over nothing of what it is given. */
static Delivery *
add_delivery(const char *event, int64_t order_id, const char *hook_url, const char *url,
			 const char *body)
{
	Delivery *delivery = xcalloc(sizeof(Delivery));

	if (ndeliveries >= LOG_SIZE + LOG_SIZE / 10)
		trim();
	if (ndeliveries == deliveries_capacity)
	{
		deliveries_capacity = deliveries_capacity == 0 ? 64 : deliveries_capacity * 2;
		deliveries = xrealloc(deliveries, sizeof(Delivery *) * (size_t) deliveries_capacity);
	}
	delivery->seq = first_seq + ndeliveries;
	delivery->event = xstrdup(event);
	delivery->order_id = order_id;
	delivery->hook_url = xstrdup(hook_url);
	delivery->url = xstrdup(url);
	delivery->body = xstrdup(body);
	delivery->due = monotonic_us();
	if (settings.webhook_shuffle)
		delivery->due += (int64_t) (next_random(&settings.random) %
									(uint64_t) (settings.webhook_hold_ms * 1000));
	deliveries[ndeliveries++] = delivery;
	__atomic_add_fetch(&pending, 1, __ATOMIC_SEQ_CST);
	push(queue_of(hook_url), delivery);
	return delivery;
}

static void
journal_delivery(const Delivery *delivery)
{
	Buf line = {0};

	if (!journal_is_open())
		return;
	buf_addf(&line, "{\"webhook\":%lld,\"event\":\"%s\",\"order_id\":%lld,\"hook\":",
			 (long long) delivery->seq, delivery->event, (long long) delivery->order_id);
	buf_json(&line, delivery->hook_url, strlen(delivery->hook_url));
	buf_adds(&line, ",\"url\":");
	buf_json(&line, delivery->url, strlen(delivery->url));
	buf_adds(&line, ",\"body\":");
	buf_json(&line, delivery->body, strlen(delivery->body));
	buf_addc(&line, '}');
	journal_line(line.data);
	buf_free(&line);
}

static Delivery *
delivery_by_seq(int64_t seq)
{
	return seq >= first_seq && seq < first_seq + ndeliveries ? deliveries[seq - first_seq] : NULL;
}

static void
settle(Delivery *delivery)
{
	Buf line = {0};

	delivery->settled = true;
	if (delivery->orphan)
		return;
	if (__atomic_sub_fetch(&pending, 1, __ATOMIC_SEQ_CST) == 0)
		wire_wake();
	if (!journal_is_open())
		return;
	buf_addf(&line, "{\"settled\":%lld,\"attempts\":%d,\"delivered\":%s,\"status\":%d}",
			 (long long) delivery->seq, delivery->attempts, delivery->delivered ? "true" : "false",
			 delivery->status);
	journal_line(line.data);
	journal_flush();
	buf_free(&line);
}

static const char *
line_text(const Json *line, const char *name)
{
	const Json *member = json_member(line, name);

	return member != NULL && member->type == JSON_STRING ? member->text : "";
}

void
webhook_restore(const Json *line)
{
	int64_t	  order_id = 0;
	int64_t	  seq;
	int64_t	  number = 0;
	Delivery *delivery;

	if (json_member(line, "webhook") != NULL)
	{
		json_int(json_member(line, "order_id"), &order_id);
		add_delivery(line_text(line, "event"), order_id, line_text(line, "hook"),
					 line_text(line, "url"), line_text(line, "body"));
	}
	else if (json_int(json_member(line, "settled"), &seq) &&
			 (delivery = delivery_by_seq(seq)) != NULL)
	{
		json_int(json_member(line, "attempts"), &number);
		delivery->attempts = (int) number;
		json_int(json_member(line, "status"), &number);
		delivery->status = (int) number;
		delivery->delivered = json_member(line, "delivered") != NULL &&
							  json_member(line, "delivered")->type == JSON_TRUE;
		settle(delivery);
	}
}

/* ---------------------------------------------------------------- bodies */

static void
add_member(Buf *body, const char *name, const char *fragment)
{
	buf_addf(body, "\"%s\":%s,", name, fragment != NULL ? fragment : "null");
}

static void
add_shortlink(Buf *body, const char *name, const char *what, const Row *order)
{
	char hash[33];

	row_hash(order, hash);
	buf_addf(body, "\"%s\":{\"hash\":\"%.6s\",\"short_url\":", name, hash);
	render_link(body, what, order);
	buf_adds(body, "}");
}

static void
add_escrow(Buf *body, const Row *order)
{
	const char *amount = row_text(order, F_value);

	buf_addf(body, "{\"id\":\"%lld\",", (long long) order->id);
	add_member(body, "name", row_text(order, F_name));
	buf_addf(body, settings.webhook_amount_as_string ? "\"amount\":\"%s\"," : "\"amount\":%s,",
			 amount != NULL ? amount : "0");
	add_member(body, "currency", row_text(order, F_currency));
	add_member(body, "status", row_text(order, F_status));
	add_member(body, "tag", row_text(order, F_tag));
	add_member(body, "metadata", row_text(order, F_metadata));
	buf_addf(body, "\"auto_settled\":\"%d\",", row_true(order, F_auto_settle));
	add_shortlink(body, "trustee_shortlink", "sell", order);
	buf_addc(body, ',');
	add_shortlink(body, "settlor_shortlink", "pay", order);
	buf_addc(body, '}');
}

/* A payin or payout beside its order. */
static void
add_transfer(Buf *body, const char *name, const Row *row)
{
	buf_addf(body, ",\"%s\":{\"id\":%lld,", name, (long long) row->id);
	add_member(body, "reference_id", row_text(row, F_reference));
	buf_addf(body, "\"escrow_id\":%lld,", (long long) row_int(row, F_order_id));
	if (row->kind->id == K_PAYIN)
		add_member(body, "card_id", row_text(row, F_card_id));
	add_member(body, "type", row_text(row, F_type));
	add_member(body, "status", row_text(row, F_status));
	buf_addf(body, "\"provider\":%s}",
			 row_text(row, F_provider) != NULL ? row_text(row, F_provider) : "{}");
}

static bool
wants(const Hook *hook, const char *event)
{
	for (char **name = hook->events; *name != NULL; name++)
		if (strcmp(*name, "*") == 0 || strcmp(*name, event) == 0)
			return true;
	return false;
}

void
webhook_event(const char *event, Row *order, Row *payin, Row *payout)
{
	Buf body = {0};

	if (settings.nhooks == 0)
		return;
	buf_adds(&body, "[{\"escrow\":");
	add_escrow(&body, order);
	buf_adds(&body, ",\"platform\":\"simulator\"");
	if (payin != NULL)
		add_transfer(&body, "payin", payin);
	if (payout != NULL && strcmp(event, "payout.created") == 0)
		add_transfer(&body, "payout", payout);
	buf_adds(&body, "}]");
	for (int i = 0; i < settings.nhooks; i++)
	{
		const Hook *hook = settings.hooks[i];
		Buf			url = {0};

		if (!wants(hook, event))
			continue;
		buf_addf(&url, hook->append_event ? "%s/%s" : "%s", hook->url, event);
		for (int64_t copy = 0; copy <= settings.webhook_duplicate; copy++)
			journal_delivery(add_delivery(event, order->id, hook->url, url.data, body.data));
		buf_free(&url);
	}
	buf_free(&body);
	webhook_wake();
}

int64_t
webhook_resend(int64_t seq)
{
	const Delivery *old = delivery_by_seq(seq);
	Delivery	   *copy;

	if (old == NULL)
		return 0;
	copy = add_delivery(old->event, old->order_id, old->hook_url, old->url, old->body);
	journal_delivery(copy);
	webhook_wake();
	return copy->seq;
}

void
webhook_write(Buf *buf, int64_t since, int64_t limit)
{
	bool first = true;

	buf_addf(buf, "{\"count\":%lld,\"pending\":%d,\"deliveries\":[",
			 (long long) (first_seq + ndeliveries - 1), webhook_pending());
	for (int i = 0; i < ndeliveries && limit > 0; i++)
	{
		const Delivery *delivery = deliveries[i];

		if (delivery->seq <= since)
			continue;
		buf_addf(buf,
				 "%s{\"seq\":%lld,\"event\":\"%s\",\"order_id\":%lld,\"url\":", first ? "" : ",",
				 (long long) delivery->seq, delivery->event, (long long) delivery->order_id);
		buf_json(buf, delivery->url, strlen(delivery->url));
		buf_adds(buf, ",\"body\":");
		buf_json(buf, delivery->body, strlen(delivery->body));
		buf_addf(buf, ",\"attempts\":%d,\"delivered\":%s,\"pending\":%s,\"status\":%d}",
				 delivery->attempts, delivery->delivered ? "true" : "false",
				 delivery->settled ? "false" : "true", delivery->status);
		first = false;
		limit--;
	}
	buf_adds(buf, "]}");
}

/* ---------------------------------------------------------------- the sender's thread */

static size_t
ignore_answer(char *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	return size * n;
}

static void
fly(Queue *queue, Delivery *delivery)
{
	const Hook *hook = hook_of(queue->hook_url);

	if (queue->easy == NULL)
		queue->easy = curl_easy_init();
	if (queue->easy == NULL)
		return;
	queue->headers = curl_slist_append(NULL, "Content-Type: application/json");
	queue->headers = curl_slist_append(queue->headers, "Expect:");
	for (char **header = hook != NULL ? hook->headers : NULL; header != NULL && *header != NULL;
		 header++)
		queue->headers = curl_slist_append(queue->headers, *header);
	curl_easy_setopt(queue->easy, CURLOPT_URL, delivery->url);
	curl_easy_setopt(queue->easy, CURLOPT_HTTPHEADER, queue->headers);
	curl_easy_setopt(queue->easy, CURLOPT_POSTFIELDS, delivery->body);
	curl_easy_setopt(queue->easy, CURLOPT_POSTFIELDSIZE, (long) strlen(delivery->body));
	curl_easy_setopt(queue->easy, CURLOPT_TIMEOUT_MS, (long) settings.webhook_timeout_ms);
	curl_easy_setopt(queue->easy, CURLOPT_WRITEFUNCTION, ignore_answer);
	curl_easy_setopt(queue->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(queue->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(queue->easy, CURLOPT_USERAGENT, "truust-simulator-webhooks");
	delivery->attempts++;
	delivery->flying = true;
	queue->flying = delivery;
	curl_multi_add_handle(multi, queue->easy);
}

/* Starts what is due; how long until something else is, in milliseconds. */
static int
start_due(void)
{
	int64_t now = monotonic_us();
	int64_t wait = 1000000;

	for (Queue *queue = queues; queue != NULL; queue = queue->next)
	{
		while (queue->flying == NULL && queue->n > 0)
		{
			if (queue->heap[0]->due > now)
			{
				wait = queue->heap[0]->due - now < wait ? queue->heap[0]->due - now : wait;
				break;
			}
			Delivery *delivery = pop(queue);

			if (!delivery->settled)
				fly(queue, delivery);
		}
	}
	return (int) ((wait + 999) / 1000);
}

static void
landed(CURL *easy, CURLcode result)
{
	Queue	 *queue = queues;
	Delivery *delivery;
	long	  status = 0;

	while (queue->easy != easy)
		queue = queue->next;
	delivery = queue->flying;
	curl_multi_remove_handle(multi, easy);
	curl_slist_free_all(queue->headers);
	queue->headers = NULL;
	queue->flying = NULL;
	delivery->flying = false;
	if (result == CURLE_OK)
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	delivery->status = (int) status;
	delivery->delivered = status >= 200 && status <= 299;
	if (delivery->orphan)
		free_delivery(delivery);
	else if (delivery->delivered || delivery->attempts >= settings.webhook_attempts)
		settle(delivery);
	else
	{
		delivery->due = monotonic_us() + settings.webhook_retry_ms * 1000;
		push(queue, delivery);
	}
}

static void *
run(void *arg)
{
	pthread_mutex_lock(&sim_lock);
	while (!stopping)
	{
		int		 wait = start_due();
		int		 running;
		CURLMsg *message;
		int		 left;

		pthread_mutex_unlock(&sim_lock);
		curl_multi_perform(multi, &running);
		if ((message = curl_multi_info_read(multi, &left)) == NULL)
			curl_multi_poll(multi, NULL, 0, wait, NULL);
		pthread_mutex_lock(&sim_lock);
		for (; message != NULL; message = curl_multi_info_read(multi, &left))
			if (message->msg == CURLMSG_DONE)
				landed(message->easy_handle, message->data.result);
	}
	pthread_mutex_unlock(&sim_lock);
	return arg;
}

void
webhook_start(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	if (multi == NULL || pthread_create(&thread, NULL, run, NULL) != 0)
	{
		fputs("truust-simulator: the webhook sender cannot start\n", stderr);
		exit(2);
	}
}

/* Forgets every delivery; those on their way end as orphans. */
void
webhook_reset(void)
{
	for (Queue *queue = queues; queue != NULL; queue = queue->next)
		queue->n = 0;
	for (int i = 0; i < ndeliveries; i++)
	{
		deliveries[i]->orphan = true;
		if (!deliveries[i]->flying)
			free_delivery(deliveries[i]);
	}
	ndeliveries = 0;
	first_seq = 1;
	__atomic_store_n(&pending, 0, __ATOMIC_SEQ_CST);
	wire_wake();
}

void
webhook_stop(void)
{
	pthread_mutex_lock(&sim_lock);
	stopping = true;
	pthread_mutex_unlock(&sim_lock);
	webhook_wake();
	pthread_join(thread, NULL);
	webhook_reset();
	while (queues != NULL)
	{
		Queue *queue = queues;

		queues = queue->next;
		if (queue->flying != NULL)
		{
			curl_multi_remove_handle(multi, queue->easy);
			free_delivery(queue->flying);
		}
		curl_slist_free_all(queue->headers);
		curl_easy_cleanup(queue->easy);
		free(queue->heap);
		free(queue->hook_url);
		free(queue);
	}
	free(deliveries);
	curl_multi_cleanup(multi);
	curl_global_cleanup();
}
