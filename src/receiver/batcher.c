/*
 * batcher.c - see batcher.h.
 *
 * One mutex guards the shared state.  It is held for list operations only,
 * never during I/O.  Two conditions: `for_database` wakes database threads,
 * `for_spool` the spool thread.
 */
#define _GNU_SOURCE
#include "batcher.h"
#include "clock.h"
#include "database.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES ((size_t) 8 << 20) /* in one statement, about */
#define DRAIN_BYTES ((size_t) 4 << 20) /* read from the spool at once */
#define SPOOL_ROWS 4096				   /* in one fsync, at most */
#define IDLE_CHECK_MS 1000			   /* how often an idle connection is looked at */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define SETTLE_FACTOR 10   /* a slow statement is given up after this many timeouts */
#define SETTLE_STEP_MS 200 /* and looked after so often until then */
#define COMMIT_MIN_MS 50   /* a statement gets at least this much time */
#define WITNESSES 16	   /* rows that are tried behind one that fails alone for so long */
#define STOP_WAIT_S 2

typedef struct Worker
{
	pthread_t thread;
	bool	  started;
	Database *database;
	bool	  up; /* connected, and the last statement could write */
	int		  backoff_ms;
	int64_t	  retry_at; /* monotonic: not before this again */
	Webhook **rows;		/* room for one batch */
} Worker;

typedef struct Queue
{
	Webhook *first;
	Webhook *last;
	size_t	 count;
} Queue;

static BatcherSettings settings;
static Worker		  *workers;
static pthread_t	   spool_thread;
static bool			   spool_thread_started;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  for_database;
static pthread_cond_t  for_spool;

/* All of this is guarded by the mutex. */
static Queue   queue;
static bool	   spooling;	/* new webhooks go to the spool */
static bool	   handover;	/* but wait for the drain to end just now */
static bool	   writing;		/* the spool thread has webhooks in hand */
static bool	   draining;	/* a database thread is the drainer */
static size_t  drain_rows;	/* ... and takes so many rows at once; the drainer's own */
static int64_t stuck_since; /* since when one fails alone, or 0; likewise */
static bool	   condemned;	/* the first is refused, but not set aside yet; likewise */
static bool	   stopping;
static bool	   announced; /* the log says that the spool is in use */
static int	   workers_up;
static int	   workers_tried; /* that have tried to get ready at least once */

static LogThrottle connect_failure;
static LogThrottle probe_failure;
static LogThrottle batch_failure;
static LogThrottle row_refused;

/* --- the queue (under the mutex) --- */

static void
queue_append(Queue *q, Webhook *webhook)
{
	webhook->next = NULL;
	if (q->last != NULL)
		q->last->next = webhook;
	else
		q->first = webhook;
	q->last = webhook;
	q->count++;
}

static void
queue_prepend(Queue *q, Webhook *webhook)
{
	webhook->next = q->first;
	q->first = webhook;
	if (q->last == NULL)
		q->last = webhook;
	q->count++;
}

static Webhook *
queue_take(Queue *q)
{
	Webhook *webhook = q->first;

	q->first = webhook->next;
	if (q->first == NULL)
		q->last = NULL;
	q->count--;
	webhook->next = NULL;
	return webhook;
}

static int64_t
deadline_of(const Webhook *webhook)
{
	return webhook->arrived + settings.database_timeout_ms * INT64_C(1000);
}

/* Wait on a condition until it is signalled or `until` (monotonic) has come. */
static void
wait_until(pthread_cond_t *condition, int64_t until)
{
	struct timespec at = {until / 1000000, (until % 1000000) * 1000};

	pthread_cond_timedwait(condition, &mutex, &at);
}

static void
finish(Webhook *webhook, WebhookOutcome outcome)
{
	webhook->outcome = outcome;
	webhook->done(webhook);
}

static bool
spool_is_empty(void)
{
	SpoolState state;

	if (settings.spool == NULL)
		return true;
	spool_state(settings.spool, &state);
	return state.records == 0;
}

/* From now on the spool takes what comes.  Locked. */
static void
begin_spooling(void)
{
	handover = false;
	if (settings.spool == NULL)
		return;
	if (!announced)
		log_warning("webhooks go to the spool from now on");
	announced = spooling = true;
	pthread_cond_signal(&for_spool);
}

