/*
 * sim.h
 *		What the files of the API simulator tell each other.
 *
 * Layers, lower ones first; a file calls only those above it in this list:
 *
 *		buf, json, decimal		text, and nothing of Truust
 *		facts, settings			the tables of the API and what a test has set
 *		store, journal			rows, kept as JSON fragments, and the file they survive in
 *		render					a row as the API shows it
 *		webhook, wire			the two other threads: the sender, and whoever waits
 *		lifecycle				an order's transitions
 *		validate, list, ops_*	the operations
 *		rules, recorder			misbehaviour, and the memory of what was asked
 *		control, exchange, http	the way of a request
 *
 * One mutex (sim_lock) covers every structure below; functions are called with it held unless their comment says
 * otherwise. Only three threads besides libmicrohttpd's take it, each for a short time.
 */
#ifndef TRUUST_SIM_H
#define TRUUST_SIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

extern pthread_mutex_t sim_lock;

/* ---------------------------------------------------------------- buf.c */

/* Growing text, NUL-terminated once anything was added. A zeroed one is empty. */
typedef struct Buf
{
	char  *data;
	size_t len;
	size_t cap;
} Buf;

/* Memory that is given back all at once. A zeroed one is empty. */
typedef struct Arena
{
	struct ArenaBlock *blocks;
} Arena;

extern void *xmalloc(size_t size); /* these four end the program where memory does */
extern void *xcalloc(size_t size);
extern void *xrealloc(void *old, size_t size);
extern char *xstrdup(const char *text);

extern void buf_add(Buf *buf, const void *data, size_t len);
extern void buf_adds(Buf *buf, const char *text);
extern void buf_addc(Buf *buf, char c);
extern void buf_addi(Buf *buf, int64_t number);
extern void buf_addf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void buf_json(Buf *buf, const char *text, size_t len); /* as a JSON string with its quotes */
extern void buf_free(Buf *buf);
extern char *buf_steal(Buf *buf); /* the text, which the caller frees; the buffer is empty again */

extern void *arena_alloc(Arena *arena, size_t size);
extern char *arena_strndup(Arena *arena, const char *text, size_t len);
extern void	 arena_free(Arena *arena);

extern int64_t	now_us(void);		/* since 1970 */
extern int64_t	monotonic_us(void); /* for waiting */
extern uint64_t next_random(uint64_t *state);
extern void		buf_time(Buf *buf, int64_t us); /* 2026-01-31T12:00:00.000000Z */

/* ---------------------------------------------------------------- json.c */

typedef enum JsonType
{
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
} JsonType;

/* A value. Numbers stay the text that they came as. */
typedef struct Json
{
	JsonType	 type;
	const char	*name; /* of an object's member */
	const char	*text; /* string: decoded, NUL-terminated; number: as it came, NUL-terminated */
	size_t		 len;
	struct Json *first; /* of an array or object */
	struct Json *next;
	int			 count; /* of an array's or object's members */
} Json;

/* NULL where the text is not JSON, with a static word on why in *why. Everything lives in the arena. */
extern Json *json_parse(Arena *arena, const char *text, size_t len, const char **why);
extern Json *json_member(const Json *object,
						 const char *name);				   /* NULL if absent or not an object */
extern void	 json_write(Buf *buf, const Json *value);	   /* compact */
extern bool	 json_int(const Json *value, int64_t *result); /* a number without a fraction */
extern Json *json_new(Arena *arena, JsonType type, const char *text, size_t len);
extern void	 json_append(Json *parent, const char *name, Json *child);

/* ---------------------------------------------------------------- decimal.c */

__extension__ typedef __int128
	Decimal; /* in units of 10^-8; arithmetic only, what is shown is the text */

extern Decimal
			decimal_parse(const char *text); /* digits beyond the eighth are cut, size saturates */
extern void decimal_write(Buf *buf, Decimal value); /* at least two decimals, no more than needed */
extern void decimal_round(Buf *buf, Decimal value); /* two decimals exactly, half away from zero */
extern Decimal decimal_percent(Decimal value, Decimal percent);
extern void
money_text(Buf		  *buf,
		   const char *number); /* any JSON number as plain digits, two decimals or more, exact */

/* ---------------------------------------------------------------- facts.c */

/* The fields that the code itself names: F_status, ... */
typedef enum FieldId
{
	F_NONE,
#define FIELD(name) F_##name,
#include "fieldlist.h"
#undef FIELD
	F_COUNT
} FieldId;

extern const char *const field_names[F_COUNT];

