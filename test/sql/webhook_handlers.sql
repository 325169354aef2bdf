-- Handlers: what they are given, whose rights they have, and what they cannot do with them.
\set VERBOSITY terse
\pset format unaligned
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SET truust.webhook_trust = 'body';
SET truust.retry_delay = '1h';
CREATE ROLE regress_truust_shop;
CREATE ROLE regress_truust_other;
CREATE SCHEMA shop AUTHORIZATION regress_truust_shop;
SELECT truust_grant('operate', 'regress_truust_shop');
CREATE TEMP VIEW failed AS SELECT order_id, state, attempts, regexp_replace(error, ' \(SQLSTATE.*', '') AS error FROM truust.webhooks ORDER BY id;
--
-- What can be one.
--
SET ROLE regress_truust_shop;
SET search_path = shop, public;
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, who name, session name, path text, event truust_event);
CREATE FUNCTION note(truust_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen (who, session, path, event) VALUES (current_user, session_user, current_setting('search_path'), $1);
END $$;
CREATE FUNCTION note_sql(e truust_event) RETURNS int LANGUAGE sql AS $$ INSERT INTO shop.seen (who, event) VALUES ('sql', e); SELECT 1 $$;
CREATE FUNCTION two(truust_event, int) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION other(text) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION several(truust_event) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE proc(truust_event) LANGUAGE sql AS '';
SELECT truust_on('order.published', 'two(truust_event, int)');
SELECT truust_on('order.published', 'other(text)');
SELECT truust_on('order.published', 'several(truust_event)');
SELECT truust_on('order.published', 'proc(truust_event)');
SELECT truust_on('', 'note(truust_event)');
SELECT truust_on(NULL, 'note(truust_event)');
SELECT truust_on('order.published', NULL);
SELECT truust_on('order.published', 'nowhere(truust_event)');
RESET ROLE;
CREATE FUNCTION shop.owners(truust_event) RETURNS void LANGUAGE sql AS '';
REVOKE ALL ON FUNCTION shop.owners(truust_event) FROM PUBLIC;
SET ROLE regress_truust_shop;
SELECT truust_on('order.published', 'owners(truust_event)');
-- Nobody but this session sees what is temporary: every event would fail.
CREATE FUNCTION pg_temp.passing(truust_event) RETURNS void LANGUAGE sql AS '';
\set VERBOSITY sqlstate
SELECT truust_on('*', 'pg_temp.passing(truust_event)');
\set VERBOSITY terse
DROP FUNCTION pg_temp.passing(truust_event);
-- A name in the sender's spelling is the same event; twice is once.
SELECT truust_on('EscrowPublished', 'note(truust_event)');
SELECT truust_on('order.published', 'note(truust_event)');
SELECT truust_on('*', 'note_sql(truust_event)');
RESET ROLE;
RESET search_path;
SELECT event, handler, role, search_path FROM truust.handlers ORDER BY event;
--
-- What it is given, and as whom it runs.
--
SELECT truust_receive_webhook('[{"escrow": {"id": "1", "status": "PUBLISHED"}, "payin": {"id": 11, "status": "CONFIRMED"}, "platform": "x"}]', 'EscrowPublished');
SELECT truust_receive_webhook('[{"escrow": {"id": "1", "status": "PUBLISHED"}, "payin": {"id": 11, "status": "CONFIRMED"}, "platform": "x"}]', 'EscrowPublished');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "DRAFT"}}');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "ACCEPTED"}}');
CALL truust_drain();
SELECT n, who, session = session_user AS session, path, (event).id, (event).event, (event).order_id, (event).status, (event).previous_status, (event).server, (event).source,
       (event).webhook_id, (event).payin_id, (event).payout_id, (event).received_at IS NOT NULL AS received, (event).body FROM shop.seen ORDER BY n;
SELECT truust_off('order.published', 'shop.note(truust_event)'), truust_off('order.published', 'shop.note(truust_event)'), truust_off('*', 'shop.note_sql(truust_event)');
SELECT * FROM failed;
--
-- A handler that fails undoes its event, and only that.
--
CREATE FUNCTION shop.picky(e truust_event) RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
    INSERT INTO shop.seen (who) VALUES ('picky ' || e.order_id);
    IF e.order_id % 3 = 0 THEN RAISE EXCEPTION 'no order % today', e.order_id; END IF;