/* The database takes what comes, if nothing speaks against it.  Locked. */
static bool
end_spooling(void)
{
	if (!spooling || workers_up == 0 || writing || !spool_is_empty())
		return false;
	spooling = handover = false;
	if (settings.spool != NULL)
		spool_rest(settings.spool);
	if (announced)
		log_info("the spool is empty; webhooks go to the database again");
	announced = false;
	pthread_cond_broadcast(&for_database);
	return true;
}

/*
 * There is a batch for a database thread.  One that pauses before it connects
 * again waits on the same condition, and a signal could go to it alone.  Locked.
 */
static void
wake_database_thread(void)
{
	if (workers_up < settings.connections)
		pthread_cond_broadcast(&for_database);
	else
		pthread_cond_signal(&for_database);
}

void
batcher_submit(Webhook *webhook)
{
	pthread_mutex_lock(&mutex);
	queue_append(&queue, webhook);
	if (!spooling)
		wake_database_thread();
	else if (!handover)
		pthread_cond_signal(&for_spool);
	pthread_mutex_unlock(&mutex);
}

/* --- database threads: whether they work --- */

/* Note whether this worker's database works.  Locked. */
static void
set_up(Worker *worker, bool up)
{
	if (worker->up == up)
		return;
	worker->up = up;
	workers_up += up ? 1 : -1;
	if (workers_up == 0)
		begin_spooling();
	else if (up)
		end_spooling();
}

/* Double the pause before the next attempt, with some jitter. */
static void
back_off(Worker *worker)
{
	int pause = worker->backoff_ms;

	worker->backoff_ms = pause * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause * 2;
	pause += (int) (clock_monotonic_us() % (pause / 4 + 1));
	worker->retry_at = clock_monotonic_us() + pause * INT64_C(1000);
}

/*
 * A statement did not answer in time and its rows are elsewhere by now.  Wait
 * for its result, since a new connection would only queue up behind it; in the
 * end give the connection up.
 */
static DatabaseResult
settle(Worker *worker)
{
	int64_t begin = clock_monotonic_us();

	for (;;)
	{
		DatabaseResult result;
		bool		   stop;

		pthread_mutex_lock(&mutex);
		stop = stopping;
		pthread_mutex_unlock(&mutex);
		if (stop || clock_monotonic_us() - begin >
						settings.database_timeout_ms * INT64_C(1000) * SETTLE_FACTOR)
			break;
		result = database_settle(worker->database, SETTLE_STEP_MS);
		if (result != DATABASE_SLOW)
			return result;
	}
	database_close(worker->database);
	return DATABASE_SLOW;
}

/* --- database threads: getting ready --- */

static bool
connect_worker(Worker *worker)
{
	if (database_connect(worker->database))
	{
		metrics_add(database_connects, 1);
		log_info("connected to the database");
		return true;
	}
	if (log_due(&connect_failure, 60))
		log_error("cannot connect to the database: %s", database_message(worker->database));
	return false;
}

/*
 * Does the database take writes?  It may be a standby or read-only, and a
 * batch that failed says nothing of now.  One that has something against the
 * rows takes them.
 */
static bool
can_write(Worker *worker)
{
	DatabaseResult result = database_probe(worker->database, SETTLE_STEP_MS);

	if (result == DATABASE_SLOW)
		result = settle(worker);
	if (result != DATABASE_FAILED && result != DATABASE_LOST && result != DATABASE_SLOW)
		return true;
	if (log_due(&probe_failure, 60))
		log_error("the database cannot be written to: %s", database_message(worker->database));
	return false;
}

/* Connect if need be, and see whether it can be written to.  Called and left locked. */
static void
get_ready(Worker *worker)
{
	bool ready;

	pthread_mutex_unlock(&mutex);
	ready = (database_usable(worker->database) || connect_worker(worker)) && can_write(worker);
	pthread_mutex_lock(&mutex);
	workers_tried++;
	if (ready)
		set_up(worker, true);
	else
		back_off(worker);
	pthread_cond_broadcast(&for_database);
}

/* --- database threads: batches --- */

