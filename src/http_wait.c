/*-------------------------------------------------------------------------
 *
 * http_wait.c
 *		libcurl's sockets and timer, the latch, and one wait for all of them.
 *
 * libcurl's sockets live in an epoll set of their own, whose descriptor stands
 * in the process's one WaitEventSet beside the latch and the postmaster: a
 * WaitEventSet cannot give up a socket once it has it.
 *
 * A socket stays in the epoll set while its connection is kept: libcurl's
 * "remove" only marks it idle, so that the next request on it costs no system
 * call.  An event on an idle socket means that the peer has closed it, or has
 * said something that nobody asked for: a request must not be sent to a peer
 * that is known to be gone, nor be answered by what lay there before.  libcurl
 * has a look of its own before it uses a connection again, but not every
 * version minds bytes that wait there; so the connection is closed, and its
 * descriptor made to stand for a socket whose other end is closed.  From 8.22 on
 * it looks at a connection only once in a second; such a version is told not
 * to use again any of those that it has.
 *
 * Descriptors are reserved from the server's account before a request starts,
 * because the callback that opens a socket may not raise: two for each request
 * that has no connection yet, as libcurl tries IPv6 and IPv4 side by side.
 * Some versions of libcurl close a socket that never got connected without
 * calling back, so that the account is checked against the sockets' inodes
 * after anything that may have led to that.
 *
 * A socket that waits behind two epoll sets is woken later than behind one.
 * One call after the other over one kept connection is what most sessions do,
 * so that such a connection gets a wait set of its own beside the latch, made
 * before a request is sent on it: an error then costs nothing.
 *
 * libcurl resolves names in threads of its own.  A signal of the server may be
 * handled in any thread that does not block it, and its handlers are made for
 * the main one, so that such a thread begins with all signals blocked.
 *
 * Linux only, because of epoll.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "clock.h"
#include "compat.h"
#include "http_private.h"

/* of 8.16; the library may be newer than its headers were */
#if LIBCURL_VERSION_NUM < 0x081000
#define CURLMOPT_NETWORK_CHANGED ((CURLMoption) (CURLOPTTYPE_LONG + 17))
#define CURLMNWC_CLEAR_CONNS (1L << 1)
#endif

#define MAX_EVENTS 64 /* taken from the epoll set at once */
#define MAX_KEPT_CONNECTIONS 64L
#define MIN_KEPT_CONNECTIONS 4L /* where files are short */
#define SOCKETS_PER_REQUEST 2
#define FIRST_SOCKETS 64
#define NO_TIMER PG_INT64_MAX

/* What is known of a descriptor, by its number. */
typedef struct Socket
{
	bool   ours;   /* opened by truust_http_open_socket, counted */
	ino_t  inode;  /* ... as this */
	bool   idle;   /* no request uses it */
	uint32 events; /* as registered in the epoll set; 0: it is not in it */
} Socket;

static struct
{
	CURLM		 *multi;
	int			  epoll;
	int			  dead_end; /* a socket whose other end is closed */
	WaitEventSet *set;
	uint32		  wait_event;
	int64		  timer; /* us, monotonic; when libcurl wants to be called */
	Socket		 *sockets;
	int			  n_sockets;		/* size of the array */
	int			  n_registered;		/* in the epoll set */
	int			  n_idle;			/* of these, idle */
	int			  last_used;		/* descriptor, -1: none */
	WaitEventSet *short_set;		/* latch and ... */
	int			  short_fd;			/* this socket; -1: one that is closed */
	long		  max_kept;			/* connections that libcurl keeps */
	int			  n_reserved;		/* descriptors in the server's account that are not open */
	bool		  account_in_doubt; /* sockets may have been closed without a word */
	bool		  signals_blocked;
	sigset_t	  signals; /* to go back to */
} engine = {.epoll = -1, .dead_end = -1, .last_used = -1, .short_fd = -1};

/* ---- sockets ---- */

