/*
 * clients.h - open connections and how long they may take.
 *
 * libmicrohttpd's own timeout starts anew with each byte, which a client that
 * sends one byte at a time never reaches.  Here a whole request has a
 * deadline, and so has the time between requests and that for the answer.
 */
#ifndef RECEIVER_CLIENTS_H
#define RECEIVER_CLIENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ClientPhase
{
	CLIENT_IDLE,	 /* between requests, or not heard of yet */
	CLIENT_READING,	 /* sends a request */
	CLIENT_WAITING,	 /* waits for us: no deadline */
	CLIENT_ANSWERING /* receives the answer */
} ClientPhase;

typedef struct Client
{
	struct Client  *previous;
	struct Client  *next;
	int				socket;
	_Atomic int		phase;
	_Atomic int64_t since; /* monotonic microseconds */
	_Atomic bool	known; /* has sent a good token: may stay idle longer */
} Client;

/* A connection was opened; NULL when out of memory. */
extern Client *clients_add(int socket);

/* It is about to be closed; call before its socket is. */
extern void clients_remove(Client *client);

extern void client_enter(Client *client, ClientPhase phase);

/* Cut the connections whose time is over. */
extern void clients_sweep(int64_t request_timeout_ms, int64_t idle_timeout_ms);

extern unsigned clients_count(void);

#endif
