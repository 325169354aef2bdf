-- What waits, what is given up, and what a person does about it.
\set VERBOSITY terse
\pset format unaligned
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SET truust.webhook_trust = 'body';
SET truust.retry_delay = '1h';
SET truust.max_retry_delay = '2h';
SET truust.max_attempts = 3;
CREATE TEMP VIEW intake AS SELECT id, order_id, state, attempts, next_attempt_at > now() AS later, left(error, 9) AS error FROM truust.webhooks ORDER BY id;
CREATE TEMP VIEW history AS SELECT event, order_id, status, previous_status, outcome, source, webhook_id FROM truust.events ORDER BY id;
CREATE TABLE broken (order_id bigint);
CREATE FUNCTION picky(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM broken b WHERE b.order_id = e.order_id) THEN RAISE EXCEPTION 'broken: %', e.order_id; END IF;
END $$;
SELECT truust_on('*', 'picky(truust_event)');
--
-- An event that fails waits, all later ones of its order behind it, and nothing else.
--
INSERT INTO broken VALUES (1);
SELECT truust_receive_webhook(format('{"escrow": {"id": %s, "status": "%s"}}', o, s)) FROM unnest(ARRAY['PUBLISHED', 'ACCEPTED']) s, unnest(ARRAY[1, 2]) o;
CALL truust_drain();
SELECT * FROM intake;
SELECT id, status FROM truust.orders ORDER BY id;
-- What comes later waits with them, and is due when they are.
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "PENDING_VALIDATE"}}');
CALL truust_drain();
SELECT * FROM intake;
SELECT count(DISTINCT next_attempt_at) FROM truust.webhooks;
SELECT kind, id, state, order_id, attempts FROM truust.pending ORDER BY id;
-- A drain does not try before the time, a person does.
CALL truust_drain();
SELECT sum(attempts) FROM truust.webhooks;
SELECT truust_retry_webhook(5);
CALL truust_drain();
SELECT * FROM intake;
-- Once it works, all of them go, in their order.
DELETE FROM broken;
SELECT truust_retry_webhook(1);
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM history WHERE order_id = 1;
--
-- After truust.max_attempts it is a dead letter, and those behind it go on.
--
INSERT INTO broken VALUES (3);
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "PUBLISHED"}}');
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "ACCEPTED"}}');
CALL truust_drain();
UPDATE truust.webhooks SET next_attempt_at = now();
CALL truust_drain();
SELECT * FROM intake;
UPDATE truust.webhooks SET next_attempt_at = now();
-- The dead one frees the next, which fails as well.
CALL truust_drain();
SELECT * FROM intake;
SELECT kind, id, reason, order_id, attempts, convert_from(body, 'UTF8') FROM truust.dead_letters ORDER BY id;
DELETE FROM broken;
UPDATE truust.webhooks SET next_attempt_at = now() WHERE state = 'retry';
CALL truust_drain();
SELECT * FROM history WHERE order_id = 3;
-- A dead one that is tried again comes late.
SELECT truust_retry_webhook(6);
CALL truust_drain();
SELECT * FROM history WHERE order_id = 3;
SELECT * FROM intake;
--
-- Discarding.
--
INSERT INTO broken VALUES (4);
SELECT truust_receive_webhook('{"escrow": {"id": 4, "status": "PUBLISHED"}}');
SELECT truust_receive_webhook('{"escrow": {"id": 4, "status": "ACCEPTED"}}');
CALL truust_drain();
DELETE FROM broken;
SELECT truust_discard_webhook(8, 'ordered by mistake');
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM history WHERE order_id = 4;
SELECT truust_discard_webhook(8, 'again');
SELECT truust_retry_webhook(8);
SELECT truust_retry_webhook(NULL);
-- What is new is not waiting for anybody's retry.
SELECT truust_receive_webhook('{"escrow": {"id": 5, "status": "PUBLISHED"}}');
SELECT truust_retry_webhook(10);
CALL truust_drain();
--
-- Replay.
--
CREATE TABLE calls (n int GENERATED ALWAYS AS IDENTITY, event text, status text, previous_status text, source text, payin_id bigint);
CREATE FUNCTION note(e truust_event) RETURNS void LANGUAGE sql AS $$ INSERT INTO calls (event, status, previous_status, source, payin_id) VALUES (e.event, e.status, e.previous_status, e.source, e.payin_id) $$;
SELECT truust_on('*', 'note(truust_event)');
SELECT truust_replay(1);
SELECT truust_replay(99);
CALL truust_drain();
SELECT * FROM calls ORDER BY n;
SELECT id, status, previous_status FROM truust.orders WHERE id = 1;
SELECT event, status, outcome, source FROM truust.events WHERE order_id = 1 ORDER BY id;
-- What was replayed is not replayed again, and an order without history says where it is.
SELECT truust_replay(1);
DELETE FROM truust.webhooks;
TRUNCATE truust.events, calls;
SELECT truust_replay(1);
CALL truust_drain();
SELECT event, status, previous_status, source FROM calls ORDER BY n;
-- Of two accounts with an order of the same id, only the one that truust.server names; with history and without.
ALTER TABLE calls ADD server text;
CREATE OR REPLACE FUNCTION note(e truust_event) RETURNS void LANGUAGE sql AS $$ INSERT INTO calls (event, status, source, server) VALUES (e.event, e.status, e.source, e.server) $$;
SET truust.server = 'other';
SELECT truust_receive_webhook('{"escrow": {"id": 9, "status": "PUBLISHED"}}') > 0 AS received;
SELECT truust_receive_webhook('{"escrow": {"id": 10, "status": "PUBLISHED"}}') > 0 AS received;
RESET truust.server;
SELECT truust_receive_webhook('{"escrow": {"id": 9, "status": "ACCEPTED"}}') > 0 AS received;
CALL truust_drain();
TRUNCATE calls;
SELECT truust_replay(9);
CALL truust_drain();
SELECT event, source, server FROM calls ORDER BY n;
\set VERBOSITY default
SELECT truust_replay(10);
\set VERBOSITY terse
DELETE FROM truust.events WHERE order_id = 9;
TRUNCATE calls;
SELECT truust_replay(9);
SET truust.server = 'other';
SELECT truust_replay(9);
SELECT truust_replay(10);
RESET truust.server;
CALL truust_drain();
SELECT event, source, server FROM calls ORDER BY n;
-- An order of which no status is known: handlers get none, and without history there is nothing to replay.
CREATE OR REPLACE FUNCTION note(e truust_event) RETURNS void LANGUAGE sql AS $$ INSERT INTO calls (event, status, previous_status, source, server)
  VALUES (e.event, e.status, e.previous_status, e.source, (SELECT quote_literal(o.status) FROM truust.orders o WHERE o.id = e.order_id)) $$;