/* Room for a descriptor; false where memory is short. */
static bool
know_socket(curl_socket_t fd)
{
	int		n = engine.n_sockets > 0 ? engine.n_sockets : FIRST_SOCKETS;
	Socket *sockets;

	if (fd < engine.n_sockets)
		return true;
	while (n <= fd)
		n *= 2;
	sockets = realloc(engine.sockets, n * sizeof(Socket));
	if (sockets == NULL)
		return false;
	memset(sockets + engine.n_sockets, 0, (n - engine.n_sockets) * sizeof(Socket));
	engine.sockets = sockets;
	engine.n_sockets = n;
	return true;
}

static void
set_idle(Socket *s, bool idle)
{
	if (s->idle != idle)
		engine.n_idle += idle ? 1 : -1;
	s->idle = idle;
}

/* A descriptor is closed, or about to be; closing takes it out of the epoll sets. */
static void
forget_socket(Socket *s)
{
	set_idle(s, false);
	if (s - engine.sockets == engine.short_fd)
		engine.short_fd = -1;
	if (s->events != 0)
		engine.n_registered--;
	if (s->ours)
		engine.n_reserved++;
	memset(s, 0, sizeof(Socket));
}

/* Have the epoll set watch a socket for events; 0: not at all. */
static void
watch(curl_socket_t fd, uint32 events)
{
	Socket			  *s = &engine.sockets[fd];
	struct epoll_event event = {.events = events, .data.fd = fd};
	int op = events == 0 ? EPOLL_CTL_DEL : s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (s->events == events)
		return;
	if (epoll_ctl(engine.epoll, op, fd, &event) < 0)
	{
		/*
		 * It has been closed without a word, or memory is short.  Telling
		 * libcurl of a failure would be the end of its multi handle; the
		 * request runs into its timeout instead.
		 */
		if (op != EPOLL_CTL_ADD)
			forget_socket(s);
		return;
	}
	if (op == EPOLL_CTL_ADD)
		engine.n_registered++;
	else if (op == EPOLL_CTL_DEL)
		engine.n_registered--;
	s->events = events;
}

/* libcurl's CURLMOPT_SOCKETFUNCTION: what it wants to know of a socket from now on. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	Socket *s;

	if (!know_socket(fd))
		return 0; /* as in watch() */
	s = &engine.sockets[fd];
	if (what == CURL_POLL_REMOVE)
	{
		set_idle(s, s->ours && s->events != 0);
		watch(fd, s->idle ? EPOLLIN : 0);
	}
	else
	{
		set_idle(s, false);
		engine.last_used = fd;
		watch(fd, (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0));
	}
	return 0;
}

curl_socket_t
truust_http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct stat status;
	int			fd;

	if (engine.n_reserved == 0)
	{
		errno = EMFILE;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
				address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (!know_socket(fd) || fstat(fd, &status) < 0)
	{
		close(fd);
		return CURL_SOCKET_BAD;
	}
	forget_socket(&engine.sockets[fd]); /* what had this number before is gone */
	engine.sockets[fd].ours = true;
	engine.sockets[fd].inode = status.st_ino;
	engine.n_reserved--;
	engine.account_in_doubt = true;
	return fd;
}

int
truust_http_close_socket(void *arg, curl_socket_t fd)
{
	forget_socket(&engine.sockets[fd]);
	return close(fd);
}

/* Find the sockets that were closed without a word. */
static void
check_account(void)
{
	engine.account_in_doubt = false;
	for (int fd = 0; fd < engine.n_sockets; fd++)
	{
		Socket	   *s = &engine.sockets[fd];
		struct stat status;

		if (s->ours && (fstat(fd, &status) < 0 || status.st_ino != s->inode))
			forget_socket(s);
	}
}

/* A kept connection that has something to say is of no use any more; libcurl will close its end. */
static void
retire(curl_socket_t fd)
{
	struct stat status;

	set_idle(&engine.sockets[fd], false);
	watch(fd, 0);
	if (engine.short_fd == fd)
		engine.short_fd = -1;
	if (dup3(engine.dead_end, fd, O_CLOEXEC) == fd && fstat(fd, &status) == 0)
		engine.sockets[fd].inode = status.st_ino;
	/* an older version, which looks each time, does not know the option */
	(void) curl_multi_setopt(engine.multi, CURLMOPT_NETWORK_CHANGED, CURLMNWC_CLEAR_CONNS);
}

