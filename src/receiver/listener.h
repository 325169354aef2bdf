/*
 * listener.h - the socket that clients connect to.
 */
#ifndef RECEIVER_LISTENER_H
#define RECEIVER_LISTENER_H

#include <stdbool.h>

#define LISTENER_NAME_SIZE 128

typedef struct Listener
{
	int	 socket;
	bool loopback;				   /* reachable from this host only */
	char name[LISTENER_NAME_SIZE]; /* ADDR:PORT as it turned out */
} Listener;

/*
 * Bind and listen on "ADDR:PORT", "[ADDR6]:PORT" or ":PORT" (every address).
 * On failure the reason was logged.
 */
extern bool listener_open(Listener *listener, const char *where);

#endif
