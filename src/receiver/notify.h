/*
 * notify.h - tell the service manager how we are.
 */
#ifndef RECEIVER_NOTIFY_H
#define RECEIVER_NOTIFY_H

/* Send e.g. "READY=1" to systemd, if it started us; otherwise do nothing. */
extern void notify(const char *state);

#endif
