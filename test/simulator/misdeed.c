/*
 * misdeed.c
 *		What a rule does to an answer, on the connection's own socket.
 *
 * The HTTP library would not send half a response or a reset; hence these bytes go past it, and the connection is closed
 * afterwards. An encrypted connection has no such way around: rules.c refuses there what would need it.
 */
#include "sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* All of it, as fast as the peer takes it; gives up where it takes nothing for five seconds. */
static void
send_raw(int fd, const char *bytes, size_t len)
{
	while (len > 0)
	{
		ssize_t		  n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd pfd = {fd, POLLOUT, 0};

		if (n < 0 && errno == EAGAIN && poll(&pfd, 1, 5000) > 0)
			continue;
		if (n < 0)
			return;
		bytes += n;
		len -= (size_t) n;
	}
}

/* The response as it would go over the wire; *head is how much of it are headers. */
static void
response_text(const Exchange *x, Buf *text, size_t *head)
{
	buf_addf(
		text,
		"HTTP/1.1 %d Simulated\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
		x->status, x->content_kind, x->out.len);
	for (int i = 0; i < x->nheaders; i++)
		buf_addf(text, "%s: %s\r\n", x->headers[i][0], x->headers[i][1]);
	buf_adds(text, "\r\n");
	*head = text->len;
	buf_add(text, x->out.data, x->out.len);
}

static void
close_after(Exchange *x, const char *bytes, size_t len)
{
	send_raw(x->fd, bytes, len);
	shutdown(x->fd, SHUT_RDWR);
	x->stage = STAGE_CLOSE;
}

/* A reset at once: dissolving the association does not wait for a close. */
static void
reset_connection(Exchange *x)
{
	struct linger	hard = {1, 0};
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (connect(x->fd, &nobody, sizeof(nobody)) != 0)
		shutdown(x->fd, SHUT_RDWR);
	x->stage = STAGE_CLOSE;
}

/* Leaves x at STAGE_ANSWER where the answer is to be sent in an ordinary way. */
bool
misbehave(Exchange *x)
{
	static const char garbage[] = "\x16\x03\x01 this is not HTTP \x00\xFF\r\n\r\n";
	Buf				  text = {0};
	size_t			  head;
	size_t			  len;

	switch (x->rule->misdeed)
	{
		case DO_DELAY:
		case DO_STATUS:
			break;
		case DO_DROP:
			close_after(x, "", 0);
			break;
		case DO_RESET:
			reset_connection(x);
			break;
		case DO_GARBAGE:
			if (x->rule->body == NULL)
				close_after(x, garbage, sizeof(garbage) - 1);
			break;
		case DO_TRUNCATE:
			response_text(x, &text, &head);
			close_after(x, text.data, head + x->out.len / 2);
			break;
		case DO_HANG:
			x->stage = STAGE_WAIT;
			wire_hang(x);
			return true;
		case DO_DRIP:
		case DO_SLOW_HEADERS:
			response_text(x, &text, &head);
			len = text.len;
			x->stage = STAGE_WAIT;
			wire_drip(x, buf_steal(&text), len, x->rule->misdeed == DO_DRIP ? head : 0,
					  x->rule->ms);
			return true;
	}
	buf_free(&text);
	return false;
}
