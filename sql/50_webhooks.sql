-- Webhooks: how they come in, what is done about them, and by whom.

-- A fresh database is at home here; data that moves keeps this row (see truust.homes).
CREATE FUNCTION truust.home_here(OUT system_identifier bigint, OUT database_oid oid)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_home_here';
COMMENT ON FUNCTION truust.home_here() IS 'Where this database is: the cluster''s system identifier and the database''s OID. At commit it tells the launcher that workers can start here.';

INSERT INTO truust.homes (system_identifier, database_oid)
SELECT h.system_identifier, h.database_oid FROM truust.home_here() AS h;

CREATE FUNCTION truust.arrival()
RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'truust_arrival';
COMMENT ON FUNCTION truust.arrival() IS 'Trigger of truust.requests and truust.orders (truust.intake() does it for truust.webhooks): a row that was not made here and now is one of a dump; with the first of them the database waits for truust_resume(), and a warning says so. It holds for a row that somebody inserts with a time of its own, too.';

CREATE TRIGGER arrival BEFORE INSERT ON truust.orders
    FOR EACH ROW EXECUTE FUNCTION truust.arrival('noted_at');
CREATE TRIGGER arrival BEFORE INSERT ON truust.requests
    FOR EACH ROW EXECUTE FUNCTION truust.arrival('created_at');
ALTER TABLE truust.orders ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE truust.requests ENABLE ALWAYS TRIGGER arrival;

CREATE TYPE truust_event AS (
    id bigint,
    event text,
    order_id bigint,
    status text,
    previous_status text,
    server text,
    source text,
    webhook_id bigint,
    payin_id bigint,
    payout_id bigint,
    received_at timestamptz,
    body jsonb
);
COMMENT ON TYPE truust_event IS 'What a handler is given: an event as truust.events has it, and the body (what the API says, where truust.webhook_trust is fetch).';

-- The state machine, callable

