/*-------------------------------------------------------------------------
 *
 * outbox.h
 *		Deferred requests: what the files of the outbox share.
 *
 * The protocol, for a request to take effect exactly once:
 *
 *		queued --claim--> sending --answer--> done | failed
 *		   ^                 |
 *		   |                 +-- provably not executed --> queued
 *		   |                 +-- unknown --> looked up at Truust: done, queued,
 *		   +-- repeat -------+               or uncertain, for a person
 *
 * A claim raises the row's fence and is flushed to disk before anything is
 * sent.  Nothing is sent inside an open transaction of the worker.  An answer
 * is recorded only where the fence is still the claim's.  A row that is
 * 'sending' and not in this process's hands has an unknown outcome, whatever
 * killed the process that had it.
 *
 * One process at a time works on the outbox of a database (the worker's lock).
 * All of its state is in the structures below, in memory of its own that
 * outlives transactions.
 *
 * Files: outbox (the cycle), outbox_pace (when to send how much), outbox_claim
 * (rows into flights), outbox_recover (what somebody else may have sent),
 * outbox_clock (a clock that was set back), outbox_flight (flights over the
 * wire), outbox_marker, outbox_lookup and outbox_lost (finding an unknown outcome),
 * outbox_record (answers into rows), outbox_rows (claim and record without a
 * plan), outbox_group (one after the other), outbox_done (what follows an end),
 * outbox_enqueue, outbox_operate (SQL functions), outbox_query (prepared statements).
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_OUTBOX_H
#define TRUUST_OUTBOX_H

#include "lib/ilist.h"

#include "api.h"
#include "statement.h"

#define TRUUST_MARKER_LEN 36 /* a uuid as text */

/*
 * A claimed request is sent within so many ms or goes back: the row says when
 * it was claimed, and from that time on it may be on its way.
 */
#define TRUUST_LONGEST_UNSENT 1000

/* ---------------------------------------------------------------- outbox_query.c */

/*
 * Run a statement in a transaction of a worker or of truust_drain(), whose
 * settings make it reach its rows by an index (truust_owner_plans()).  Returns
 * the number of rows.
 */
extern uint64 truust_outbox_run(TruustStatement *statement, Datum *values);

/* Fields of row i of the last result, column from 1; texts and jsonb are copied, NULL for a null. */
extern bool	  truust_field_isnull(uint64 row, int column);
extern Datum  truust_field(uint64 row, int column);
extern char	 *truust_field_text(uint64 row, int column);
extern Jsonb *truust_field_jsonb(uint64 row, int column);

/* ---------------------------------------------------------------- outbox_pace.c */

/*
 * How a server is doing.  Times are of the monotonic clock, in ms.
 */
typedef struct TruustPace
{
	char *server;
	int64 paused_until;
	int	  troubles; /* in a row, since its last good answer */
	bool  probing;	/* one request at a time until one is answered */
	int	  in_flight;
} TruustPace;

/*
 * The requests of one role to one server: they share a key.
 */
typedef struct TruustLane
{
	char		  *server;
	char		  *role; /* what it was called when the lane was made */
	Oid			   role_oid;
	TruustPace	  *pace;
	int64		   paused_until; /* trouble with the account itself */
	int			   troubles;
	TimestampTz	   last_at; /* where the last claim stopped; 0: at the end */
	int64		   last_id;
	TimestampTz	   horizon; /* rows never tried are due until then, whatever the clock says */
	TruustAccount *account; /* a copy, with the key, while something is unsent */
	MemoryContext  account_context;
} TruustLane;

/* The lane of a server and role (its OID and name), made if need be; lives as long as the process. */
extern TruustLane *truust_lane(const char *server, Oid role_oid, const char *role);

/* All lanes that this process has met. */
extern List *truust_lanes(void);

/* Overwrite and free the keys of all lanes. */
extern void truust_lanes_wipe(void);

/* Milliseconds until the lane may send, 0: now. */
extern long truust_lane_wait(const TruustLane *lane, int64 now);