TRUNCATE calls;
SELECT truust_receive_webhook('{"escrow": {"id": 11}}', 'SomethingNew') > 0 AS received;
CALL truust_drain();
SELECT truust_replay(11);
CALL truust_drain();
SELECT event, status, previous_status, source, server AS known FROM calls ORDER BY n;
SELECT event, status, previous_status FROM history WHERE order_id = 11;
DELETE FROM truust.events WHERE order_id = 11;
SELECT truust_replay(11);
SELECT count(*) FROM truust.webhooks;
SELECT truust_off('*', 'note(truust_event)'), truust_off('*', 'picky(truust_event)');
DROP FUNCTION note(truust_event);
DROP TABLE calls;
--
-- Pause.
--
SELECT truust_pause('everything');
SELECT truust_pause(NULL);
SELECT truust_resume('orders');
SELECT truust_pause('webhooks', 'maintenance');
SELECT what, reason, role = current_user AS mine FROM truust.pauses;
SELECT truust_receive_webhook('{"escrow": {"id": 6, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT state, attempts FROM truust.webhooks;
SELECT worker, state, backlog, oldest_pending IS NOT NULL AS pending, dead_letters, uncertain_requests FROM truust_status() WHERE database = current_database() ORDER BY worker;
SELECT truust_resume('webhooks');
SELECT truust_resume('webhooks');
CALL truust_drain();
SELECT count(*) FROM truust.webhooks;
SELECT * FROM truust.pauses;
-- A copy of another place's data waits until somebody says that it lives here; what is not resumed stays paused.
-- So it is where somebody publishes all tables.
SET client_min_messages = error;
CREATE PUBLICATION regress_truust_all FOR ALL TABLES;
SET client_min_messages = warning;
INSERT INTO truust.homes (system_identifier, database_oid) VALUES (1, 1);
SELECT truust_receive_webhook('{"escrow": {"id": 7, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT count(*) FROM truust.webhooks;
SELECT worker, state FROM truust_status() WHERE database = current_database() ORDER BY worker;
SELECT truust_resume('webhooks');
CALL truust_drain();
SELECT count(*) FROM truust.webhooks;
SELECT worker, state FROM truust_status() WHERE database = current_database() AND worker = 'requests';
SELECT what, reason FROM truust.pauses;
SELECT truust_resume('requests');
SELECT count(*) FROM truust.pauses;
SELECT count(*) FILTER (WHERE adopted_at IS NULL) AS homes FROM truust.homes;
DELETE FROM truust.homes WHERE adopted_at IS NOT NULL;
DELETE FROM truust.request_places;
DROP PUBLICATION regress_truust_all;
-- So it is when somebody inserts a row with a time of its own, who is told; not without one, nor by changing it.
INSERT INTO truust.orders (id, server, status) VALUES (41, 'truust', 'PUBLISHED');
UPDATE truust.orders SET noted_at = '2020-01-01' WHERE id = 41;
SELECT count(*) FROM truust_status() WHERE database = current_database() AND state = 'restored';
\set VERBOSITY default
INSERT INTO truust.orders (id, server, status, noted_at) VALUES (42, 'truust', 'PUBLISHED', '2020-01-01'), (43, 'truust', 'PUBLISHED', '2020-01-01');
INSERT INTO truust.orders (id, server, status, noted_at) VALUES (44, 'truust', 'PUBLISHED', '2020-01-01');
\set VERBOSITY terse
SELECT worker, state FROM truust_status() WHERE database = current_database() ORDER BY worker;
SELECT truust_resume('webhooks');
SELECT what, reason FROM truust.pauses;
SELECT truust_resume('requests');
SELECT count(*) FROM truust_status() WHERE database = current_database() AND state = 'restored';
\set VERBOSITY default
BEGIN;
COPY truust.requests (operation, role, server, created_at) FROM stdin;
get_order	somebody	truust	2020-01-01
\.
ROLLBACK;
\set VERBOSITY terse
SELECT count(*) FROM truust_status() WHERE database = current_database() AND state = 'restored';
DELETE FROM truust.homes WHERE adopted_at IS NOT NULL;
DELETE FROM truust.request_places;
SELECT c.relname AS cannot_be_published FROM pg_class c
 WHERE c.relnamespace = 'truust'::regnamespace AND c.relkind = 'r' AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);
--
-- History goes when it is old enough, and not before.
--
TRUNCATE truust.events;
INSERT INTO truust.events (event, order_id, outcome, source, applied_at) SELECT 'order.published', g, 'applied', 'webhook', now() - interval '1 day' * (100 - g) FROM generate_series(1, 99) g;
SET truust.retention = '-1';
CALL truust_drain();
SELECT count(*) FROM truust.events;
SET truust.retention = '90d';
CALL truust_drain();
SELECT count(*), min(order_id) FROM truust.events;
-- What a table of the merchant refers to stays, and keeps nothing else from being done: not even by a constraint that is deferred.
CREATE TABLE refers (event bigint REFERENCES truust.events, request bigint REFERENCES truust.requests DEFERRABLE INITIALLY DEFERRED);
INSERT INTO truust.requests (operation, role, server, state, finished_at) VALUES ('get_order', current_user, 'truust', 'failed', now() - interval '100 days');
INSERT INTO refers SELECT (SELECT min(id) FROM truust.events), (SELECT max(id) FROM truust.requests);
SET truust.retention = '1d';
SELECT truust_receive_webhook('{"escrow": {"id": 8, "status": "PUBLISHED"}}') > 0 AS received;
CALL truust_drain();
SELECT status FROM truust.orders WHERE id = 8;
SELECT count(*) > 50 AS events, (SELECT count(*) FROM truust.requests WHERE state = 'failed') AS requests FROM truust.events;
DELETE FROM refers;
CALL truust_drain();
SELECT count(*) AS events, (SELECT count(*) FROM truust.requests WHERE state = 'failed') AS requests FROM truust.events;
DROP TABLE refers;
RESET truust.retention;
DROP FUNCTION picky(truust_event);
DROP TABLE broken;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events RESTART IDENTITY;
