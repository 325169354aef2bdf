/*
 * http.h - the front that faces the network.
 */
#ifndef RECEIVER_HTTP_H
#define RECEIVER_HTTP_H

#include "request.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum MetricsAccess
{
	METRICS_OPEN,
	METRICS_TOKEN,
	METRICS_OFF
} MetricsAccess;

typedef struct HttpSettings
{
	int			  socket; /* listening; owned by the front from here on */
	bool		  tls;	  /* a certificate was loaded */
	int			  threads;
	unsigned	  max_connections;
	unsigned	  max_connections_per_ip; /* 0: no limit */
	uint64_t	  max_body;				  /* bytes */
	uint64_t	  max_headers;
	uint64_t	  max_memory;
	RequestRules  rules;
	MetricsAccess metrics;
} HttpSettings;

/* Start to serve; the batcher must be running.  False if it cannot. */
extern bool http_start(const HttpSettings *settings);

/*
 * Stop accepting, let requests that have begun end within `timeout_ms`, wait
 * for what was handed to the batcher, and close everything.
 */
extern void http_stop(int64_t timeout_ms);

#endif