/* Insert, waiting until `until` (monotonic), but not less than a statement needs. */
static DatabaseResult
insert(Worker *worker, Webhook **rows, size_t count, bool plain, int64_t until)
{
	int64_t left_ms = (until - clock_monotonic_us()) / 1000;

	return database_insert(worker->database, rows, count, plain,
						   left_ms < COMMIT_MIN_MS ? COMMIT_MIN_MS : (int) left_ms);
}

/*
 * Commit the rows and set the outcome of each that was dealt with.  Returns
 * how many of them, from the left, were: fewer than `count` when the database
 * failed or `until` (monotonic) has come.  A row that it refuses, or has no
 * characters for, is found by halving.
 */
static size_t
deliver(Worker *worker, Webhook **rows, size_t count, int64_t until, DatabaseResult *result)
{
	int64_t begin = clock_monotonic_us();
	size_t	half = count / 2;
	size_t	dealt;

	*result = insert(worker, rows, count, false, until);
	if (*result == DATABASE_FOREIGN && count == 1)
		*result = insert(worker, rows, count, true, until);
	if (*result == DATABASE_COMMITTED)
	{
		metrics_count_commit(count, clock_monotonic_us() - begin);
		for (size_t i = 0; i < count; i++)
			rows[i]->outcome = WEBHOOK_STORED;
		return count;
	}
	if (*result != DATABASE_REFUSED && *result != DATABASE_TOO_LARGE && *result != DATABASE_FOREIGN)
		return 0;
	if (count == 1)
	{
		metrics_add(refused, 1);
		if (log_due(&row_refused, 1))
			log_warning("the database refused a webhook of %zu bytes: %s", rows[0]->body_len,
						database_message(worker->database));
		rows[0]->outcome = *result == DATABASE_TOO_LARGE ? WEBHOOK_TOO_LARGE : WEBHOOK_REFUSED;
		return 1;
	}
	dealt = deliver(worker, rows, half, until, result);
	if (dealt == half)
		dealt += deliver(worker, rows + half, count - half, until, result);
	return dealt;
}

/*
 * Log why a batch failed and see to the connection.  The others are to prove
 * themselves as well: what failed may be the server.  Left locked.
 */
static void
after_failure(Worker *worker, DatabaseResult result)
{
	metrics_add(database_failures, 1);
	if (log_due(&batch_failure, 10))
		log_error("the database did not take a batch: %s", database_message(worker->database));
	pthread_mutex_lock(&mutex);
	back_off(worker);
	for (int i = 0; i < settings.connections; i++)
		set_up(&workers[i], false);
	begin_spooling();
	pthread_cond_broadcast(&for_database);
	if (result == DATABASE_SLOW)
	{
		pthread_mutex_unlock(&mutex);
		settle(worker);
		pthread_mutex_lock(&mutex);
	}
}

/* The rows go to the spool, before everything newer. */
static void
hand_to_spool(Webhook **rows, size_t count)
{
	if (settings.spool == NULL)
	{
		for (size_t i = 0; i < count; i++)
			finish(rows[i], WEBHOOK_UNAVAILABLE);
		return;
	}
	pthread_mutex_lock(&mutex);
	while (count > 0)
		queue_prepend(&queue, rows[--count]);
	begin_spooling();
	pthread_mutex_unlock(&mutex);
}

/* Take a batch from the queue and commit it.  Called and left locked. */
static void
deliver_queue(Worker *worker)
{
	size_t		   count = 0;
	size_t		   bytes = 0;
	size_t		   dealt;
	DatabaseResult result;

	if (!database_alive(worker->database))
	{
		/* Lost while it was idle: the rows can have another, or wait for a new one. */
		set_up(worker, false);
		pthread_cond_broadcast(&for_database);
		return;
	}
	while (queue.first != NULL && (int) count < settings.batch_rows &&
		   (count == 0 || bytes + webhook_size(queue.first) <= BATCH_BYTES))
	{
		bytes += webhook_size(queue.first);
		worker->rows[count++] = queue_take(&queue);
	}
	if (queue.first != NULL)
		wake_database_thread();
	pthread_mutex_unlock(&mutex);
	dealt = deliver(worker, worker->rows, count, deadline_of(worker->rows[0]), &result);
	for (size_t i = 0; i < dealt; i++)
		worker->rows[i]->done(worker->rows[i]);
	if (dealt < count)
	{
		hand_to_spool(worker->rows + dealt, count - dealt);
		after_failure(worker, result);
		return;
	}
	pthread_mutex_lock(&mutex);
	worker->backoff_ms = BACKOFF_MIN_MS;
}