/* How many more requests the lane's server takes now. */
extern int truust_lane_room(const TruustLane *lane, int in_flight);

/* What an answer says of the server: fine; in trouble (retry_after in ms or -1); to be left alone at once. */
extern void truust_pace_good(TruustPace *pace);
extern void truust_pace_trouble(TruustPace *pace, bool at_once, int retry_after);

/* The account failed (no mapping, 401): only this lane waits. */
extern void truust_lane_trouble(TruustLane *lane);
extern void truust_lane_good(TruustLane *lane);

/* Take one request out of truust.max_requests_per_second; false: wait *wait ms. */
extern bool truust_rate_take(long *wait);

/* How many requests truust.max_requests_per_second allows now; 0: *wait says for how many ms. */
extern int truust_rate_room(long *wait);

/* ---------------------------------------------------------------- flights */

typedef enum TruustFlightVerdict
{
	TRUUST_FLIGHT_NONE,		 /* not answered yet */
	TRUUST_FLIGHT_DONE,		 /* executed */
	TRUUST_FLIGHT_FAILED,	 /* refused for good */
	TRUUST_FLIGHT_UNCERTAIN, /* a person must look */
	TRUUST_FLIGHT_AGAIN,	 /* not executed: queued again, after delay */
	TRUUST_FLIGHT_UNSENT,	 /* never left this process: queued again, no attempt counted */
	TRUUST_FLIGHT_LOOK,		 /* unknown: look it up, after delay */
	TRUUST_FLIGHT_JUDGE		 /* a look is answered: to be judged in a transaction */
} TruustFlightVerdict;

/*
 * One request in this process's hands, from claim to record.
 */
typedef struct TruustFlight
{
	dlist_node	  node;
	MemoryContext context; /* holds the flight and all it points to */

	/* the row */
	int64				  id;
	ItemPointerData		  tid; /* of the version that was claimed; invalid: not known */
	int64				  fence;
	int					  attempts; /* this one included */
	int					  looks;
	TimestampTz			  created_at;
	TimestampTz			  sent_at;	  /* of the claim: it was not sent before */
	int64				  claimed_at; /* monotonic ms */
	const TruustEndpoint *endpoint;	  /* NULL: this version does not know the operation */
	TruustResource		  resource;	  /* what the operation returns */
	Jsonb				 *args;
	char				  marker[TRUUST_MARKER_LEN + 1];
	char				 *group;		 /* or NULL */
	char				 *on_done;		 /* or NULL */
	char				 *search_path;	 /* or NULL */
	int64				  attachment_id; /* 0: none */
	Jsonb				 *attachment_row;
	TruustLane			 *lane;

	/* on the wire */
	bool			  is_look;
	int				  step; /* of a look that takes several requests */
	int				  page;
	char			 *customer;		   /* uuid found by a look's first step */
	char			 *first_id;		   /* first id of the page before */
	bool			  doubtful;		   /* a look met what could be it, unmarked */
	int				  request_timeout; /* ms, of a look's account */
	TruustWire		  wire;
	TruustHttpRequest http;
	bool			  flying;

	/* the outcome */
	int64				answered_at; /* monotonic ms */
	TruustAnswer		answer;
	TruustFlightVerdict verdict;
	long				delay; /* ms */
} TruustFlight;

/* The lists that a flight goes through; one set for each process. */
typedef struct TruustOutbox
{
	MemoryContext context;
	MemoryContext round;  /* emptied after each round */
	dlist_head	  fresh;  /* claimed in the open transaction */
	dlist_head	  unsent; /* claim committed */
	dlist_head	  flying;
	dlist_head	  answered; /* to be judged or recorded */
	int			  n_unsent;
	int			  n_flying;
	int			  n_answered;
	int			  batch;	   /* rows that one claim takes: grows while answers are quick */
	bool		  taking_back; /* paused: whatever is not sent yet goes back */
} TruustOutbox;

extern TruustOutbox truust_outbox;

/* ---------------------------------------------------------------- outbox_rows.c */

/*
 * Claim flights whose rows, at their tids, this transaction has locked: as sent
 * at that time.  False: the table is for SQL to write to, and nothing was done.
 */