typedef enum FieldType
{
	T_STRING,
	T_INTEGER,
	T_NUMBER,
	T_BOOLEAN,
	T_OBJECT,
	T_STRINGS,	/* array of string */
	T_INTEGERS, /* array of integer */
	T_OBJECTS	/* array of object */
} FieldType;

typedef struct Field
{
	const char *name;
	char	   *label; /* "name": with its quotes and colon */
	FieldId		id;
	FieldType	type;
	bool		nullable;
	bool		shown; /* a field of the API; the others are only known inside */
	bool		is_id; /* id or something_id */
	bool		indexed;
} Field;

typedef enum KindId
{
	K_ACCOUNT,
	K_CUSTOMER,
	K_ORDER,
	K_PAYIN,
	K_PAYOUT,
	K_WALLET,
	K_BANKACCOUNT,
	K_CARD,
	K_SUBSCRIPTION,
	K_VERIFICATION,
	K_DOCUMENT,
	K_REFUND,
	K_ADDRESS,
	K_TRANSACTION,
	K_BUNDLE,
	K_COUNT
} KindId;

#define MAX_FIELDS 96

typedef struct Kind
{
	KindId		id;
	const char *schema;	  /* in fields.tsv */
	const char *name;	  /* plural: in paths and summaries */
	const char *word;	  /* singular: in messages */
	bool		by_uuid;  /* paths name it by uuid */
	int64_t		first_id; /* kinds start at different numbers, so that no id passes for another's */
	const char *inner;	  /* names of fields that only the code knows, beside those of the bodies */
	Field		fields[MAX_FIELDS];
	int			nfields;
	int16_t		slot[F_COUNT]; /* FieldId to place in fields, or -1 */
} Kind;

extern Kind kinds[K_COUNT];

typedef enum Where
{
	IN_PATH,
	IN_QUERY,
	IN_BODY
} Where;

typedef struct Param
{
	char	 *name;
	Where	  where;
	FieldType type;
	char	 *format; /* "" for none */
	bool	  required;
	int		  max_length; /* in characters; 0 for none */
	char	 *minimum;	  /* NULL for none */
	char	 *maximum;
	char	**values; /* NULL-terminated, or NULL */
	int		  slot;	  /* in the fields of the operation's result, or -1 */
} Param;

#define MAX_SEGMENTS 6

typedef struct Exchange Exchange;

typedef struct Operation
{
	char  *name;
	char  *method;
	char  *path;
	char  *segments[MAX_SEGMENTS]; /* of the path; those starting with { match anything */
	int	   nsegments;
	char  *result; /* as operations.tsv has it */
	Kind  *kind;   /* of the result, or NULL */
	bool   auth;
	Param *params;
	int	   nparams;
	int	   nbody; /* how many of them are in the body */
	void (*run)(Exchange *x);
} Operation;

extern Operation *operations;
extern int		  noperations;

/* Reads the three tables from dir. Ends the program, with the reason, where they cannot be used. */
extern void			facts_load(const char *dir);
extern Operation   *facts_operation(const char *name);
extern const Param *facts_param(const Operation *op, Where where, const char *name);
extern int			kind_slot(const Kind *kind, const char *name); /* -1 if there is none */

/* ---------------------------------------------------------------- settings.c */

#define MAX_HOOKS 16

typedef struct Hook
{
	char  *url;
	char **events; /* NULL-terminated; "*" is all */
	bool   append_event;
	char **headers; /* "Name: value", NULL-terminated */
} Hook;

typedef struct Settings
{
	bool	 bom;
	bool	 envelope;
	bool	 value_as_string;
	bool	 ids_as_string;
	bool	 flags_as_integer;
	bool	 strict;
	bool	 page_shift;
	bool	 record;
	bool	 webhook_shuffle;
	bool	 webhook_amount_as_string;
	int64_t	 last_page_lies;
	int64_t	 delay_ms;
	int64_t	 rate_limit;
	int64_t	 webhook_duplicate;
	int64_t	 webhook_hold_ms;
	int64_t	 webhook_retry_ms;
	int64_t	 webhook_timeout_ms;
	int64_t	 webhook_attempts;
	int64_t	 auto_release_ms;
	int64_t	 seed;
	Hook	*hooks[MAX_HOOKS];
	int		 nhooks;
	unsigned generation; /* changes whenever answers may look different */
	uint64_t random;
} Settings;

extern Settings settings;

