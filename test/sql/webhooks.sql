-- Webhooks whose sender is trusted: what they do to orders, payins, payouts and history.
\set VERBOSITY terse
\pset format unaligned
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SET truust.webhook_trust = 'body';
CREATE TEMP VIEW history AS SELECT event, sent_as, order_id, status, previous_status, outcome, source, webhook_id, payin_id, payout_id FROM truust.events ORDER BY id;
CREATE TEMP VIEW orders AS SELECT id, status, previous_status, finished FROM truust.orders ORDER BY id;
CREATE TEMP VIEW intake AS SELECT id, order_id, state, attempts, error FROM truust.webhooks ORDER BY id;
--
-- The life of an order, in the sender's own words.
--
SELECT truust_receive_webhook('{"escrow": {"id": "1", "status": "DRAFT", "name": "Blue bicycle", "amount": 120.50, "currency": "EUR", "tag": "shop-1", "metadata": {"cart": 1}}}');
SELECT truust_receive_webhook('[{"escrow": {"id": "1", "status": "PUBLISHED", "amount": "130.00"}, "platform": "example", "payin": {"id": 11, "reference_id": "R1", "escrow_id": 1, "type": "REDSYS_V2", "status": "CONFIRMED"}}]', 'EscrowPublished');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "ACCEPTED"}}', 'Order Accepted', '{"X-Shop": "1"}');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "PENDING_VALIDATE"}, "payout": {"id": "21", "status": "CREATED", "type": "ACCOUNT"}}', 'payout.created');
SELECT truust_receive_webhook('{"order": {"id": 1, "status": "RELEASED"}, "payout": {"id": 21, "status": "CONFIRMED"}}', 'OrderReleased');
SELECT * FROM intake;
CALL truust_drain();
SELECT * FROM intake;
SELECT * FROM history;
SELECT * FROM orders;
SELECT name, value, currency, tag, metadata, server FROM truust.orders;
SELECT id, order_id, status, type, reference FROM truust.payins;
SELECT id, order_id, status, type, reference FROM truust.payouts;
--
-- Twice, too late, out of order.
--
TRUNCATE truust.events RESTART IDENTITY;
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "RELEASED"}, "payout": {"id": 21, "status": "CONFIRMED"}}', 'order.released');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "PENDING_RELEASE"}}', 'order.pending_release');
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "CANCELLED"}}', 'order.cancelled');
SELECT truust_receive_webhook('{"escrow": {"id": 2, "status": "ACCEPTED"}}', 'order.accepted');
SELECT truust_receive_webhook('{"escrow": {"id": 2, "status": "PUBLISHED"}}', 'order.published');
SELECT truust_receive_webhook('{"escrow": {"id": 2, "status": "ACCEPTED", "name": "the same event, another body"}}', 'order.accepted');
CALL truust_drain();
SELECT * FROM history;
SELECT * FROM orders;
-- The late one's older name did not win.
SELECT name FROM truust.orders WHERE id = 2;
-- A second failure is an event of its own where the payin is another, and the buyer may succeed after it.
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "FAILURE"}, "payin": {"id": 31, "status": "DENIED"}}', 'order.failed');
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "FAILURE"}, "payin": {"id": 32, "status": "DENIED"}}', 'order.failed');
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "PUBLISHED"}, "payin": {"id": 33, "status": "CONFIRMED"}}', 'order.published');
SELECT truust_receive_webhook('{"escrow": {"id": 3, "status": "PENDING_PUBLISH"}}', 'order.pending_publish');
CALL truust_drain();
SELECT * FROM history WHERE order_id = 3;
-- A block is lifted to where the order was, not further back.
SELECT truust_receive_webhook(format('{"escrow": {"id": 4, "status": "%s"}}', s)) FROM unnest(ARRAY['PUBLISHED', 'PENDING_RELEASE', 'BLOCKED_RELEASE', 'ACCEPTED', 'PENDING_VALIDATE']) s;
CALL truust_drain();
SELECT * FROM orders WHERE id = 4;
SELECT truust_receive_webhook('{"escrow": {"id": 4, "status": "PENDING_RELEASE"}}', 'order.unblocked');
CALL truust_drain();
SELECT * FROM orders WHERE id = 4;
--
-- States and events that are not known here.
--
SELECT truust_receive_webhook('{"escrow": {"id": 5, "status": "ON_THE_MOON"}}');
SELECT truust_receive_webhook('{"escrow": {"id": 5, "status": "PUBLISHED"}}', 'order.published');
SELECT truust_receive_webhook('{"escrow": {"id": 5}, "x": 1}', 'SomethingNew');
SELECT truust_receive_webhook('{"escrow": {"id": 5}, "x": 2}', 'SomethingNew');
SELECT truust_receive_webhook('{"x": 2, "escrow": {"id": 5}}', 'SomethingNew');
SELECT truust_receive_webhook('{"escrow": {"id": 6, "status": ""}}', 'order.cancelled');
CALL truust_drain();
SELECT * FROM history WHERE order_id IN (5, 6);
SELECT * FROM orders WHERE id IN (5, 6);
-- A status of any length; what listeners are told stays within its limit.
SELECT truust_receive_webhook(format('{"escrow": {"id": 7, "status": "%s"}}', repeat('LONG', 5000))) > 0 AS received;
CALL truust_drain();
SELECT id, length(status) FROM truust.orders WHERE id = 7;
--
-- A payment's own events.
--
SELECT truust_receive_webhook('{"escrow": {"id": 8, "status": "PUBLISHED"}, "payin": {"id": 81, "status": "CONFIRMED"}}', 'order.published');
SELECT truust_receive_webhook('{"escrow": {"id": 8, "status": "PENDING_PUBLISH"}, "payin": {"id": 81, "status": "CONFIRMED"}}', 'PayinConfirmed');
SELECT truust_receive_webhook('{"escrow": {"id": 8, "status": "PENDING_PUBLISH"}, "payin": {"id": 81, "status": "AUTHORIZED"}}', 'payin.authorized');
SELECT truust_receive_webhook('{"payin": {"id": 82, "escrow_id": 8, "status": "DENIED"}}');
CALL truust_drain();
SELECT * FROM history WHERE order_id = 8;
SELECT * FROM orders WHERE id = 8;
SELECT id, status FROM truust.payins WHERE order_id = 8 ORDER BY id;
--
-- Shapes: several events in one body, a byte-order mark, text and bytes.
--
SELECT truust_receive_webhook('[{"escrow": {"id": 9, "status": "PUBLISHED"}}, {"escrow": {"id": 10, "status": "CANCELLED"}}, {"escrow": {"id": 9, "status": "ACCEPTED"}}]');
SELECT truust_receive_webhook('\xefbbbf'::bytea || convert_to('{"escrow": {"id": "11", "status": "PUBLISHED", "name": "Ñandú €"}}', 'UTF8'));
INSERT INTO truust.webhooks (body) VALUES (convert_to(E'\n\t [ {"a": [[{"escrow": 5}], "\\"{"], "escrow" : { "x": {"id": 99}, "id" : "12" , "status":"PUBLISHED"} } ]', 'UTF8')) RETURNING order_id;
SELECT id, order_id FROM truust.webhooks ORDER BY id;
CALL truust_drain();
SELECT * FROM history WHERE order_id BETWEEN 9 AND 12;
SELECT name FROM truust.orders WHERE id = 11;
-- Ids: the largest, and what is none.
INSERT INTO truust.webhooks (body) SELECT convert_to(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', id), 'UTF8')
  FROM unnest(ARRAY['9223372036854775807', '"9223372036854775806"', '13.0', '9223372036854775808', '"0"', '-1', '"1 "', '1.5', 'true', 'null', '{}', '"١"']) id RETURNING order_id;
CALL truust_drain();
SELECT id FROM orders WHERE id = 13 OR id > 1000;
SELECT convert_from(body, 'UTF8'), state, error FROM truust.webhooks ORDER BY id;
TRUNCATE truust.webhooks;
-- The last of two equal keys counts, for the order that it waits for too.
INSERT INTO truust.webhooks (body) VALUES ('{"escrow": {"id": 14}, "escrow": {"id": 15, "id": 16, "status": "DRAFT", "status": "PUBLISHED"}}') RETURNING order_id;
CALL truust_drain();
SELECT * FROM orders WHERE id BETWEEN 14 AND 16;
-- One order on two servers is two orders.
INSERT INTO truust.webhooks (server, body) VALUES ('one', '{"escrow": {"id": 17, "status": "PUBLISHED"}}'), ('two', '{"escrow": {"id": 17, "status": "CANCELLED"}}');
CALL truust_drain();
SELECT id, server, status FROM truust.orders WHERE id = 17 ORDER BY server;
SET truust.server = 'three';
SELECT truust_receive_webhook('{"escrow": {"id": 17, "status": "REJECTED"}}') > 0 AS received;
RESET truust.server;
CALL truust_drain();
SELECT id, server, status FROM truust.orders WHERE id = 17 ORDER BY server;
-- A row belongs to the server that truust.server names when it is inserted, whoever applies it.
SET truust.server = 'four';
INSERT INTO truust.webhooks (body) VALUES ('{"escrow": {"id": 17, "status": "ACCEPTED"}}'), ('{"payin": {}}') RETURNING server;
DELETE FROM truust.webhooks WHERE order_id IS NULL;
SET truust.server = 'three';
CALL truust_drain();
RESET truust.server;
SELECT id, server, status FROM truust.orders WHERE id = 17 ORDER BY server;
-- Nobody makes a name longer than one can be, or leaves half a character of it.
INSERT INTO truust.webhooks (server, body) VALUES (repeat('é', 40), '{"escrow": {"id": 25, "status": "PUBLISHED"}}') RETURNING octet_length(server), server = repeat('é', 31) AS whole;
CALL truust_drain();
SELECT octet_length(server), server = repeat('é', 31) AS whole FROM truust.orders WHERE id = 25;
DO $$ BEGIN PERFORM set_config('truust.server', repeat('x', 64), false); END $$;
--
-- The intake refuses only what is too large.
--
SET truust.max_webhook_size = '2kB';
SELECT truust_receive_webhook('{}', event => repeat('x', 2049));
SELECT truust_receive_webhook('{}', headers => to_jsonb(repeat('x', 2049)));
SELECT truust_receive_webhook(repeat(' ', 2049));
SELECT truust_receive_webhook(repeat(' ', 2048) ::bytea) > 0 AS received;
INSERT INTO truust.webhooks (body) VALUES (repeat(' ', 2049)::bytea);
-- A row of a dump was within the limit of its time, and stays what it was, whichever superuser restores it; nobody else says as much.
BEGIN;
CREATE ROLE regress_truust_loader SUPERUSER;
CREATE ROLE regress_truust_sender;
SELECT truust_grant('intake', 'regress_truust_sender');
SET ROLE regress_truust_loader;
INSERT INTO truust.webhooks (received_at, body, state, attempts, error, source, order_id)
  VALUES ('2026-01-01', repeat(' ', 2049)::bytea, 'dead', 10, 'handler', 'sync', 40);
SAVEPOINT just_now;
INSERT INTO truust.webhooks (received_at, body) VALUES (clock_timestamp(), repeat(' ', 2049)::bytea);
ROLLBACK TO just_now;
SET ROLE regress_truust_sender;
INSERT INTO truust.webhooks (received_at, event, body) VALUES ('infinity', 'endless', '{}'), ('2026-01-01', 'early', '{}');
SAVEPOINT before;
INSERT INTO truust.webhooks (received_at, body) VALUES ('2026-01-01', repeat(' ', 2049)::bytea);
ROLLBACK TO before;
RESET ROLE;
SELECT event, received_at = now() AS now, received_at = '2026-01-01' AS as_told, state, attempts, error, source, order_id FROM truust.webhooks WHERE length(body) <> 2048 ORDER BY id;
ROLLBACK;
RESET truust.max_webhook_size;
SELECT truust_receive_webhook(NULL::text);
INSERT INTO truust.webhooks (body) VALUES (NULL);
INSERT INTO truust.webhooks DEFAULT VALUES;
-- Nothing is applied without a commit, and the body is kept byte for byte.
BEGIN;
SELECT truust_receive_webhook('{"escrow": {"id": 18, "status": "PUBLISHED"}}') > 0 AS received;
ROLLBACK;
SELECT encode(body, 'hex') = repeat('20', 2048) AS as_it_came FROM truust.webhooks;
CALL truust_drain();
SELECT * FROM orders WHERE id = 18;
-- Not inside a transaction block.
BEGIN;
CALL truust_drain();
ROLLBACK;
DO $$ BEGIN CALL truust_drain(); END $$;
--
-- Blocked and unblocked as often as it is: what happened before happens again, and the last body counts.
--
SELECT truust_receive_webhook(format('{"escrow": {"id": 20, "status": "%s"}}', s)) FROM unnest(ARRAY['ACCEPTED', 'PENDING_RELEASE', 'BLOCKED_RELEASE', 'PENDING_RELEASE', 'BLOCKED_RELEASE', 'BLOCKED_RELEASE', 'ACCEPTED']) s;
CALL truust_drain();
SELECT event, status, previous_status, outcome FROM history WHERE order_id = 20;
SELECT * FROM orders WHERE id = 20;
SELECT truust_receive_webhook(format('{"escrow": {"id": 20, "status": "%s"}, "payin": {"id": 201, "status": "CONFIRMED"}}', s), e)
  FROM (VALUES ('PENDING_RELEASE', 'payin.confirmed'), ('BLOCKED_RELEASE', NULL), ('PENDING_RELEASE', 'payin.confirmed'), ('RELEASED', NULL), ('BLOCKED_RELEASE', NULL), ('PENDING_RELEASE', NULL)) x (s, e);
CALL truust_drain();
-- A payment does not happen again, and what is over is over.
SELECT event, status, previous_status, outcome FROM history WHERE order_id = 20 OFFSET 5;
SELECT * FROM orders WHERE id = 20;
-- So it is where a look at the API found the first block, whose own webhook never came.
INSERT INTO truust.webhooks (body) VALUES ('{"escrow": {"id": 22, "status": "PENDING_RELEASE"}}');
CALL truust_drain();
INSERT INTO truust.webhooks (source, order_id, body) VALUES ('sync', 22, '{"escrow": {"id": 22, "status": "BLOCKED_RELEASE"}}');
CALL truust_drain();
INSERT INTO truust.webhooks (body) VALUES ('{"escrow": {"id": 22, "status": "PENDING_RELEASE"}}'), ('{"escrow": {"id": 22, "status": "BLOCKED_RELEASE"}}');
CALL truust_drain();
SELECT event, status, previous_status, outcome FROM history WHERE order_id = 22;
-- What listeners are told stays within its limit where each character is six in JSON, too.
SELECT truust_receive_webhook(format('{"escrow": {"id": 21, "status": "%s"}}', repeat(c, 1000)), repeat(E'\x01', 1000)) > 0 AS received FROM unnest(ARRAY['\u0001', '\u0002']) c;
CALL truust_drain();
SELECT length(event), length(status), length(previous_status), outcome FROM history WHERE order_id = 21;
-- An event that says nothing of its order's status happens once, too, and the order takes it when it is told.
TRUNCATE truust.events;
SELECT truust_receive_webhook('{"payin": {"id": 261, "escrow_id": 26, "status": "DENIED"}}') > 0 AS received;
CALL truust_drain();
SELECT truust_receive_webhook('{"payin": {"id": 261, "escrow_id": 26, "status": "DENIED"}}') > 0 AS received;
SELECT truust_receive_webhook('{"escrow": {"id": 26}}', 'SomethingNew') > 0 AS received FROM generate_series(1, 2);
CALL truust_drain();
SELECT * FROM orders WHERE id = 26;
SELECT status_at > now() - interval '1 hour' AS just_now FROM truust.orders WHERE id = 26;
SELECT truust_receive_webhook('{"escrow": {"id": 26, "status": "PENDING_PUBLISH"}}') > 0 AS received;
CALL truust_drain();
SELECT event, status, previous_status, outcome, payin_id FROM history WHERE order_id = 26;
SELECT * FROM orders WHERE id = 26;
-- What comes late is known as such by the status before one that is not known here.
INSERT INTO truust.webhooks (body) SELECT convert_to(format('{"escrow": {"id": %s, "status": "%s"}}', o, s), 'UTF8')
  FROM (VALUES (23, 'ACCEPTED'), (23, 'ON_THE_MOON'), (23, 'PUBLISHED'), (23, 'PENDING_VALIDATE'), (24, 'RELEASED'), (24, 'ON_THE_MOON'), (24, 'PENDING_RELEASE')) x (o, s);
CALL truust_drain();
SELECT event, order_id, status, previous_status, outcome FROM history WHERE order_id IN (23, 24);
SELECT * FROM orders WHERE id IN (23, 24);
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events RESTART IDENTITY;