CREATE FUNCTION truust.order_state_verdict(status text, told text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_order_state_verdict_sql';
COMMENT ON FUNCTION truust.order_state_verdict(text, text) IS 'What an order with a status (NULL or empty: not known yet) does when it is told another: move, stay or stale. A status that is not known here moves.';

CREATE FUNCTION truust.payment_state_verdict(status text, told text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_payment_state_verdict_sql';
COMMENT ON FUNCTION truust.payment_state_verdict(text, text) IS 'The same for a payin, payout or refund.';

CREATE FUNCTION truust.order_state_event(status text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_order_state_event_sql';
COMMENT ON FUNCTION truust.order_state_event(text) IS 'Name of the event of an order''s arriving at a status; NULL for an empty one, which is none.';

CREATE FUNCTION truust.event_name(sent_as text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_event_name_sql';
COMMENT ON FUNCTION truust.event_name(text) IS 'An event''s name as this extension spells it: EscrowPublished, "Order Published" and order-published are order.published.';

-- Intake

CREATE FUNCTION truust.intake()
RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'truust_intake';
COMMENT ON FUNCTION truust.intake() IS 'Trigger of truust.webhooks: refuses a body, event or headers over truust.max_webhook_size (54000) unless a dump brings it back, reads which orders it names, notes the server that truust.server names if the insert names none, wakes the worker at the commit.';

CREATE TRIGGER intake BEFORE INSERT ON truust.webhooks
    FOR EACH ROW EXECUTE FUNCTION truust.intake();

CREATE FUNCTION truust_receive_webhook(body bytea, event text DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_receive_webhook';
COMMENT ON FUNCTION truust_receive_webhook(bytea, text, jsonb) IS 'Takes a webhook in: durable at the commit, applied after it. body: as it came, byte for byte; event: the sender''s name for it (NULL: the body says); headers: whatever is worth keeping. It belongs to the server that truust.server names. Returns its id. Error: 54000 over truust.max_webhook_size.';

CREATE FUNCTION truust_receive_webhook(body text, event text DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_receive_webhook_text';
COMMENT ON FUNCTION truust_receive_webhook(text, text, jsonb) IS 'The same for a body given as text, which is kept in UTF-8, as JSON is sent, whatever the database''s encoding (as it is in a database of SQL_ASCII).';

-- Handlers

CREATE FUNCTION truust_on(event text, handler regprocedure)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_on';
COMMENT ON FUNCTION truust_on(text, regprocedure) IS 'Registers a function f(truust_event) to be called for an event (* for all), in the transaction that applies it and with the rights and the search_path of the role that registers it; truust.server names the account of the event. Errors: 22023 no name, or a function of another shape; 42501 without EXECUTE on it; 42P13 a temporary function.';

CREATE FUNCTION truust_off(event text, handler regprocedure)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_off';
COMMENT ON FUNCTION truust_off(text, regprocedure) IS 'Unregisters what truust_on() registered; false if it was not.';

-- Operators

CREATE FUNCTION truust_retry_webhook(id bigint)
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_retry_webhook';
COMMENT ON FUNCTION truust_retry_webhook(bigint) IS 'Tries a webhook that waits or is dead once more, at once. Error: P0002 there is none.';

CREATE FUNCTION truust_discard_webhook(id bigint, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_discard_webhook';
COMMENT ON FUNCTION truust_discard_webhook(bigint, text) IS 'Takes a webhook out of the intake without applying it; the server''s log keeps who did it and why. Events of its order that waited behind it go on. Error: P0002 there is none.';

CREATE FUNCTION truust_replay(order_id bigint)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_replay';
COMMENT ON FUNCTION truust_replay(bigint) IS 'Queues the applied events of an order''s history (without history: its present status) for handlers, attached tables and listeners once more, with source replay; the order itself stays as it is. It is the order of the server that truust.server names: one of the same id at another server is not touched. Returns how many (0: it has no history and no status). Error: P0002 that server''s order is not known.';

CREATE FUNCTION truust_sync_orders(
    since timestamptz,
    OUT order_id bigint,
    OUT server text,
    OUT known_status text,
    OUT status text
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_sync_orders';
COMMENT ON FUNCTION truust_sync_orders(timestamptz) IS 'Compares the orders that were created since then (NULL: ever), and all unfinished ones that are known, with the API, and queues what had drifted to be applied like webhooks. Returns that: what was known (NULL: nothing) and what the API says. An order that the API does not know is left as it is, with a warning. Uses the key of the caller or of the server''s owner. Errors: those of truust_list_orders().';

CREATE FUNCTION truust_pause(what text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_pause';
COMMENT ON FUNCTION truust_pause(text, text) IS 'Stops work on webhooks or requests after the batch in hand, until truust_resume(): new rows wait. Error: 22023 for anything else.';

CREATE FUNCTION truust_resume(what text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_resume';
COMMENT ON FUNCTION truust_resume(text) IS 'Ends truust_pause() of webhooks or requests. In a restored or copied database it says that the data lives here from now on: what is not resumed stays paused. Error: 22023 for anything else.';

-- Workers

CREATE PROCEDURE truust_drain()
LANGUAGE C
AS 'MODULE_PATHNAME', 'truust_drain';
COMMENT ON PROCEDURE truust_drain() IS 'Does the workers'' work in this session until nothing is due: webhooks, deferred requests, their on_done. Commits as it goes. Error: 2D000 inside a transaction block.';

CREATE FUNCTION truust_start_worker()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_start_worker';
COMMENT ON FUNCTION truust_start_worker() IS 'Starts the workers of this database that are not running; they stay until the server stops (with truust in shared_preload_libraries they start by themselves). Returns how many are running then. Error: 53400 no free slot of max_worker_processes.';

CREATE FUNCTION truust_stop_worker()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_stop_worker';
COMMENT ON FUNCTION truust_stop_worker() IS 'Stops the workers of this database, and waits for them; truust_start_worker() or a restart of the server starts them again. Returns how many stopped.';