/* --- database threads: draining the spool --- */

/*
 * Keep the refused ones of the first `count` rows.  Returns how many rows,
 * from the left, the spool can forget.
 */
static size_t
set_refused_aside(const SpoolBatch *batch, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (batch->rows[i]->outcome == WEBHOOK_STORED)
			continue;
		if (!spool_set_aside(settings.spool, batch->rows[i]))
			return i;
		metrics_add(set_aside, 1);
		log_error("a webhook from the spool is in refused.seg, as the database refused it");
	}
	return count;
}

/* How long a statement of the drain may take, and one row hold up the others. */
static int64_t
drain_patience(void)
{
	return settings.database_timeout_ms * INT64_C(1000) * SETTLE_FACTOR;
}

static bool
is_stuck(void)
{
	return stuck_since != 0 && clock_monotonic_us() - stuck_since >= drain_patience();
}

/*
 * One row that the server says it cannot do, although it stores others: then
 * the reason is the row, and it is refused.  False if it was not dealt with.
 */
static bool
deliver_or_refuse(Worker *worker, Webhook *row, int64_t until, DatabaseResult *result)
{
	if (deliver(worker, &row, 1, until, result) == 1)
		return true;
	if (!database_doubtful(worker->database))
		return false;
	metrics_add(refused, 1);
	if (log_due(&row_refused, 1))
		log_warning("the database takes others, but not a webhook of %zu bytes: %s", row->body_len,
					database_message(worker->database));
	row->outcome = WEBHOOK_REFUSED;
	return true;
}

/*
 * The first row has failed alone for long, as if the server could not do it.  Look for one behind it that is stored, and then try those before that
 * once more.  Returns how many rows, from the left, were dealt with.
 */
static size_t
deliver_past(Worker *worker, Webhook **rows, size_t count, int64_t until, DatabaseResult *result)
{
	size_t witness;

	for (witness = 0; witness < count; witness++)
	{
		if (deliver(worker, rows + witness, 1, until, result) == 0 &&
			!database_doubtful(worker->database))
			return 0;
		if (rows[witness]->outcome == WEBHOOK_STORED)
			break;
	}
	if (witness == count)
		return 0;
	for (size_t i = 0; i < witness; i++)
	{
		if (rows[i]->outcome == WEBHOOK_PENDING &&
			!deliver_or_refuse(worker, rows[i], until, result))
			return i;
	}
	return witness + 1;
}

/* Take the rows in the way that fits how they went before; how many, from the left, were dealt with. */
static size_t
deliver_spooled(Worker *worker, const SpoolBatch *batch, bool look_past, DatabaseResult *result)
{
	int64_t until = clock_monotonic_us() + drain_patience();

	if (condemned)
		return deliver_or_refuse(worker, batch->rows[0], until, result) ? 1 : 0;
	if (look_past)
		return deliver_past(worker, batch->rows, batch->count, until, result);
	return deliver(worker, batch->rows, batch->count, until, result);
}

/*
 * After a batch: how many rows to take next.  Half after a failure that may be the
 * fault of one of them, which thus ends alone as the first; twice as many after a
 * success.  A refused row that cannot be kept stays the first one, and is tried
 * alone: what was committed behind it comes again, once.
 */
static void
adapt(size_t taken, size_t dealt, size_t forgotten, bool looked_past, bool doubtful)
{
	size_t most = (size_t) settings.batch_rows;

	if (forgotten > 0)
		condemned = false;
	else if (dealt > 0)
		condemned |= looked_past;
	if (forgotten < dealt)
		drain_rows = 1;
	else if (dealt > 0)
	{
		drain_rows = drain_rows * 2 > most ? most : drain_rows * 2;
		stuck_since = 0;
	}
	else if (doubtful)
	{
		if (taken == 1 && stuck_since == 0)
			stuck_since = clock_monotonic_us();
		drain_rows = taken > 1 ? taken / 2 : 1;
	}
}

/*
 * A batch from the spool; false when it cannot be read or committed, with the
 * database to blame in `*database_failed`.
 */