END $$;
TRUNCATE shop.seen;
SELECT truust_on('*', 'shop.picky(truust_event)');
INSERT INTO truust.webhooks (body) SELECT convert_to(format('{"escrow": {"id": %s, "status": "%s"}}', 1000 + g, s), 'UTF8') FROM generate_series(1, 20) g, unnest(ARRAY['PUBLISHED', 'ACCEPTED']) s ORDER BY s DESC, g;
CALL truust_drain();
SELECT * FROM failed;
SELECT count(*), count(*) FILTER (WHERE status = 'ACCEPTED') AS accepted, count(*) FILTER (WHERE id % 3 = 0) AS of_three FROM truust.orders WHERE id > 1000;
SELECT count(*), count(DISTINCT who) FROM shop.seen WHERE who LIKE 'picky%';
SELECT count(*) FROM truust.events WHERE order_id > 1000;
SELECT truust_off('*', 'shop.picky(truust_event)');
TRUNCATE truust.webhooks, shop.seen;
--
-- A role that would like to be more than it is.
--
CREATE TABLE treasure (owner name);
CREATE FUNCTION shop.attempt(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE what;
    RETURN 'done as ' || current_user;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
CREATE TABLE shop.attempts (what text PRIMARY KEY, result text);
ALTER TABLE shop.attempts OWNER TO regress_truust_shop;
SET ROLE regress_truust_shop;
SET search_path = shop, public;
INSERT INTO attempts VALUES ('INSERT INTO public.treasure VALUES (current_user)'), ('SET ROLE regress_truust_other'), ('RESET ROLE'), ('SET SESSION AUTHORIZATION DEFAULT'),
    ('RESET SESSION AUTHORIZATION'), ('SET LOCAL ROLE NONE'), ($$SELECT set_config('role', 'none', false)$$), ('CREATE ROLE regress_truust_mine SUPERUSER'), ('ALTER ROLE regress_truust_shop SUPERUSER'),
    ('COPY public.treasure TO PROGRAM ''true'''), ('SELECT pg_read_file(''postgresql.conf'')'), ('DELETE FROM truust.handlers'), ('UPDATE truust.orders SET status = ''RELEASED'''), ('INSERT INTO truust.events (event, outcome, source) VALUES (''x'', ''applied'', ''webhook'')'),
    ('CREATE TEMP TABLE trap (a int)'), ('LISTEN truust'), ('COMMIT'), ('ROLLBACK'), ('CALL truust_drain()'), ('DECLARE c CURSOR WITH HOLD FOR SELECT 1'), ('SET search_path = pg_catalog'),
    ('ALTER SYSTEM SET work_mem = 1'), ('SET truust.webhook_trust = ''body'''), ('LOAD ''truust''');
CREATE FUNCTION escalate(truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE attempts SET result = attempt(what); END $$;
SELECT truust_on('*', 'escalate(truust_event)');
RESET ROLE;
RESET search_path;
SELECT truust_receive_webhook('{"escrow": {"id": 2000, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT what, CASE WHEN result LIKE 'done%' THEN result ELSE 'refused' END AS result FROM shop.attempts ORDER BY what;
SELECT * FROM treasure;
SELECT current_user = session_user AS same_user, rolsuper FROM pg_roles WHERE rolname = current_user;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_truust_shop';
SHOW search_path;
SELECT truust_off('*', 'shop.escalate(truust_event)');
-- What a session of somebody else has in its temporary schema does not stand in for the role's tables.
SET ROLE regress_truust_shop;
SET search_path = shop;
CREATE FUNCTION trapped(public.truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (who) VALUES ('trapped'); END $$;
SELECT public.truust_on('*', 'trapped(public.truust_event)');
RESET ROLE;
RESET search_path;
CREATE TEMP TABLE seen (who name);
SELECT truust_receive_webhook('{"escrow": {"id": 2001, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT (SELECT count(*) FROM pg_temp.seen) AS in_the_trap, (SELECT count(*) FROM shop.seen) AS in_the_table;
DROP TABLE pg_temp.seen;
-- Constraints that are deferred are checked at once, so that they do not fail for running here.
CREATE TABLE shop.parents (id int PRIMARY KEY);
CREATE TABLE shop.children (parent int REFERENCES shop.parents DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE shop.parents OWNER TO regress_truust_shop;
ALTER TABLE shop.children OWNER TO regress_truust_shop;
CREATE OR REPLACE FUNCTION shop.trapped(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF e.order_id = 2003 THEN INSERT INTO parents VALUES (1); END IF; INSERT INTO children VALUES (1); END $$;
SELECT truust_receive_webhook('{"escrow": {"id": 2002, "status": "PUBLISHED"}}') > 0 AS received;
SELECT truust_receive_webhook('{"escrow": {"id": 2003, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT * FROM failed;
SELECT * FROM shop.children;
TRUNCATE truust.webhooks;
-- Rights that are taken away count at once, and so does a function that is gone.
REVOKE ALL ON FUNCTION shop.trapped(truust_event) FROM PUBLIC, regress_truust_shop;
SELECT truust_receive_webhook('{"escrow": {"id": 2004, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
DROP FUNCTION shop.trapped(truust_event);
SELECT truust_receive_webhook('{"escrow": {"id": 2005, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT * FROM failed;
TRUNCATE truust.webhooks, truust.handlers;
-- A handler that takes too long, and one that waits for a lock it has itself.
SET truust.handler_timeout = '50ms';
CREATE FUNCTION shop.slow(truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN OTHERS THEN NULL; END $$;
SELECT truust_on('*', 'shop.slow(truust_event)');
SELECT truust_receive_webhook('{"escrow": {"id": 2006, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT * FROM failed;
RESET truust.handler_timeout;
TRUNCATE truust.webhooks, truust.handlers;
-- Without a role there is nobody to run it as.
SET ROLE regress_truust_other;
RESET ROLE;
INSERT INTO truust.handlers (event, handler, role, search_path) VALUES ('*', 'shop.slow(public.truust_event)', 'regress_truust_nobody', '');
SELECT truust_receive_webhook('{"escrow": {"id": 2007, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT * FROM failed;
TRUNCATE truust.webhooks, truust.handlers, truust.orders, truust.events, truust.payins RESTART IDENTITY;
-- A name that an older version has kept as it was spelled is the same event.
CREATE FUNCTION shop.failed_too(e truust_event) RETURNS void LANGUAGE sql AS $$ INSERT INTO treasure VALUES (e.event) $$;
INSERT INTO truust.handlers (event, handler, role, search_path) VALUES ('order.failure', 'shop.failed_too(public.truust_event)', current_user, 'public');
SELECT truust_receive_webhook('{"escrow": {"id": 2100, "status": "FAILURE"}}') > 0 AS received;
CALL truust_drain();
SELECT count(*) FROM treasure WHERE treasure::text LIKE '%order.failed%';
SELECT truust_off('EscrowFailure', 'shop.failed_too(truust_event)');
TRUNCATE truust.webhooks, truust.handlers, truust.orders, truust.events, truust.payins RESTART IDENTITY;
-- A handler that sets another search_path does so for itself.
CREATE FUNCTION shop.stray(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET search_path = pg_catalog; END $$;
CREATE FUNCTION shop.steady(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO treasure VALUES ('steady ' || current_setting('search_path')); END $$;
SELECT truust_on('*', 'shop.stray(truust_event)');
SELECT truust_on('*', 'shop.steady(truust_event)');
SELECT truust_receive_webhook(format('{"escrow": {"id": 2200, "status": "%s"}}', s)) > 0 AS received FROM unnest(ARRAY['PUBLISHED', 'ACCEPTED']) s;
CALL truust_drain();
SELECT * FROM failed;
SELECT owner FROM treasure WHERE owner LIKE 'steady%';
SELECT truust_off('*', 'shop.stray(truust_event)'), truust_off('*', 'shop.steady(truust_event)');
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
-- Slow handlers make for small batches: a transaction holds the rows of its orders. Nothing is called twice that counts.
CREATE FUNCTION shop.lazy(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); INSERT INTO treasure VALUES ('lazy ' || e.order_id); END $$;
SELECT truust_on('*', 'shop.lazy(truust_event)');
INSERT INTO truust.webhooks (body) SELECT convert_to(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', 2300 + g), 'UTF8') FROM generate_series(1, 12) g;
CALL truust_drain();
SELECT * FROM failed;
SELECT count(*) AS events, count(DISTINCT order_id) AS orders, count(DISTINCT applied_at) > 2 AS several_batches FROM truust.events;
SELECT count(*), count(DISTINCT owner) FROM treasure WHERE owner LIKE 'lazy%';
SELECT truust_off('*', 'shop.lazy(truust_event)');
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
-- Nobody registers, drains or receives without the privilege.
SET ROLE regress_truust_other;
SELECT truust_on('*', 'shop.slow(truust_event)');
CALL truust_drain();
SELECT truust_receive_webhook('{}');
INSERT INTO truust.webhooks (body) VALUES ('{}');
RESET ROLE;
SELECT truust_grant('intake', 'regress_truust_other');
SET ROLE regress_truust_other;
SELECT truust_receive_webhook('{"escrow": {"id": 1}}');
INSERT INTO truust.webhooks (body) VALUES ('{"escrow": {"id": 2}}');
INSERT INTO truust.webhooks (body, state) VALUES ('{"escrow": {"id": 2}}', 'dead');
SELECT * FROM truust.webhooks;
CALL truust_drain();
RESET ROLE;
SELECT id, order_id, state, source FROM truust.webhooks ORDER BY id;
TRUNCATE truust.webhooks RESTART IDENTITY;
DROP SCHEMA shop CASCADE;
DROP TABLE treasure;
SELECT truust_revoke('operate', 'regress_truust_shop'), truust_revoke('intake', 'regress_truust_other');
DROP ROLE regress_truust_shop, regress_truust_other;
