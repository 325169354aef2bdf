\echo Use "ALTER EXTENSION truust UPDATE TO '0.2'" to load this file. \quit

-- What 0.2 has and 0.1 has not. test/t/050_upgrade.pl compares the outcome with a new installation, object by object; comments
-- come from the other parts (Makefile).

-- What reads and writes these tables waits for all of it at once. Who has one of them and wants another gets it before the server would
-- call that a deadlock.
DO $$
DECLARE
    patience CONSTANT text := pg_catalog.current_setting('lock_timeout');
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
    FOR attempt IN 1 .. 100 LOOP
        BEGIN
            LOCK TABLE truust.webhooks, truust.requests, truust.orders, truust.attachments, truust.handlers, truust.homes, truust.request_places
                IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt OPERATOR(pg_catalog.=) 100 THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    PERFORM pg_catalog.set_config('lock_timeout', patience, true);
END
$$;

-- A way that is made dear by enable_seqscan is not worth compiling.
ALTER FUNCTION truust.measure(text, bigint) SET jit = off;

-- A body may name several orders.
ALTER TABLE truust.webhooks ADD COLUMN order_ids bigint[];
DROP INDEX truust.webhooks_waiting;
CREATE INDEX webhooks_waiting ON truust.webhooks (order_id, id) WHERE state = 'retry';
CREATE INDEX webhooks_of_several ON truust.webhooks USING gin (order_ids) WITH (fastupdate = off) WHERE order_ids IS NOT NULL;

-- Where somebody publishes all tables, those without a key can be changed nevertheless.
ALTER TABLE truust.homes REPLICA IDENTITY FULL;
ALTER TABLE truust.request_places REPLICA IDENTITY FULL;

-- What is restored counts as such from its first row on.
CREATE FUNCTION truust.arrival()
RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'truust_arrival';
REVOKE ALL ON FUNCTION truust.arrival() FROM PUBLIC;
CREATE TRIGGER arrival BEFORE INSERT ON truust.orders
    FOR EACH ROW EXECUTE FUNCTION truust.arrival('noted_at');
CREATE TRIGGER arrival BEFORE INSERT ON truust.requests
    FOR EACH ROW EXECUTE FUNCTION truust.arrival('created_at');
ALTER TABLE truust.orders ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE truust.requests ENABLE ALWAYS TRIGGER arrival;

