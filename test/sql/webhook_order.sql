-- Events of one order in their order, whatever else a body names; and orders of one id at two servers, which are two.
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
CREATE TEMP VIEW intake AS SELECT id, order_id, order_ids, server, state, attempts, next_attempt_at > now() AS later FROM truust.webhooks ORDER BY id;
CREATE TEMP VIEW heard AS SELECT order_id, server, string_agg(status || CASE outcome WHEN 'applied' THEN '' ELSE ' ' || outcome END, ', ' ORDER BY id) AS statuses FROM truust.events GROUP BY order_id, server ORDER BY order_id, server;
CREATE TABLE broken (order_id bigint, server text);
CREATE FUNCTION picky(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM broken b WHERE b.order_id = e.order_id AND b.server = e.server) THEN RAISE EXCEPTION 'broken: %', e.order_id; END IF;
END $$;
SELECT truust_on('*', 'picky(truust_event)');
-- A body of these orders, all of them in one status.
CREATE FUNCTION body_of(status text, VARIADIC orders bigint[]) RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to(jsonb_agg(jsonb_build_object('escrow', jsonb_build_object('id', o, 'status', status)) ORDER BY n)::text, 'UTF8') FROM unnest(orders) WITH ORDINALITY x (o, n) $$;
--
-- What a body names is known when it comes.
--
BEGIN;
INSERT INTO truust.webhooks (body) VALUES
    ('{"escrow": {"id": 1}}'),
    (body_of('PUBLISHED', 1, 1, 1)),
    (body_of('PUBLISHED', 1, 2, 1, 3)),
    (' [ {"escrow": {"id": "3"}, "payin": {"id": 1, "escrow_id": 9}} , {"order": {"id": 2}} ] '),
    ('[{"escrow": {"id": 1}}, {"escrow": {"id": 2}}, 3]'),
    ('[{"escrow": {"id": 1}}, {"escrow": {"id": 2}}'),
    ('[{"escrow": {"id": 1}}, {"escrow": {"id": 2}}] x');
-- Some of it must be read as the worker will.
INSERT INTO truust.webhooks (body) VALUES
    (convert_to('{"\u0065scrow": {"id": 4}}', 'UTF8')),
    ('{"escrow": {"id": 4.0}}'),
    ('{"payin": {"id": 1, "escrow_id": 4}}'),
    ('[{"escrow": {"id": 5}}, {"payout": {"id": 1, "escrow_id": "4"}}]');
SELECT order_id, order_ids FROM intake;
ROLLBACK;
TRUNCATE truust.webhooks RESTART IDENTITY;
--
-- A body waits for an earlier event of any of its orders, and those of any of its orders wait for it.
--
INSERT INTO broken VALUES (2, 'truust');
INSERT INTO truust.webhooks (body) VALUES (body_of('PUBLISHED', 2)), (body_of('ACCEPTED', 1, 2)), (body_of('PENDING_VALIDATE', 1)), (body_of('PUBLISHED', 3));
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
-- The same in a later batch, and over a row that is in the way of another.
INSERT INTO truust.webhooks (body) VALUES (body_of('ACCEPTED', 4, 3)), (body_of('PENDING_VALIDATE', 3, 1)), (body_of('PENDING_RELEASE', 3)), (body_of('PENDING_VALIDATE', 4));
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
SELECT count(DISTINCT next_attempt_at) FROM truust.webhooks;
-- The one that failed is tried alone where the others are due at another time; none goes past it.
UPDATE truust.webhooks SET next_attempt_at = now() - interval '1 s' * id WHERE id <> 2;
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
DELETE FROM broken;
UPDATE truust.webhooks SET next_attempt_at = now() - interval '1 s' * id;
SET truust.batch_size = 1;
-- However small the batch: the last is due first, and waits for the one that is in its way.
CALL truust_drain();
SELECT * FROM heard;
RESET truust.batch_size;
UPDATE truust.webhooks SET next_attempt_at = now();
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
-- Who discards one lets those behind it go, by whichever order they stood behind it.
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
INSERT INTO broken VALUES (2, 'truust');
INSERT INTO truust.webhooks (body) VALUES (body_of('PUBLISHED', 1, 2)), (body_of('ACCEPTED', 2, 3)), (body_of('ACCEPTED', 1)), (body_of('PENDING_VALIDATE', 3));
CALL truust_drain();
SELECT * FROM intake;
DELETE FROM broken;
SELECT truust_discard_webhook(1, 'a test');
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
-- So does one that is given up.
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
INSERT INTO broken VALUES (1, 'truust');
SET truust.max_attempts = 1;
INSERT INTO truust.webhooks (body) VALUES (body_of('PUBLISHED', 1, 2)), (body_of('ACCEPTED', 2));
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
SET truust.max_attempts = 3;
DELETE FROM broken;
--
-- Another server's order of the same id is another order.
--
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
INSERT INTO broken VALUES (1, 'sandbox');
INSERT INTO truust.webhooks (server, body) VALUES ('sandbox', body_of('PUBLISHED', 1)), ('production', body_of('PUBLISHED', 1)), ('sandbox', body_of('ACCEPTED', 1)), ('production', body_of('ACCEPTED', 1, 2));
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
-- In a later batch; and a row of an older version that has no server is of the one that truust.server names.
INSERT INTO truust.webhooks (server, body) VALUES ('production', body_of('RELEASED', 1)), (NULL, body_of('PUBLISHED', 1)), ('sandbox', body_of('RELEASED', 2, 1));
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
INSERT INTO broken VALUES (1, 'truust');
INSERT INTO truust.webhooks (server, body) VALUES (NULL, body_of('ACCEPTED', 1)), ('truust', body_of('RELEASED', 1));
UPDATE truust.webhooks SET server = NULL WHERE order_id = 1 AND id = 8;
CALL truust_drain();
SELECT * FROM intake;
-- Nobody is tried for what another server's order does.
DELETE FROM broken WHERE server = 'sandbox';
SELECT truust_retry_webhook(1);
CALL truust_drain();
SELECT * FROM intake;
DELETE FROM broken;
SELECT truust_retry_webhook(id) FROM truust.webhooks WHERE server IS NULL;
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM heard;
SELECT truust_off('*', 'picky(truust_event)');
DROP FUNCTION picky(truust_event), body_of(text, bigint[]);
DROP TABLE broken;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events RESTART IDENTITY;