void
truust_http_reap(void)
{
	struct epoll_event events[MAX_EVENTS];
	int				   n;

	if (engine.n_idle == 0)
		return;
	n = epoll_wait(engine.epoll, events, MAX_EVENTS, 0);
	for (int i = 0; i < n; i++)
		if (engine.sockets[events[i].data.fd].idle)
			retire(events[i].data.fd);
}

/* Files are short: let libcurl close more of the connections that come free. */
static void
keep_fewer(void)
{
	long kept = Max(engine.max_kept / 2, MIN_KEPT_CONNECTIONS);

	if (kept < engine.max_kept)
		(void) curl_multi_setopt(engine.multi, CURLMOPT_MAXCONNECTS, kept);
	engine.max_kept = kept;
}

bool
truust_http_reserve(int n)
{
	int wanted = SOCKETS_PER_REQUEST * (n + 1);

	if (engine.account_in_doubt)
		check_account();
	while (engine.n_reserved > wanted)
	{
		ReleaseExternalFD();
		engine.n_reserved--;
	}
	while (engine.n_reserved < wanted && AcquireExternalFD())
		engine.n_reserved++;
	if (engine.n_reserved < wanted)
		keep_fewer();
	/* one that is kept and idle will do, too */
	return engine.n_reserved + engine.n_idle > n;
}

/* ---- libcurl at work ---- */

void
truust_http_block_signals(void)
{
	static const int keep[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
	sigset_t		 all;

	if (engine.signals_blocked)
		return;
	sigfillset(&all);
	for (int i = 0; i < lengthof(keep); i++)
		sigdelset(&all, keep[i]);
	engine.signals_blocked = pthread_sigmask(SIG_SETMASK, &all, &engine.signals) == 0;
}

/* Let libcurl work on a socket, or on what its timer stood for. */
static void
work(curl_socket_t fd, int ready)
{
	int unused;

	(void) curl_multi_socket_action(engine.multi, fd, ready, &unused);
	if (engine.signals_blocked)
	{
		(void) pthread_sigmask(SIG_SETMASK, &engine.signals, NULL);
		engine.signals_blocked = false;
	}
}

static void
work_on_timer(void)
{
	engine.timer = NO_TIMER;
	work(CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl's CURLMOPT_TIMERFUNCTION. */
static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	engine.timer =
		timeout_ms < 0 ? NO_TIMER : truust_monotonic_us() + timeout_ms * INT64CONST(1000);
	return 0;
}

CURLMcode
truust_http_add(TruustHttpTransfer *t)
{
	CURLMcode code = curl_multi_add_handle(engine.multi, t->easy);

	if (code == CURLM_OK)
	{
		t->in_multi = true;
		work_on_timer();
	}
	return code;
}

void
truust_http_remove(TruustHttpTransfer *t)
{
	engine.account_in_doubt = true;
	(void) curl_multi_remove_handle(engine.multi, t->easy);
	t->in_multi = false;
}

TruustHttpTransfer *
truust_http_finished(CURLcode *code)
{
	int		 unused;
	CURLMsg *message;

	while ((message = curl_multi_info_read(engine.multi, &unused)) != NULL)
	{
		CURL			   *easy = message->easy_handle;
		TruustHttpTransfer *t = NULL;
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		*code = message->data.result;
		if (*code != CURLE_OK)
			engine.account_in_doubt = true;
		/* the message is gone with this */
		(void) curl_multi_remove_handle(engine.multi, easy);
		(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		t = (TruustHttpTransfer *) private;
		t->in_multi = false;
		return t;
	}
	return NULL;
}

/* ---- waiting ---- */

/*
 * An error or a hang-up is told to libcurl as whatever it waits for: it finds
 * out by itself, and reads first what came before it.
 */
static int
ready_mask(uint32 registered, uint32 events)
{
	int ready = 0;

	if (events & (EPOLLERR | EPOLLHUP))
		events |= registered;
	if (events & EPOLLIN)
		ready |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		ready |= CURL_CSELECT_OUT;
	return ready;
}

static void
work_on_sockets(void)
{
	struct epoll_event events[MAX_EVENTS];
	int				   n;

	n = epoll_wait(engine.epoll, events, MAX_EVENTS, 0);
	for (int i = 0; i < n; i++)
	{
		curl_socket_t fd = events[i].data.fd;
		Socket		 *s = &engine.sockets[fd];

		if (s->idle)
			retire(fd);
		else if (s->events != 0)
			work(fd, ready_mask(s->events, events[i].events));
	}
}

/* ms to wait for at most: timeout_ms or libcurl's timer, whichever is sooner; -1: no limit. */
static long
wait_limit(long timeout_ms, int64 now)
{
	int64 left;

	if (engine.timer == NO_TIMER)
		return timeout_ms;
	left = engine.timer - now;
	left = left > 0 ? (left + 999) / 1000 : 0;
	return timeout_ms < 0 || left < timeout_ms ? (long) left : timeout_ms;
}

/* Whether all that is waited for is the answer on the connection of the short set. */
static bool
waits_for_one(void)
{
	return engine.short_fd >= 0 && engine.n_registered - engine.n_idle == 1 &&
		   !engine.sockets[engine.short_fd].idle &&
		   engine.sockets[engine.short_fd].events == EPOLLIN;
}

bool
truust_http_wait(long timeout_ms)
{
	WaitEvent events[2];
	bool	  latch_is_set = false;
	bool	  one = waits_for_one();
	int64	  now = engine.timer == NO_TIMER ? 0 : truust_monotonic_us();
	int		  n;

	truust_http_wipe_stack();
	n = WaitEventSetWait(one ? engine.short_set : engine.set, wait_limit(timeout_ms, now), events,
						 lengthof(events), engine.wait_event);
	truust_http_end_resolving();
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			latch_is_set = true;
		else if (one)
			work(engine.short_fd, CURL_CSELECT_IN);
		else
			work_on_sockets();
	}
	/* where there were events, a timer that ran out just now can wait for the next round */
	if (n == 0 && engine.timer != NO_TIMER)
		now = truust_monotonic_us();
	if (engine.timer <= now)
		work_on_timer();
	return latch_is_set;
}

/* ---- setup ---- */

static void
open_multi(void)
{
	CURLM *multi;

	if (!truust_http_library_init() || (multi = curl_multi_init()) == NULL)
		ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
						errmsg("could not initialize libcurl")));
	(void) curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void) curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_KEPT_CONNECTIONS);
	engine.max_kept = MAX_KEPT_CONNECTIONS;
	engine.multi = multi;
	engine.timer = NO_TIMER;
}