static bool
drain_once(Worker *worker, uint64_t *total, bool *database_failed)
{
	SpoolBatch	   batch;
	DatabaseResult result = DATABASE_FAILED;
	bool		   look_past = is_stuck();
	size_t		   tried;
	size_t		   dealt;
	size_t		   forgotten;
	bool		   good;

	if (!spool_read(settings.spool, &batch, look_past ? WITNESSES : drain_rows, DRAIN_BYTES))
		return spool_is_empty();
	tried = batch.count;
	dealt = deliver_spooled(worker, &batch, look_past, &result);
	if (look_past && dealt > 0)
		tried = dealt; /* the others were only read */
	forgotten = set_refused_aside(&batch, dealt);
	spool_handed_in(settings.spool, &batch, forgotten);
	adapt(batch.count, dealt, forgotten, look_past, database_doubtful(worker->database));
	*database_failed = dealt < tried && forgotten == dealt;
	if (*database_failed && result == DATABASE_SLOW)
		database_close(worker->database);
	good = forgotten == tried;
	*total += forgotten;
	spool_batch_free(&batch);
	return good;
}

/*
 * With less than a batch left, the spool thread is asked to hold still, else
 * it may go on.  Locked.
 */
static void
consider_handover(void)
{
	SpoolState state;
	bool	   before = handover;

	spool_state(settings.spool, &state);
	handover = state.records <= (uint64_t) settings.batch_rows;
	if (before && !handover)
		pthread_cond_signal(&for_spool);
}

/* Be the drainer until the spool is empty or something fails.  Locked. */
static void
drain(Worker *worker)
{
	uint64_t total = 0;
	uint64_t before;
	bool	 good = true;
	bool	 database_failed = false;

	draining = true;
	while (good && spooling && !stopping && !end_spooling())
	{
		consider_handover();
		if (handover && writing)
		{
			/* The spool thread signals when it has written its last group. */
			wait_until(&for_database, clock_monotonic_us() + IDLE_CHECK_MS * INT64_C(1000));
			continue;
		}
		before = total;
		pthread_mutex_unlock(&mutex);
		good = drain_once(worker, &total, &database_failed);
		pthread_mutex_lock(&mutex);
		/* another connection's failure may have put this one in doubt meanwhile */
		if (good && total > before)
			set_up(worker, true);
		else if (!worker->up)
			break; /* it has to prove itself first */
	}
	draining = false;
	if (total > 0)
		log_info("handed in %llu webhook(s) from the spool", (unsigned long long) total);
	if (good)
		worker->backoff_ms = BACKOFF_MIN_MS;
	else if (database_failed)
	{
		pthread_mutex_unlock(&mutex);
		after_failure(worker, DATABASE_FAILED);
	}
	else
	{
		back_off(worker);
		begin_spooling();
	}
}

