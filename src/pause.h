/*-------------------------------------------------------------------------
 *
 * pause.h
 *		Whether work must wait: paused by somebody, or by being a copy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_PAUSE_H
#define TRUUST_PAUSE_H

/*
 * Whether a kind of work ("webhooks" or "requests") must wait.  Needs an SPI
 * connection and the rights of the extension's owner.
 */
extern bool truust_paused(const char *what);

/* Why: "paused", "restored" or NULL, from the same look. */
extern const char *truust_pause_reason(const char *what);

#endif /* TRUUST_PAUSE_H */
