/*
 * answers.h - what is sent back.
 */
#ifndef RECEIVER_ANSWERS_H
#define RECEIVER_ANSWERS_H

#include "metrics.h"

#include <microhttpd.h>
#include <stdbool.h>

/* Make the fixed answers; false when out of memory. */
extern bool answers_prepare(void);
extern void answers_free(void);

/* Answer with a status alone; `closing` also ends the connection. */
extern enum MHD_Result answer_status(struct MHD_Connection *connection, unsigned status,
									 bool closing);

/* GET /healthz: may webhooks be sent here? */
extern enum MHD_Result answer_health(struct MHD_Connection *connection, const Gauges *gauges);

/* GET /metrics. */
extern enum MHD_Result answer_metrics(struct MHD_Connection *connection, const Gauges *gauges);

#endif