-- A body given as text is kept in UTF-8.
CREATE OR REPLACE FUNCTION truust_receive_webhook(body text, event text DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_receive_webhook_text';

-- Whoever has the privilege read may read truust.stats too.
CREATE OR REPLACE VIEW truust.privileges AS
    WITH named (privilege, name) AS (
        SELECT 'api', 'truust_' || e.name FROM truust.endpoints() e
        UNION ALL
        VALUES ('api', 'truust_get_orders'),
               ('api', 'truust_get_payins'),
               ('api', 'truust_get_payouts'),
               ('api', 'truust_get_customers'),
               ('api', 'truust_charge_direct_link'),
               ('api', 'truust_enqueue'),
               ('api', 'truust_cancel_request'),
               ('api', 'endpoints'),
               ('intake', 'truust_receive_webhook'),
               ('read', 'truust_status'),
               ('read', 'stats_rows'),
               ('operate', 'truust_status'),
               ('operate', 'truust_retry_webhook'),
               ('operate', 'truust_discard_webhook'),
               ('operate', 'truust_replay'),
               ('operate', 'truust_sync_orders'),
               ('operate', 'truust_pause'),
               ('operate', 'truust_resume'),
               ('operate', 'truust_retry_request'),
               ('operate', 'truust_cancel_request'),
               ('operate', 'truust_resolve_request'),
               ('operate', 'truust_attach'),
               ('operate', 'truust_detach'),
               ('operate', 'attached'),
               ('operate', 'truust_on'),
               ('operate', 'truust_off'),
               ('operate', 'truust_drain'),
               ('operate', 'truust_start_worker'),
               ('operate', 'truust_stop_worker')
    ), tables (privilege, name, rights) AS (
        VALUES ('api', 'requests', 'SELECT'),
               ('intake', 'webhooks', 'INSERT (received_at, event, headers, body, server)'),
               ('read', 'orders', 'SELECT'),
               ('read', 'payins', 'SELECT'),
               ('read', 'payouts', 'SELECT'),
               ('read', 'events', 'SELECT'),
               ('read', 'webhooks', 'SELECT'),
               ('read', 'requests', 'SELECT'),
               ('read', 'handlers', 'SELECT'),
               ('read', 'attachments', 'SELECT'),
               ('read', 'pauses', 'SELECT'),
               ('read', 'dead_letters', 'SELECT'),
               ('read', 'pending', 'SELECT'),
               ('read', 'stats', 'SELECT'),
               ('operate', 'requests', 'SELECT'),
               ('operate', 'dead_letters', 'SELECT'),
               ('operate', 'pending', 'SELECT'),
               ('operate', 'pauses', 'SELECT'),
               ('operate', 'handlers', 'SELECT'),
               ('operate', 'attachments', 'SELECT')
    )
    SELECT n.privilege,
           CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::pg_catalog.regprocedure AS object,
           'EXECUTE' AS rights
      FROM named n
      JOIN pg_catalog.pg_proc p ON p.proname = n.name
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid AND x.extname = 'truust'
    UNION ALL
    SELECT t.privilege, 'TABLE truust.' || pg_catalog.quote_ident(t.name), t.rights FROM tables t;

-- A role that cannot reach the functions is warned of.
CREATE OR REPLACE FUNCTION truust_grant(privilege text, role name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema CONSTANT name := (SELECT n.nspname FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
                              WHERE x.extname = 'truust');
BEGIN
    PERFORM truust.change_privileges('GRANT', privilege, role);
    -- the schema is not the extension's own, so that nothing of it is granted
    IF NOT pg_catalog.has_schema_privilege(role, schema, 'USAGE') THEN
        RAISE WARNING 'role "%" has no USAGE on schema "%", in which the functions are', role, schema
            USING HINT = pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', schema, role);
    END IF;
END
$$;

CREATE FUNCTION truust_renew_privileges()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT p.privilege, a.rolname
          FROM pg_catalog.unnest(ARRAY['api', 'intake', 'read', 'operate']) AS p (privilege), pg_catalog.pg_roles a
         WHERE truust.holds_privilege(p.privilege, a.rolname)
           AND a.oid <> (SELECT x.extowner FROM pg_catalog.pg_extension x WHERE x.extname = 'truust')
    LOOP
        PERFORM truust.change_privileges('GRANT', r.privilege, r.rolname);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION truust_renew_privileges() FROM PUBLIC;

-- Requests that wait or failed tell the order that they concern.
CREATE OR REPLACE VIEW truust.visible_requests WITH (security_barrier) AS
    SELECT r.id, r.operation, r.args, r.role, r.server, r.state, r.attempts, r.next_attempt_at, r.created_at, r.sent_at,
           r.finished_at, r.error, r.done_state, r.done_attempts, r.done_error, n.order_id
      FROM truust.requests AS r
           CROSS JOIN LATERAL (SELECT CASE r.operation WHEN 'create_order' THEN r.response ->> 'id' ELSE r.args ->> 'order_id' END) AS t (id)
           CROSS JOIN LATERAL (SELECT CASE WHEN t.id ~ '^[0-9]{1,18}$' THEN t.id::bigint END) AS n (order_id)
     WHERE r.role = CURRENT_USER
        OR (SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE'));

CREATE OR REPLACE VIEW truust.dead_letters AS
    SELECT 'webhook'::text AS kind, w.id, w.received_at AS since, w.error AS reason, w.order_id, w.server,
           w.event AS operation, w.attempts, w.body, NULL::jsonb AS args, NULL::name AS role
      FROM truust.webhooks AS w
     WHERE w.state = 'dead'
    UNION ALL
    SELECT 'request', r.id, r.sent_at, r.error, r.order_id, r.server, r.operation, r.attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.state = 'uncertain'
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_error, r.order_id, r.server, r.operation, r.done_attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'dead';

CREATE OR REPLACE VIEW truust.pending AS
    SELECT 'webhook'::text AS kind, w.id, w.received_at AS since, w.state, w.order_id, w.server,
           w.event AS operation, w.attempts, w.next_attempt_at, w.error, NULL::name AS role
      FROM truust.webhooks AS w
     WHERE w.state <> 'dead'
    UNION ALL
    SELECT 'request', r.id, r.created_at, r.state, r.order_id, r.server, r.operation, r.attempts, r.next_attempt_at, r.error, r.role
      FROM truust.visible_requests AS r
     WHERE r.state IN ('queued', 'sending')
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_state, r.order_id, r.server, r.operation, r.done_attempts, r.next_attempt_at, r.done_error, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'pending';

-- Rows belong to a role by its OID.

CREATE FUNCTION truust.role_oid(role name)
RETURNS oid
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_role_oid';
REVOKE ALL ON FUNCTION truust.role_oid(name) FROM PUBLIC;

CREATE FUNCTION truust.role_name(role_oid oid, role name)
RETURNS name
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_role_name_sql';
REVOKE ALL ON FUNCTION truust.role_name(oid, name) FROM PUBLIC;

CREATE TABLE truust.roles_seen (
    digest bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
ALTER TABLE truust.roles_seen REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('truust.roles_seen', '');

ALTER TABLE truust.requests ADD COLUMN role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED;
ALTER TABLE truust.orders ADD COLUMN role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED;
ALTER TABLE truust.attachments ADD COLUMN role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED;
ALTER TABLE truust.handlers ADD COLUMN role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED;

DROP INDEX truust.requests_key;
CREATE UNIQUE INDEX requests_key ON truust.requests (role_oid, key) WHERE key IS NOT NULL;

ALTER POLICY own_requests ON truust.requests
    USING (role_oid = (SELECT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid));

CREATE OR REPLACE VIEW truust.visible_requests WITH (security_barrier) AS
    SELECT r.id, r.operation, r.args, r.role, r.server, r.state, r.attempts, r.next_attempt_at, r.created_at, r.sent_at,
           r.finished_at, r.error, r.done_state, r.done_attempts, r.done_error, n.order_id
      FROM truust.requests AS r
           CROSS JOIN LATERAL (SELECT CASE r.operation WHEN 'create_order' THEN r.response ->> 'id' ELSE r.args ->> 'order_id' END) AS t (id)
           CROSS JOIN LATERAL (SELECT CASE WHEN t.id ~ '^[0-9]{1,18}$' THEN t.id::bigint END) AS n (order_id)
     WHERE r.role_oid = (SELECT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid)
        OR (SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE'));
