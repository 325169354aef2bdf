/*
 * clients.c - see clients.h.
 *
 * A connection is cut by shutting its socket down, which its own thread then
 * notices.  The list's lock is held meanwhile, and a client leaves the list
 * before its socket is closed, so that no other connection can be hit.
 */
#include "clients.h"
#include "clock.h"
#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Client		  *first; /* guarded by the mutex */
static unsigned		   count;

Client *
clients_add(int socket)
{
	Client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->socket = socket;
	client_enter(client, CLIENT_IDLE);
	pthread_mutex_lock(&mutex);
	client->next = first;
	if (first != NULL)
		first->previous = client;
	first = client;
	count++;
	pthread_mutex_unlock(&mutex);
	return client;
}

void
clients_remove(Client *client)
{
	pthread_mutex_lock(&mutex);
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		first = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	count--;
	pthread_mutex_unlock(&mutex);
	free(client);
}

void
client_enter(Client *client, ClientPhase phase)
{
	atomic_store_explicit(&client->since, clock_monotonic_us(), memory_order_relaxed);
	atomic_store_explicit(&client->phase, (int) phase, memory_order_release);
}

void
clients_sweep(int64_t request_timeout_ms, int64_t idle_timeout_ms)
{
	int64_t now = clock_monotonic_us();

	pthread_mutex_lock(&mutex);
	for (Client *client = first; client != NULL; client = client->next)
	{
		int		phase = atomic_load(&client->phase);
		bool	resting = phase == CLIENT_IDLE && atomic_load(&client->known);
		int64_t allowed = resting ? idle_timeout_ms : request_timeout_ms;

		if (phase == CLIENT_WAITING || now - atomic_load(&client->since) < allowed * INT64_C(1000))
			continue;
		if (shutdown(client->socket, SHUT_RDWR) == 0 && !resting)
			metrics_add(timeouts, 1);
		atomic_store(&client->since, now); /* once is enough */
	}
	pthread_mutex_unlock(&mutex);
}

unsigned
clients_count(void)
{
	unsigned result;

	pthread_mutex_lock(&mutex);
	result = count;
	pthread_mutex_unlock(&mutex);
	return result;
}
