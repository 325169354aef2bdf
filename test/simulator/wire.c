/*
 * wire.c
 *		The thread of everyone who waits: delayed requests, dripping answers, connections that hang, orders to be
 *		released.
 *
 * A waiting exchange has its connection suspended, and is the wire's alone until it is resumed. A delayed request is
 * worked on here when its time has come, not in the connection's thread, so that it takes effect even if the client has
 * gone meanwhile: that is what a real server does, and what a client must cope with. The list has a mutex of its own,
 * which is never held while sim_lock is taken.
 */
#include "sim.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum WaitKind
{
	WAIT_DELAY,
	WAIT_HANG,
	WAIT_DRIP,
	WAIT_DELIVERED
} WaitKind;

typedef struct Waiter
{
	WaitKind	   kind;
	int64_t		   serial;
	Exchange	  *x;
	int64_t		   due;
	char		  *bytes;
	size_t		   len;
	size_t		   sent;
	int64_t		   interval;
	bool		   over;
	struct Waiter *next;
} Waiter;

typedef struct Release
{
	int64_t order_id;
	int64_t due;
} Release;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Waiter		  *waiters;
static int			   nwaiters;
static Release		  *releases;
static int			   nreleases;
static int			   releases_capacity;
static int64_t		   last_serial;
static int64_t	 release_until; /* who hang or drip, and came no later than that, are let go */
static bool		 stopping;
static bool		 ended; /* nobody is there to wait for */
static int		 bell = -1;
static pthread_t thread;