extern void settings_reset(void);
extern const char *
settings_apply(const Json *object); /* NULL, or what is wrong; then nothing has changed */
extern void settings_write(Buf *buf);

/* ---------------------------------------------------------------- store.c */

/* A resource. Values are JSON fragments, NULL where nothing is known. */
typedef struct Row
{
	Kind	*kind;
	int64_t	 id;
	int64_t	 created; /* microseconds since 1970 */
	bool	 deleted;
	bool	 dirty; /* changed since the last store_commit() */
	unsigned cache_generation;
	char	*cache; /* as the API shows it, or NULL */
	size_t	 cache_len;
	char	*values[]; /* one for each field of the kind */
} Row;

typedef struct Table
{
	Row **rows; /* in order of id, which is that of creation */
	int	  nrows;
	int	  capacity;
	int	  ndeleted;
} Table;

extern Table tables[K_COUNT];

extern void store_reset(void);
extern Row *row_create(KindId kind);
extern Row *row_restore(KindId kind, int64_t id, int64_t created); /* from the journal */
extern Row *row_clone(const Row *row);
extern void row_delete(Row *row);
extern Row *row_by_id(KindId kind, int64_t id);			/* NULL if there is none */
extern Row *row_by_uuid(KindId kind, const char *uuid); /* likewise */
extern Row *row_by_hash(KindId kind, const char *hash); /* likewise; hash is what links carry */
extern Row *row_by_path(KindId		kind,
						const char *text); /* by uuid or id, whichever the kind goes by */
extern void row_uuid(const Row *row, char uuid[37]);
extern void row_hash(const Row *row, char hash[33]);

/* Values: _text is the fragment or NULL, _str the decoded string or NULL (valid until the row changes). */
extern const char *row_text(const Row *row, FieldId field);
extern char		  *row_string(const Row *row, FieldId field, Arena *arena);
extern int64_t	   row_int(const Row *row, FieldId field); /* 0 if unset */
extern Decimal	   row_decimal(const Row *row, FieldId field);
extern bool row_is(const Row *row, FieldId field, const char *word); /* a string of plain letters */
extern bool row_true(const Row *row, FieldId field);
extern void row_set_slot(Row *row, int slot, const char *fragment, size_t len);
extern void row_set(Row *row, FieldId field, const char *fragment); /* NULL unsets */
extern void row_set_string(Row *row, FieldId field, const char *text);
extern void row_set_int(Row *row, FieldId field, int64_t number);
extern void row_set_decimal(Row *row, FieldId field, Decimal value);
extern void row_set_now(Row *row, FieldId field);

/* Rows whose indexed field (tag, email, phone) has this fragment, in order of id: calls found() until it says false. */
extern void store_find(KindId kind, int slot, const char *fragment,
					   bool (*found)(Row *row, void *arg), void *arg);

/* Writes what changed since the last time to the journal; how many rows that were. */
extern int store_commit(void);

/* ---------------------------------------------------------------- journal.c */

extern void
journal_open(const char *path); /* reads it back first; ends the program where it cannot */
extern bool journal_is_open(void);
extern void journal_row(const Row *row);
extern void journal_line(const char *line); /* a JSON object of its own, without the newline */
extern void journal_flush(void);			/* write(2)s what has gathered */
extern void journal_reset(void);			/* forgets everything */

/* ---------------------------------------------------------------- render.c */

extern char base_url[64]; /* http://127.0.0.1:PORT */

extern void render_row(Buf *buf, Row *row);
extern void render_inner(Buf *buf, Row *row); /* every value, as the control interface shows it */
extern void render_amount(Buf *buf, Decimal value,
						  const char *currency_fragment); /* "150.00 €" with its quotes */
extern void render_link(Buf *buf, const char *what, const Row *row); /* as a JSON string */
extern Decimal order_fee(const Row *order);

/* ---------------------------------------------------------------- webhook.c */

extern void	   webhook_start(void); /* without the lock: starts the sender's thread */
extern void	   webhook_stop(void);	/* without the lock */
extern void	   webhook_reset(void);
extern void	   webhook_wake(void); /* settings have changed */
extern void	   webhook_event(const char *event, Row *order, Row *payin, Row *payout);
extern int64_t webhook_resend(int64_t seq); /* the seq of the copy; 0: there is no such delivery */
extern int	   webhook_pending(void);		/* also without the lock */
extern void	   webhook_write(Buf *buf, int64_t since, int64_t limit);
extern void	   webhook_restore(const Json *line); /* a line of the journal */
extern bool	   webhook_known_event(const char *name);