extern bool truust_requests_claim(TruustFlight **flights, int n, TimestampTz now);

/*
 * Record flights that are done and no more than that.  open false: only SQL can;
 * done false: this one is for SQL.
 */
extern bool truust_requests_open(void);
extern bool truust_requests_done(const TruustFlight *flight);
extern void truust_requests_close(void);

/* ---------------------------------------------------------------- outbox_claim.c */

/* The lanes with queued rows, as the beginning of a statement: each found by a step in the index. */
#define TRUUST_LANES                                                                               \
	"WITH RECURSIVE lanes AS ("                                                                    \
	"(SELECT r.server, r.role FROM truust.requests r WHERE r.state = 'queued'"                     \
	" ORDER BY r.server, r.role LIMIT 1)"                                                          \
	" UNION ALL"                                                                                   \
	" SELECT n.server, n.role FROM lanes l, LATERAL ("                                             \
	"SELECT r.server, r.role FROM truust.requests r"                                               \
	" WHERE r.state = 'queued' AND (r.server, r.role) OPERATOR(pg_catalog.>) (l.server, l.role)"   \
	" ORDER BY r.server, r.role LIMIT 1) n)"

/*
 * In a transaction: take due rows (and due looks) into truust_outbox.fresh.
 * Returns whether anything was written.  *more: there may be more due at
 * once; *wait: else ms until something is, -1 for nothing.
 */
extern bool truust_outbox_claim(bool *more, long *wait);

/* In a transaction: the next request of a look that goes on (verdict set if that is impossible). */
extern void truust_outbox_continue_look(TruustFlight *flight);

/* ---------------------------------------------------------------- outbox_recover.c */

/* In a transaction, with no flight in hand: rows that a dead process left in flight. */
extern bool truust_outbox_recover(void);

/* In a transaction: whether the database is where it was; queued rows of elsewhere are looked up first. */
extern bool truust_outbox_settle_in(void);

/* ---------------------------------------------------------------- outbox_clock.c */

/*
 * In a transaction: where the clock was set back, and when the process begins, what
 * waits for longer than any pause is due now.  Returns whether anything was written.
 */
extern bool truust_outbox_heed_clock(void);

/* ---------------------------------------------------------------- outbox_flight.c */

extern TruustFlight *truust_flight_new(void);
extern void			 truust_flight_free(TruustFlight *flight);

/* Start as many unsent flights as the limits allow; ms until the next may start in *wait (-1: none waits). */
extern void truust_flights_start(long *wait);

/* Move finished flights to answered, waiting at most timeout ms for the first. */
extern void truust_flights_collect(long timeout);

/* Take back what was claimed and not sent. */
extern void truust_flights_unsend(void);

/* The transport has abandoned what was in flight: those outcomes are unknown. */
extern void truust_flights_lost(void);

/* Forget everything (an error in a foreground session, its requests abandoned). */
extern void truust_flights_forget(void);

/* Whether what became of the attempt says nothing about the request, so that it does not count as one. */
extern bool truust_flight_uncounted(const TruustFlight *flight);

/* How long a failed attempt waits, in ms. */
extern long truust_flight_pause(int attempts);

/* ---------------------------------------------------------------- outbox_marker.c */

/*
 * How a request may be repeated: as its endpoint says, but that Truust knows a
 * customer again by email or phone, and one who has neither would be made twice.
 */
extern TruustRepeat truust_repeat_of(const TruustEndpoint *endpoint, Jsonb *args);

/* The same for SQL: whether row r is one of those exceptions. */
#define TRUUST_NAMELESS_CUSTOMER                                                                   \
	"(r.operation = 'create_customer'"                                                             \
	" AND coalesce(r.args ->> 'email', r.args -> 'extra' ->> 'email', '') = ''"                    \
	" AND coalesce(r.args ->> 'phone', r.args -> 'extra' ->> 'phone', '') = '')"

/* Whether a request of this operation is found again by a marker. */
extern bool truust_marker_needed(const TruustEndpoint *endpoint);