void
wire_wake(void)
{
	uint64_t one = 1;

	if (bell >= 0 && write(bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
		perror("truust-simulator: eventfd");
}

static void
add_waiter(Waiter *waiter)
{
	Exchange *x = waiter->x;

	pthread_mutex_lock(&mutex);
	if (ended)
	{
		pthread_mutex_unlock(&mutex);
		x->stage = STAGE_CLOSE;
		if (x->suspended)
			http_resume(x);
		free(waiter->bytes);
		free(waiter);
		return;
	}
	if (!x->suspended)
	{
		x->suspended = true;
		MHD_suspend_connection(x->connection);
	}
	waiter->next = waiters;
	waiters = waiter;
	waiter->serial = ++last_serial;
	nwaiters++;
	pthread_mutex_unlock(&mutex);
	wire_wake();
}

static Waiter *
new_waiter(WaitKind kind, Exchange *x, int64_t ms)
{
	Waiter *waiter = xcalloc(sizeof(Waiter));

	waiter->kind = kind;
	waiter->x = x;
	waiter->due = monotonic_us() + ms * 1000;
	return waiter;
}

void
wire_delay(Exchange *x, int64_t ms)
{
	add_waiter(new_waiter(WAIT_DELAY, x, ms));
}

void
wire_hang(Exchange *x)
{
	add_waiter(new_waiter(WAIT_HANG, x, 1000000000));
}

void
wire_until_delivered(Exchange *x, int64_t ms)
{
	add_waiter(new_waiter(WAIT_DELIVERED, x, ms));
}

void
wire_drip(Exchange *x, char *bytes, size_t len, size_t at_once, int64_t ms)
{
	Waiter *waiter = new_waiter(WAIT_DRIP, x, 0);
	int		on = 1;
	ssize_t n;

	setsockopt(x->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	waiter->bytes = bytes;
	waiter->len = len;
	waiter->interval = (ms < 1 ? 1 : ms) * 1000;
	if (at_once > 0 && (n = send(x->fd, bytes, at_once, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
		waiter->sent = (size_t) n;
	add_waiter(waiter);
}

void
wire_release(void)
{
	pthread_mutex_lock(&mutex);
	release_until = last_serial;
	pthread_mutex_unlock(&mutex);
	wire_wake();
}

void
wire_release_order(int64_t order_id, int64_t due)
{
	pthread_mutex_lock(&mutex);
	if (nreleases == releases_capacity)
	{
		releases_capacity = releases_capacity == 0 ? 64 : releases_capacity * 2;
		releases = xrealloc(releases, sizeof(Release) * (size_t) releases_capacity);
	}
	releases[nreleases].order_id = order_id;
	releases[nreleases++].due = due;
	pthread_mutex_unlock(&mutex);
	wire_wake();
}

void
wire_reset(void)
{
	pthread_mutex_lock(&mutex);
	nreleases = 0;
	pthread_mutex_unlock(&mutex);
	wire_release();
}

/* ---------------------------------------------------------------- the thread */

/* Is the peer still there? */
static bool
peer_left(int fd)
{
	struct pollfd pfd = {fd, POLLRDHUP, 0};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* One more byte. False: that was the last, or the peer has gone. */
static bool
drip(Waiter *waiter)
{
	ssize_t n;

	if (waiter->sent == waiter->len)
		return false;
	n = send(waiter->x->fd, waiter->bytes + waiter->sent, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN)
		return false;
	waiter->sent += n > 0;
	waiter->due += waiter->interval;
	return true;
}

/* Has the waiter waited enough? With the mutex. */
static bool
is_over(Waiter *waiter, int64_t now)
{
	switch (waiter->kind)
	{
		case WAIT_DELAY:
			return waiter->due <= now || stopping;
		case WAIT_HANG:
			return waiter->serial <= release_until || stopping || peer_left(waiter->x->fd);
		case WAIT_DRIP:
			while (waiter->due <= now)
				if (!drip(waiter))
					return true;
			return waiter->serial <= release_until || stopping;
		case WAIT_DELIVERED:
			return waiter->due <= now || stopping || webhook_pending() == 0;
	}
	return true;
}

/* Takes those who are done with waiting out of the list; *next is when to look again. */
static Waiter *
take_over(int64_t now, int64_t *next)
{
	Waiter	*done = NULL;
	Waiter **link = &waiters;

	while (*link != NULL)
	{
		Waiter *waiter = *link;

		if (is_over(waiter, now))
		{
			*link = waiter->next;
			nwaiters--;
			waiter->next = done;
			done = waiter;
			continue;
		}
		if (waiter->kind != WAIT_HANG && waiter->due < *next)
			*next = waiter->due;
		link = &waiter->next;
	}
	return done;
}

static void
finish(Waiter *waiter)
{
	Exchange *x = waiter->x;

	switch (waiter->kind)
	{
		case WAIT_DELAY:
			exchange_go_on(x);
			break;
		case WAIT_DELIVERED:
			buf_addf(&x->out, "{\"pending\":%d}", webhook_pending());
			reply_raw(x, webhook_pending() == 0 ? 200 : 504);
			x->stage = STAGE_ANSWER;
			http_resume(x);
			break;
		case WAIT_HANG:
		case WAIT_DRIP:
			shutdown(x->fd, SHUT_RDWR);
			x->stage = STAGE_CLOSE;
			http_resume(x);
			break;
	}
	free(waiter->bytes);
	free(waiter);
}

/* An order that is due, taken out of the list; 0 if there is none. With the mutex. */
static int64_t
due_release(int64_t now, int64_t *next)
{
	for (int i = 0; i < nreleases; i++)
	{
		int64_t order_id = releases[i].order_id;

		if (releases[i].due <= now)
		{
			releases[i] = releases[--nreleases];
			return order_id;
		}
		if (releases[i].due < *next)
			*next = releases[i].due;
	}
	return 0;
}

static void
release_orders(int64_t now, int64_t *next)
{
	pthread_mutex_lock(&sim_lock);
	for (;;)
	{
		int64_t order_id;
		Row	   *order;

		pthread_mutex_lock(&mutex);
		order_id = due_release(now, next);
		pthread_mutex_unlock(&mutex);
		if (order_id == 0)
			break;
		order = row_by_id(K_ORDER, order_id);
		if (order != NULL)
			order_release(order);
	}
	store_commit();
	pthread_mutex_unlock(&sim_lock);
}

/* Until next, the bell, or a hanging peer's end. */
static void
sleep_until(int64_t next)
{
	struct pollfd *pfds;
	nfds_t		   n = 1;
	int64_t		   ms = (next - monotonic_us() + 999) / 1000;
	uint64_t	   rings;

	pthread_mutex_lock(&mutex);
	pfds = xcalloc(sizeof(struct pollfd) * (size_t) (nwaiters + 1));
	pfds[0].fd = bell;
	pfds[0].events = POLLIN;
	for (Waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
	{
		if (waiter->kind != WAIT_HANG)
			continue;
		pfds[n].fd = waiter->x->fd;
		pfds[n++].events = POLLRDHUP;
	}
	pthread_mutex_unlock(&mutex);
	if (poll(pfds, n, ms < 0 ? 0 : (int) ms) > 0 && (pfds[0].revents & POLLIN) &&
		read(bell, &rings, sizeof(rings)) < 0)
		perror("truust-simulator: eventfd");
	free(pfds);
}

static void *
run(void *arg)
{
	for (;;)
	{
		int64_t now = monotonic_us();
		int64_t next = now + 1000000;
		Waiter *done;
		bool	last;

		pthread_mutex_lock(&mutex);
		done = take_over(now, &next);
		last = stopping && waiters == NULL && done == NULL;
		ended = last;
		pthread_mutex_unlock(&mutex);
		while (done != NULL)
		{
			Waiter *waiter = done;

			done = waiter->next;
			finish(waiter);
		}
		if (last)
			return arg;
		release_orders(now, &next);
		sleep_until(next);
	}
}

void
wire_start(void)
{
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell < 0 || pthread_create(&thread, NULL, run, NULL) != 0)
	{
		fputs("truust-simulator: the waiting thread cannot start\n", stderr);
		exit(2);
	}
}

void
wire_stop(void)
{
	pthread_mutex_lock(&mutex);
	stopping = true;
	pthread_mutex_unlock(&mutex);
	wire_wake();
	pthread_join(thread, NULL);
	free(releases);
	close(bell);
	bell = -1;
}