static void *
database_main(void *arg)
{
	Worker *worker = arg;

	pthread_mutex_lock(&mutex);
	while (!stopping)
	{
		int64_t now = clock_monotonic_us();

		if (!database_usable(worker->database))
			set_up(worker, false);
		if (now < worker->retry_at)
			wait_until(&for_database, worker->retry_at);
		else if (!worker->up)
			get_ready(worker);
		else if (spooling && !draining)
			drain(worker);
		else if (!spooling && queue.first != NULL)
			deliver_queue(worker);
		else
		{
			wait_until(&for_database, now + IDLE_CHECK_MS * INT64_C(1000));
			if (clock_monotonic_us() - now >= IDLE_CHECK_MS * INT64_C(1000))
				(void) database_alive(worker->database);
		}
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* --- the spool thread --- */

/* When must the oldest webhook in the queue go to the spool?  Locked. */
static int64_t
spool_due(void)
{
	if (queue.first == NULL)
		return INT64_MAX;
	return spooling && !handover ? 0 : deadline_of(queue.first);
}

/* Write a group to the spool, or refuse it if there is none. */
static void
spool_group(Webhook *list)
{
	if (settings.spool != NULL)
		spool_append(settings.spool, list);
	while (list != NULL)
	{
		Webhook *next = list->next;

		finish(list, settings.spool ? list->outcome : WEBHOOK_UNAVAILABLE);
		list = next;
	}
}

static void
take_group(void)
{
	Queue  group = {0};
	size_t bytes = 0;

	/* Without a spool only what is too old goes; the rest may still succeed. */
	while (queue.first != NULL && group.count < SPOOL_ROWS && bytes < BATCH_BYTES &&
		   (settings.spool != NULL || deadline_of(queue.first) <= clock_monotonic_us()))
	{
		bytes += webhook_size(queue.first);
		queue_append(&group, queue_take(&queue));
	}
	writing = true;
	pthread_mutex_unlock(&mutex);
	spool_group(group.first);
	pthread_mutex_lock(&mutex);
	writing = false;
	pthread_cond_broadcast(&for_database);
}

static void *
spool_main(void *arg)
{
	(void) arg;
	pthread_mutex_lock(&mutex);
	while (!stopping)
	{
		int64_t due = spool_due();
		int64_t now = clock_monotonic_us();
		int64_t look = now + settings.database_timeout_ms * INT64_C(1000) / 4;

		/* Nobody signals what goes to the database: look before it is too old. */
		if (due > now)
			wait_until(&for_spool, due < look ? due : look);
		else
		{
			if (!spooling || handover)
				begin_spooling();
			take_group();
		}
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* --- life cycle --- */

static bool
start_threads(void)
{
	if (pthread_create(&spool_thread, NULL, spool_main, NULL) != 0)
		return false;
	spool_thread_started = true;
	for (int i = 0; i < settings.connections; i++)
	{
		Worker *worker = &workers[i];

		worker->database = database_create(settings.dsn, settings.server);
		worker->rows = calloc((size_t) settings.batch_rows, sizeof(*worker->rows));
		worker->backoff_ms = BACKOFF_MIN_MS;
		if (worker->database == NULL || worker->rows == NULL ||
			pthread_create(&worker->thread, NULL, database_main, worker) != 0)
			return false;
		worker->started = true;
	}
	return true;
}

bool
batcher_start(const BatcherSettings *given)
{
	pthread_condattr_t attributes;
	int64_t			   until = clock_monotonic_us() + given->database_timeout_ms * INT64_C(1000);

	settings = *given;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&for_database, &attributes);
	pthread_cond_init(&for_spool, &attributes);
	pthread_condattr_destroy(&attributes);
	spooling = settings.spool != NULL;
	drain_rows = (size_t) settings.batch_rows;
	workers = calloc((size_t) settings.connections, sizeof(*workers));
	if (workers == NULL || !start_threads())
	{
		log_error("cannot start threads");
		return false;
	}
	pthread_mutex_lock(&mutex);
	while (workers_tried < settings.connections && clock_monotonic_us() < until)
		wait_until(&for_database, until);
	pthread_mutex_unlock(&mutex);
	return true;
}

bool
batcher_stop(void)
{
	struct timespec until;
	bool			all = true;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_WAIT_S;
	pthread_mutex_lock(&mutex);
	stopping = true;
	pthread_cond_broadcast(&for_database);
	pthread_cond_broadcast(&for_spool);
	pthread_mutex_unlock(&mutex);
	if (spool_thread_started)
		all = pthread_timedjoin_np(spool_thread, NULL, &until) == 0;
	for (int i = 0; i < settings.connections; i++)
	{
		if (workers[i].started)
			all &= pthread_timedjoin_np(workers[i].thread, NULL, &until) == 0;
	}
	if (!all)
		return false;
	for (int i = 0; i < settings.connections; i++)
	{
		database_free(workers[i].database);
		free(workers[i].rows);
	}
	free(workers);
	return true;
}

void
batcher_gauges(Gauges *gauges)
{
	pthread_mutex_lock(&mutex);
	gauges->database_up = workers_up > 0;
	gauges->database_connections = (unsigned) workers_up;
	gauges->queued = queue.count;
	gauges->spooling = spooling;
	pthread_mutex_unlock(&mutex);
	gauges->spool_used = settings.spool != NULL;
	if (settings.spool != NULL)
	{
		SpoolState state;

		spool_state(settings.spool, &state);
		gauges->spool_bytes = state.bytes;
		gauges->spool_limit = state.limit;
		gauges->spool_records = state.records;
		gauges->spool_full = state.full;
		gauges->spool_oldest_seconds =
			state.oldest == 0 ? 0 : (double) (clock_wall_us() - state.oldest) * 1e-6;
	}
}
