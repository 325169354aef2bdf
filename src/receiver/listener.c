/*
 * listener.c - see listener.h.  The socket is made here rather than by
 * libmicrohttpd to learn the port and whether the address is a loopback one
 * before anything is accepted.
 */
#define _GNU_SOURCE
#include "listener.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

/* A number that is no port would be cut to one by getaddrinfo(); names are for it to know. */
static bool
is_port(const char *text)
{
	char *end;
	long  number = strtol(text, &end, 10);

	return *end != '\0' || (number >= 0 && number <= UINT16_MAX);
}

/* Split at the last colon, taking brackets off the address. */
static bool
split(const char *where, char *address, size_t size, const char **port)
{
	const char *colon = strrchr(where, ':');
	size_t		length;

	if (colon == NULL || colon[1] == '\0' || !is_port(colon + 1))
		return false;
	*port = colon + 1;
	length = (size_t) (colon - where);
	if (length >= 2 && where[0] == '[' && colon[-1] == ']')
	{
		where++;
		length -= 2;
	}
	else if (memchr(where, ':', length) != NULL)
		return false;
	if (length >= size)
		return false;
	memcpy(address, where, length);
	address[length] = '\0';
	return true;
}

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24) == 127;
	return address->sa_family == AF_INET6 &&
		   IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) address)->sin6_addr);
}

static void
describe(Listener *listener)
{
	struct sockaddr_storage address = {0};
	socklen_t				size = sizeof(address);
	char					host[INET6_ADDRSTRLEN + 16];
	char					port[16];

	if (getsockname(listener->socket, (struct sockaddr *) &address, &size) != 0 ||
		getnameinfo((struct sockaddr *) &address, size, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	listener->loopback = is_loopback((struct sockaddr *) &address);
	snprintf(listener->name, sizeof(listener->name), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
			 port);
}

bool
listener_open(Listener *listener, const char *where)
{
	struct addrinfo	 hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char			 address[256];
	const char		*port;
	const int		 on = 1;
	int				 code;

	memset(listener, 0, sizeof(*listener));
	listener->socket = -1;
	if (!split(where, address, sizeof(address), &port))
	{
		log_error("option \"listen\" must be ADDR:PORT, not \"%s\"", where);
		return false;
	}
	code = getaddrinfo(address[0] ? address : NULL, port, &hints, &found);
	if (code != 0)
	{
		log_error("cannot listen on \"%s\": %s", where, gai_strerror(code));
		return false;
	}
	listener->socket = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->socket < 0 ||
		setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(listener->socket, found->ai_addr, found->ai_addrlen) != 0 ||
		listen(listener->socket, BACKLOG) != 0)
	{
		log_error("cannot listen on \"%s\": %s", where, strerror(errno));
		if (listener->socket >= 0)
			close(listener->socket);
		listener->socket = -1;
	}
	else
		describe(listener);
	freeaddrinfo(found);
	return listener->socket >= 0;
}
