-- Webhooks whose bodies are not trusted: without an answer of the API nothing is applied and nothing is lost.
-- (What it does with answers is in the TAP tests, which have an API.)
\set VERBOSITY terse
\pset format unaligned
\pset null '(null)'
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
DROP SERVER IF EXISTS truust CASCADE;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SHOW truust.webhook_trust;
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "RELEASED"}}', 'order.released') > 0 AS received;
SELECT truust_receive_webhook('not even JSON') > 0 AS received;
-- No server, no key, nobody there: the event waits, and it is not the event's fault.
CALL truust_drain();
SELECT order_id, state, attempts FROM truust.webhooks ORDER BY id;
CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://127.0.0.1:1/2.0', max_retries '0', connect_timeout '1000');
CALL truust_drain();
SELECT order_id, state, attempts FROM truust.webhooks ORDER BY id;
CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
CALL truust_drain();
SELECT order_id, state, attempts FROM truust.webhooks ORDER BY id;
SELECT count(*) FROM truust.orders;
SELECT count(*) FROM truust.events;
-- One server that is away is in nobody else's way.
CREATE TEMP TABLE before AS SELECT clock_timestamp() AS at;
INSERT INTO truust.webhooks (body, event) SELECT convert_to(format('{"escrow": {"id": %s}}', g), 'UTF8'), 'order.published' FROM generate_series(10, 2000) g;
INSERT INTO truust.webhooks (source, server, body) VALUES ('sync', 'elsewhere', '{"escrow": {"id": 5, "status": "ACCEPTED"}}');
CALL truust_drain();
SELECT id, server, status FROM truust.orders;
SELECT event, order_id, status, outcome, source FROM truust.events;
SELECT state, count(*), sum(attempts) FROM truust.webhooks GROUP BY state ORDER BY state;
-- The same look again, and one that comes too late, leave nothing.
INSERT INTO truust.webhooks (source, server, body) VALUES ('sync', 'elsewhere', '{"escrow": {"id": 5, "status": "ACCEPTED"}}');
INSERT INTO truust.webhooks (source, server, body, received_at) VALUES ('sync', 'elsewhere', '{"escrow": {"id": 5, "status": "PUBLISHED"}}', now() - interval '1 hour');
CALL truust_drain();
SELECT id, server, status FROM truust.orders;
SELECT count(*) FROM truust.events;
-- Looking at all orders needs the API.
SELECT * FROM truust_sync_orders(now() - interval '1 day');
DROP SERVER truust CASCADE;
SELECT * FROM truust_sync_orders(NULL);
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events RESTART IDENTITY;
