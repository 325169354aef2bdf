-- The outbox: requests that exist if, and only if, the transaction that left
-- them commits, and that the worker sends after it.

CREATE UNIQUE INDEX requests_key ON truust.requests (role_oid, key) WHERE key IS NOT NULL;
CREATE INDEX requests_queued ON truust.requests (server, role, next_attempt_at, id) WHERE state = 'queued';
CREATE INDEX requests_sending ON truust.requests (next_attempt_at, id) WHERE state = 'sending';
CREATE INDEX requests_groups ON truust.requests (sequence_group, id)
    WHERE sequence_group IS NOT NULL AND state IN ('queued', 'sending', 'uncertain');
CREATE INDEX requests_completions ON truust.requests (next_attempt_at, id) WHERE done_state = 'pending';
CREATE INDEX requests_troubled ON truust.requests (id) WHERE state = 'uncertain' OR done_state = 'dead';
CREATE INDEX requests_finished ON truust.requests (finished_at)
    WHERE state IN ('done', 'failed') AND coalesce(done_state, 'done') = 'done';

CREATE FUNCTION truust_enqueue(operation text, args jsonb DEFAULT '{}', key text DEFAULT NULL, on_done regprocedure DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_enqueue';
COMMENT ON FUNCTION truust_enqueue(text, jsonb, text, regprocedure) IS 'Leaves a request for the worker, which sends it after this transaction has committed, once. operation: a function''s name without truust_; args: its parameters by name; key: the same key again returns the first request''s id, and in a key like ''cart-17#pay'' the part before # names a group whose requests are sent one after the other (where the arguments name an order, payin, payout, customer, ..., that is the group instead); on_done: a function of one argument truust.requests that is called with the caller''s rights when the request has ended, and whose own calls go to the same server. Returns the request''s id. Raises 22023 for an unknown operation, parameter or a value that does not fit, 22004 for a missing parameter, 42P13 for an on_done that no worker can call, 42704 where server or key are missing.';

CREATE FUNCTION truust_retry_request(id bigint)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_retry_request';
COMMENT ON FUNCTION truust_retry_request(bigint) IS 'Sends a failed request again, or an uncertain one that is known not to have been executed; of one whose on_done or attached row failed, repeats only that. Raises P0002 for an unknown id, 55000 for a request in another state.';

CREATE FUNCTION truust_cancel_request(id bigint)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_cancel_request';
COMMENT ON FUNCTION truust_cancel_request(bigint) IS 'Takes back a queued request: it ends as failed and is never sent. Raises P0002 for an unknown id, 55000 for a request that is not queued.';

CREATE FUNCTION truust_resolve_request(id bigint, response jsonb)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_resolve_request';
COMMENT ON FUNCTION truust_resolve_request(bigint, jsonb) IS 'Ends an uncertain request by what a person found out at Truust. response: the resource that it created or changed, alone or as the whole answer of the API (the request is done), or NULL: it was not executed and shall not be (the request has failed). Raises P0002 for an unknown id, 55000 for a request that is not uncertain, 22023 for a response without the id (or uuid) of the resource that the operation returns.';

CREATE FUNCTION truust.guard_drop()
RETURNS event_trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_guard_drop';
COMMENT ON FUNCTION truust.guard_drop() IS 'Refuses DROP EXTENSION truust (without CASCADE) while requests are pending.';

CREATE EVENT TRIGGER truust_guard_drop ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION')
    EXECUTE FUNCTION truust.guard_drop();
COMMENT ON EVENT TRIGGER truust_guard_drop IS 'Keeps pending requests of the truust extension from being dropped by accident.';

-- A role sees its own rows; who may repeat requests sees all of them.
ALTER TABLE truust.requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_requests ON truust.requests FOR SELECT
    USING (role_oid = (SELECT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid));
CREATE POLICY all_requests ON truust.requests FOR SELECT
    USING ((SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE')));

-- The same for views, which read the table with the rights of their owner.
CREATE VIEW truust.visible_requests WITH (security_barrier) AS
    SELECT r.id, r.operation, r.args, r.role, r.server, r.state, r.attempts, r.next_attempt_at, r.created_at, r.sent_at,
           r.finished_at, r.error, r.done_state, r.done_attempts, r.done_error, n.order_id
      FROM truust.requests AS r
           CROSS JOIN LATERAL (SELECT CASE r.operation WHEN 'create_order' THEN r.response ->> 'id' ELSE r.args ->> 'order_id' END) AS t (id)
           CROSS JOIN LATERAL (SELECT CASE WHEN t.id ~ '^[0-9]{1,18}$' THEN t.id::bigint END) AS n (order_id)
     WHERE r.role_oid = (SELECT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid)
        OR (SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE'));
COMMENT ON VIEW truust.visible_requests IS 'The requests that the current role may see: its own, and all if it may repeat them. What truust.pending and truust.dead_letters are made of.';