/* ---------------------------------------------------------------- wire.c */

extern void wire_start(void); /* without the lock */
extern void wire_stop(void);  /* without the lock: everyone who waits is let go */

/* Without the lock. The exchange goes on after ms milliseconds, in the wire's thread. */
extern void wire_delay(Exchange *x, int64_t ms);
extern void wire_hang(Exchange *x); /* until the peer goes or wire_release() */
extern void wire_drip(Exchange *x, char *bytes, size_t len, size_t at_once,
					  int64_t ms); /* takes bytes over */
extern void wire_until_delivered(Exchange *x, int64_t ms);

extern void wire_release(void); /* lets those go who hang or drip */
extern void wire_release_order(int64_t order_id,
							   int64_t due); /* the order's release at that monotonic time */
extern void wire_reset(void);				 /* forgets those releases */
extern void wire_wake(void);

/* ---------------------------------------------------------------- lifecycle.c */

extern void		   order_set_status(Row *order, const char *status);
extern const char *order_event(const char *status); /* the event that tells of it, or NULL */
extern Row		  *order_payin(Row *order);			/* the last one, or NULL */
extern Row		  *order_payout(Row *order);
extern Row		  *payin_create(Row *order, const char *type);
extern Row		  *payout_create(Row *order, const char *type);
extern Row		  *refund_create(Row *order, Row *payin, Decimal amount);
extern Decimal	   order_refunded(const Row *order);
extern bool		   order_may_be_paid(const Row *order);
extern bool		   order_is_paid(const Row *order);
/* Each of these says false, and changes nothing, where the order's status does not allow it. */
extern bool order_pay(Row *order, Row *payin, const char *outcome);
extern bool order_accept(Row *order);
extern bool order_reject(Row *order);
extern bool order_cancel(Row *order);
extern bool order_validate(Row *order, bool auto_accept);
extern void order_release(Row *order); /* if it still waits for that */
extern void wallet_move(Row *wallet, const char *type, Decimal amount);

/* ---------------------------------------------------------------- exchange.c */

#define MAX_HEADERS 16

typedef enum Stage
{
	STAGE_READING, /* its body */
	STAGE_ARRIVED,
	STAGE_WORK,	  /* the operation is next */
	STAGE_DONE,	  /* an answer is there, perhaps to be delayed */
	STAGE_WAIT,	  /* another thread does what is left */
	STAGE_ANSWER, /* to be handed to the connection */
	STAGE_CLOSE	  /* the connection is to be dropped */
} Stage;

typedef struct Arg
{
	const char *name;
	const char *value;
	struct Arg *next;
} Arg;

typedef struct Rule	  Rule;
typedef struct Record Record;

/* A request on its way. */
struct Exchange
{
	struct MHD_Connection *connection;
	int					   fd; /* of the connection */
	Stage				   stage;
	bool				   suspended; /* the connection is, and this exchange is another thread's */
	Arena				   arena;
	char				  *uri; /* as it came */
	char				  *method;
	char				  *path;  /* as it came, without the query */
	char				  *query; /* as it came, "" for none */
	Arg					  *args;  /* the query, decoded */
	Buf					   body;
	bool				   too_large;
	char				  *authorization;
	char				  *content_type;

	Operation  *op; /* NULL: not one of the API */
	const char *path_args[4];
	int			npath_args;
	Json	   *json; /* the body, or NULL */
	Record	   *record;
	Rule	   *rule; /* a copy in the arena, or NULL */

	int			status;
	Buf			out;
	const char *content_kind;
	const char *headers[MAX_HEADERS][2];
	int			nheaders;
	Buf			errors; /* fields refused: the inside of an object */
	int			nerrors;
};

extern void exchange_arrived(
	Exchange *x); /* without the lock: reads, records, and does what can be done at once */
extern void exchange_go_on(Exchange *x); /* without the lock: after a delay */
extern void exchange_free(Exchange *x);	 /* without the lock */