/*
 * The arguments with the marker in metadata and, where the caller set none, in
 * tag.  *marked: whether it had room in one of the two.
 */
extern Jsonb *truust_marker_add(Jsonb *args, const char *marker, bool *marked);

/* Whether a resource carries this marker, or any. */
extern bool truust_marker_matches(Jsonb *resource, const char *marker);
extern bool truust_marker_any(Jsonb *resource);

/* The tag that a marked request is stored under at Truust. */
extern char *truust_marker_tag(Jsonb *args, const char *marker);

/* ---------------------------------------------------------------- outbox_lookup.c */

/* In a transaction: build the request that looks for the flight's effect (wire filled in). */
extern void truust_look_build(TruustFlight *flight, const TruustAccount *account);

/*
 * In a transaction: what the answer of a look means.  Sets the verdict, or
 * NONE where the look goes on with another request (build it again).
 */
extern void truust_look_judge(TruustFlight *flight);

/* ---------------------------------------------------------------- outbox_lost.c */

/* The answer of the flight, which is no look, is lost just now. */
extern void truust_lost_note(const TruustFlight *flight);

/* What was sent before came with data of another place, where somebody may still be at it. */
extern void truust_lost_here_since(TimestampTz since);

/* ms until a lost request that is not found counts as not executed; 0: it does. */
extern long truust_lost_wait(const TruustFlight *flight);

/* Its outcome is known. */
extern void truust_lost_forget(const TruustFlight *flight);

/* ---------------------------------------------------------------- outbox_record.c */

/* In a transaction: write all answered flights' outcomes and what follows from them. */
extern void truust_outbox_record(void);

/* ---------------------------------------------------------------- outbox_group.c */

/*
 * Let the next request of each group go.  One that somebody has locked (a
 * cancel that is not committed) must not hold up the others: it is seen to
 * by a sweep.
 */
extern void truust_groups_release(char **groups, int n);

/* A transaction has failed, what it had released may be forgotten: sweep. */
extern void truust_groups_doubt(void);

/* If a sweep is due: let go whatever waits for nothing.  Returns whether there was something; *wait: ms until the next, -1: none. */
extern bool truust_groups_sweep(long *wait);

/* ---------------------------------------------------------------- outbox_done.c */

/*
 * A request that has ended, as far as what follows needs it.
 */
typedef struct TruustEnd
{
	int64		   id;
	bool		   done; /* else failed */
	char		  *server;
	Oid			   role_oid;
	char		  *role;
	TruustResource resource_kind;
	bool		   is_write;
	Jsonb		  *response; /* or NULL */
	Jsonb		  *args;
	char		  *on_done;
	char		  *search_path;
	int64		   attachment_id;
	Jsonb		  *attachment_row;
	int			   done_attempts;
} TruustEnd;

/* ---------------------------------------------------------------- outbox_note.c */

/*
 * In a transaction: orders, payins and payouts that requests returned into the
 * tables.  Raises an error where many cannot be noted together: try each alone.
 */
extern void truust_outbox_note(TruustEnd **ends, int n);

/* ---------------------------------------------------------------- outbox_done.c, continued */

/* In a transaction, after the ends are written: notes, attached rows, on_done; failures are marked. */
extern void truust_outbox_complete(TruustEnd *ends, int n);

/* The same for ends that failed before or that an operator made; *wait: ms until the next, -1: none. */
extern bool truust_outbox_complete_pending(long *wait);

/* NOTIFY truust_alert. */
extern void truust_outbox_alert(const char *kind, int64 id, const char *operation,
								const char *reason);

/* ---------------------------------------------------------------- outbox.c */

/*
 * One round of the outbox's work: record, claim, send, wait for answers.
 * Returns ms to wait until the next round has something to do, 0 for at
 * once, -1 for when woken.
 */
extern long truust_outbox_cycle(void);

/* For CALL truust_drain(): rounds until nothing is due and nothing in hand; returns whether any did something. */
extern bool truust_outbox_drain(void);

#endif /* TRUUST_OUTBOX_H */