/* Take one descriptor from the server's account for what is about to be opened. */
static void
acquire_descriptor(void)
{
	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not prepare for HTTP requests: too many open files")));
}

static void
open_epoll(void)
{
	acquire_descriptor();
	engine.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (engine.epoll < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not create an epoll set: %m")));
	}
}

static void
open_dead_end(void)
{
	int pair[2];

	acquire_descriptor();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode_for_socket_access(), errmsg("could not create a pair of sockets: %m")));
	}
	close(pair[1]);
	engine.dead_end = pair[0];
}

/* The latch, the postmaster, and a descriptor to read from. */
static WaitEventSet *
make_wait_set(int fd)
{
	WaitEventSet *set = truust_create_wait_set(3);

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster) /* a single-user server has none */
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, NULL, NULL);
	return set;
}

void
truust_http_prepare_wait(void)
{
	WaitEventSet *old = engine.short_set;
	int			  fd = engine.last_used;

	if (fd < 0 || fd == engine.short_fd || !engine.sockets[fd].idle)
		return;
	engine.short_fd = -1;
	engine.short_set = NULL;
	if (old)
		FreeWaitEventSet(old);
	if (!AcquireExternalFD())
		return; /* it goes without */
	ReleaseExternalFD();
	engine.short_set = make_wait_set(fd);
	engine.short_fd = fd;
}

/* Each step is kept if a later one fails, and not done again. */
void
truust_http_open(void)
{
	if (engine.set)
		return;
	if (engine.multi == NULL)
		open_multi();
	if (engine.epoll < 0)
		open_epoll();
	if (engine.dead_end < 0)
		open_dead_end();
	engine.wait_event = truust_wait_event("TruustHttp");
	engine.set = make_wait_set(engine.epoll);
}