extern void reply_row(Exchange *x, Row *row);
extern void reply_raw(Exchange *x, int status); /* what is in out is the answer */
extern void reply_error(Exchange *x, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern void reply_missing(Exchange *x, const char *word);
extern void refuse(Exchange *x, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern void		   reply_refused(Exchange *x,
								 int	   status); /* the validation shape, with what was refuse()d */
extern void		   reply_status(Exchange *x, const Row *order,
								const char *what); /* an order in the wrong status */
extern void		   add_header(Exchange *x, const char *name, const char *value);
extern char		  *url_decode(Arena *arena, const char *text, size_t len, bool plus_is_space);
extern const char *exchange_arg(const Exchange *x, const char *name);

/* ---------------------------------------------------------------- form.c */

extern bool read_form(
	Exchange *x); /* a form body becomes x->json; false: it cannot be, and the answer is there */

/* ---------------------------------------------------------------- validate.c */

extern bool validate(Exchange *x); /* false: the answer is there */

extern void		   apply_body(Exchange *x, Row *row); /* the body's members that are fields */
extern Json		  *body_member(const Exchange *x, const char *name); /* NULL if absent or null */
extern int64_t	   body_int(const Exchange *x, const char *name, int64_t otherwise);
extern const char *body_string(const Exchange *x, const char *name);
extern bool		   body_true(const Exchange *x, const char *name);
extern bool		   is_date(const char *text, size_t len);

/* ---------------------------------------------------------------- list.c */

typedef bool (*RowFilter)(const Row *row, const void *arg);

extern void list_pages(Exchange *x, KindId kind, RowFilter filter,
					   const void *arg); /* with the pages' numbers */
extern void list_all(Exchange *x, KindId kind, RowFilter filter, const void *arg); /* without */

/* ---------------------------------------------------------------- ops_*.c */

typedef struct OperationEntry
{
	const char *name;
	void (*run)(Exchange *x);
} OperationEntry;

extern const OperationEntry order_operations[];
extern const OperationEntry payment_operations[];
extern const OperationEntry customer_operations[];
extern const OperationEntry money_operations[];
extern const OperationEntry account_operations[];

extern Row *path_row(Exchange *x, KindId kind,
					 int number); /* the row that the path names, or NULL: answered */
extern void apply_verification(Exchange *x, Row *verification);
extern void accounts_seed(void);		 /* the account that is there from the start */
extern void op_direct_link(Exchange *x); /* POST to a payin's direct_link */
extern void op_buyer_page(Exchange *x);	 /* the order's buyer_link */

/* ---------------------------------------------------------------- rules.c */

typedef enum Misdeed
{
	DO_DELAY,
	DO_DROP,
	DO_RESET,
	DO_TRUNCATE,
	DO_GARBAGE,
	DO_STATUS,
	DO_DRIP,
	DO_HANG,
	DO_SLOW_HEADERS
} Misdeed;

struct Rule
{
	int64_t	 id;
	char	*operation; /* NULL: any */
	char	*method;
	char	*path;
	int64_t	 after;
	int64_t	 times; /* 0: for ever */
	Misdeed	 misdeed;
	bool	 when_after;
	int64_t	 ms;
	int		 status;
	char	*body; /* NULL: of the rule's own making */
	char	*headers[MAX_HEADERS][2];
	int		 nheaders;
	double	 probability;
	uint64_t random;
	int64_t	 hits;
	Rule	*next;
};

/* ---------------------------------------------------------------- misdeed.c */

extern bool
misbehave(Exchange *x); /* without the lock; true: x is now the waiting thread's, hands off */

extern bool rules_tls; /* the wire is encrypted: misdeeds on the raw socket are refused */

extern const char *rules_add(const Json *object, int64_t *id); /* NULL, or what is wrong */
extern void		   rules_clear(void);
extern void		   rules_write(Buf *buf);
extern void		   rules_pick(Exchange *x); /* sets x->rule */

/* ---------------------------------------------------------------- recorder.c */

extern Record *recorder_note(Exchange *x);
extern void	   recorder_done(Record *record, int status, bool effect);
extern void	   recorder_left(Record *record); /* the exchange is over */
extern void	   recorder_clear(void);
extern void	   recorder_write(Buf *buf, const char *operation, int64_t since, int64_t limit);
extern void	   recorder_counts(Buf *buf, const char *operation);

/* ---------------------------------------------------------------- control.c */

extern void control(
	Exchange
		*x); /* without the lock: answers x, or leaves it waiting (then its stage is STAGE_WORK) */

/* ---------------------------------------------------------------- http.c */

typedef struct HttpOptions
{
	int			port; /* 0: a free one */
	int			threads;
	const char *cert; /* files, or NULL */
	const char *key;
	char	  **keys; /* NULL-terminated: the bearers that are taken; NULL: any of the right form */
} HttpOptions;

extern HttpOptions http_options;

extern int	http_start(void); /* the port; ends the program where it cannot */
extern void http_stop(void);
extern void http_resume(Exchange *x); /* its stage says what comes next */

#endif /* TRUUST_SIM_H */
