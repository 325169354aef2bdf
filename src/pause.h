/*-------------------------------------------------------------------------
 *
 * pause.h
 *		Whether work must wait: paused by somebody, or by being a copy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_PAUSE_H
#define TRUUST_PAUSE_H

#include "access/htup.h"
#include "utils/relcache.h"

/*
 * A row is about to be inserted into one of the tables that work comes from.
 * Was it made elsewhere or before, as one of a dump is?  Such a row has a time
 * of its own in the column that is named, and is not inserted by the extension.
 * The data then counts as restored from the same commit on, of which a warning tells.
 */
extern void truust_note_arrival(Relation rel, HeapTuple row, const char *time_column);

/*
 * Whether a kind of work ("webhooks" or "requests") must wait.  Needs an SPI
 * connection and the rights of the extension's owner.
 */
extern bool truust_paused(const char *what);

/* Why: "paused", "restored" or NULL, from the same look. */
extern const char *truust_pause_reason(const char *what);

#endif /* TRUUST_PAUSE_H */
