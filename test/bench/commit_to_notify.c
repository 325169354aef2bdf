/*-------------------------------------------------------------------------
 *
 * commit_to_notify.c
 *		From a client's COMMIT to the notification of what it brought about.
 *
 *	commit_to_notify CHANNEL FIRST LAST WRITE [ANSWER]
 *
 * For each number from FIRST to LAST: a transaction with WRITE (%d is the
 * number), and the milliseconds from its COMMIT to the notification on
 * CHANNEL that a second connection waits for, a line each.  With ANSWER, a
 * process of its own does what a worker would: it waits in LISTEN todo, and runs
 * ANSWER with the payload's number.
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define IDLE_US 2000   /* so that everybody sleeps when the next one begins */
#define PATIENCE 10000 /* ms */

static void
give_up(const char *what, PGconn *conn)
{
	fprintf(stderr, "%s: %s\n", what, conn ? PQerrorMessage(conn) : "");
	exit(1);
}

static PGconn *
connect_db(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		give_up("connection", conn);
	return conn;
}

static void
run(PGconn *conn, const char *format, int number)
{
	char	  sql[2000];
	PGresult *result;

	snprintf(sql, sizeof(sql), format, number);
	result = PQexec(conn, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		give_up(sql, conn);
	PQclear(result);
}

/* The next notification's number. */
static int
wait_for_notification(PGconn *conn)
{
	struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
	PGnotify	 *notify;
	int			  number;

	while ((notify = PQnotifies(conn)) == NULL)
	{
		if (poll(&fd, 1, PATIENCE) <= 0)
			give_up("no notification came", NULL);
		if (!PQconsumeInput(conn))
			give_up("input", conn);
	}
	number = atoi(notify->extra);
	PQfreemem(notify);
	return number;
}

static pid_t
start_answering(const char *answer)
{
	int	  ready[2];
	char  byte;
	pid_t pid;

	if (pipe(ready) != 0)
		give_up("pipe", NULL);
	pid = fork();
	if (pid < 0)
		give_up("fork", NULL);
	if (pid == 0)
	{
		PGconn *conn = connect_db();

		run(conn, "LISTEN todo", 0);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			run(conn, answer, wait_for_notification(conn));
	}
	if (read(ready[0], &byte, 1) != 1)
		give_up("the answering process does not start", NULL);
	return pid;
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	PGconn *writer;
	PGconn *listener;
	char	listen[200];
	pid_t	answering = 0;

	if (argc < 5)
	{
		fprintf(stderr, "usage: commit_to_notify CHANNEL FIRST LAST WRITE [ANSWER]\n");
		return 2;
	}
	if (argc > 5)
		answering = start_answering(argv[5]);
	writer = connect_db();
	listener = connect_db();
	snprintf(listen, sizeof(listen), "LISTEN %s", argv[1]);
	run(listener, listen, 0);
	for (int i = atoi(argv[2]); i <= atoi(argv[3]); i++)
	{
		double began;

		usleep(IDLE_US);
		run(writer, "BEGIN", 0);
		run(writer, argv[4], i);
		began = now_ms();
		/* sent, not waited for: the effect may be there before the answer to this */
		if (!PQsendQuery(writer, "COMMIT"))
			give_up("COMMIT", writer);
		(void) wait_for_notification(listener);
		printf("%.3f\n", now_ms() - began);
		while (PQgetResult(writer) != NULL)
			;
	}
	if (answering)
	{
		kill(answering, SIGTERM);
		waitpid(answering, NULL, 0);
	}
	return 0;
}
