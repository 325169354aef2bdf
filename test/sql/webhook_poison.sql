-- Bodies that cannot be understood become dead letters with a reason, and nothing behind them waits.
\set VERBOSITY terse
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SET truust.webhook_trust = 'body';
CREATE TEMP TABLE poison (n int GENERATED ALWAYS AS IDENTITY, what text, body bytea);
INSERT INTO poison (what, body) VALUES
    ('nothing', ''),
    ('spaces', '   '),
    ('only a byte-order mark', '\xefbbbf'),
    ('no JSON', 'hello'),
    ('cut off', '{"escrow": {"id": 1, "status": "PUBLI'),
    ('cut off in an escape', '{"escrow": {"id": 1, "status": "\\'),
    ('two values', '{"escrow": {"id": 1}} {"escrow": {"id": 2}}'),
    ('a scalar', '42'),
    ('a text', '"escrow"'),
    ('null', 'null'),
    ('an empty object', '{}'),
    ('an empty array', '[]'),
    ('an array of scalars', '[1, 2]'),
    ('an array in an array', '[[{"escrow": {"id": 1, "status": "PUBLISHED"}}]]'),
    ('a good and a bad one', '[{"escrow": {"id": 1, "status": "PUBLISHED"}}, {"x": 1}]'),
    ('escrow is a scalar', '{"escrow": 1}'),
    ('escrow is null', '{"escrow": null}'),
    ('escrow without id', '{"escrow": {"status": "PUBLISHED"}}'),
    ('says nothing', '{"escrow": {"id": 1}}'),
    ('status is an object', '{"escrow": {"id": 1, "status": {"a": 1}}}'),
    ('deep array', convert_to(repeat('[', 1024 * 1024), 'UTF8')),
    ('deep and closed', convert_to(repeat('[', 500000) || repeat(']', 500000), 'UTF8')),
    ('deep object', convert_to(repeat('{"a":', 200000), 'UTF8')),
    ('deep below the id', convert_to('{"escrow": {"id": 1, "status": "PUBLISHED", "x": ' || repeat('[', 500000) || repeat(']', 500000) || '}}', 'UTF8')),
    ('a huge number', '{"escrow": {"id": 1, "status": "PUBLISHED", "amount": 1e999999999}}'),
    ('a huge negative exponent', '{"escrow": {"id": 1, "status": "PUBLISHED", "amount": 1e-999999999}}'),
    ('a number of a million digits', convert_to('{"escrow": {"id": ' || repeat('1', 1000000) || ', "status": "PUBLISHED"}}', 'UTF8')),
    ('not a number', '{"escrow": {"id": 1, "status": "PUBLISHED", "amount": NaN}}'),
    ('invalid UTF-8', '{"escrow": {"id": 1, "status": "'::bytea || '\xff'::bytea || '"}}'::bytea),
    ('overlong UTF-8', '{"escrow": {"id": 1, "status": "'::bytea || '\xc0af'::bytea || '"}}'::bytea),
    ('half a character', '{"escrow": {"id": 1, "status": "'::bytea || '\xe282'::bytea || '"}}'::bytea),
    ('Latin-1', '{"escrow": {"id": 1, "status": "PUBLISHED", "name": "'::bytea || '\xf1'::bytea || '"}}'::bytea),
    ('UTF-16', '\xfffe7b007d00'),
    ('a NUL byte', '{"escrow": {"id": 1, "status": "'::bytea || '\x00'::bytea || '"}}'::bytea),
    ('an escaped NUL', '{"escrow": {"id": 1, "status": "\\u0000"}}'),
    ('half a surrogate pair', '{"escrow": {"id": 1, "status": "\\ud800"}}'),
    ('a million quotes', convert_to(repeat('"', 1000000), 'UTF8')),
    ('a million backslashes', convert_to('"' || repeat('\', 1000000), 'UTF8')),
    ('a million commas', convert_to(repeat(',', 1000000), 'UTF8')),
    ('a million closing brackets', convert_to(repeat('}', 1000000), 'UTF8')),
    ('form data', 'escrow%5Bid%5D=1&status=PUBLISHED'),
    ('XML', '<?xml version="1.0"?><escrow id="1"/>');
INSERT INTO truust.webhooks (event, body) SELECT CASE WHEN what IN ('says nothing', 'status is an object') THEN NULL ELSE 'order.published' END, body FROM poison ORDER BY n;
-- A good one of the same order behind them.
SELECT truust_receive_webhook('{"escrow": {"id": 1, "status": "ACCEPTED"}}') > 0 AS received;
CALL truust_drain();
SELECT p.what, w.state, w.attempts, regexp_replace(w.error, '^the body cannot be read: .+', 'the body cannot be read: ...') AS error FROM poison p JOIN truust.webhooks w ON w.id = p.n ORDER BY p.n;
-- The reason is short, whatever the body.
SELECT max(length(error)) < 1100 AS short FROM truust.webhooks;
SELECT p.what FROM poison p LEFT JOIN truust.webhooks w ON w.id = p.n WHERE w.id IS NULL OR w.body <> p.body ORDER BY p.n;
SELECT id, status FROM truust.orders ORDER BY id;
SELECT count(*) = (SELECT count(*) FROM truust.webhooks) AS all_are_dead_letters FROM truust.dead_letters WHERE kind = 'webhook';
-- Few bytes that are many digits, over and over, are no way to a worker's memory.
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
INSERT INTO truust.webhooks (event, body)
SELECT 'order.published', convert_to('[' || string_agg(format('{"escrow": {"id": %s, "status": 1e131071}}', g), ',') || ']', 'UTF8') FROM generate_series(1, 20000) g GROUP BY g % 200;
INSERT INTO truust.webhooks (event, body) VALUES ('order.published', '{"escrow": {"id": 1e131071, "status": "PUBLISHED"}}'), ('order.published', '{"escrow": {"id": 30001, "status": "PUBLISHED", "tag": 1e-16383}}');
CALL truust_drain();
SELECT status, count(*) FROM truust.orders GROUP BY status;
SELECT id, state, error FROM truust.webhooks ORDER BY id;
-- Nor is one body a way to many thousand events.
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
INSERT INTO truust.webhooks (body)
SELECT convert_to('[' || string_agg(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', g), ',') || ']', 'UTF8') FROM unnest(ARRAY[100, 101]) n, generate_series(1, n) g GROUP BY n ORDER BY n;
CALL truust_drain();
SELECT count(*), max(id) FROM truust.orders;
SELECT id, state, error FROM truust.webhooks ORDER BY id;
-- Random bytes, and good bodies with a byte changed: nothing fails but by becoming a dead letter.
TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY;
SELECT setseed(0.5);
INSERT INTO truust.webhooks (body)
SELECT decode(string_agg(lpad(to_hex((random() * 255)::int), 2, '0'), ''), 'hex') FROM generate_series(1, 500) g, generate_series(1, 40) b GROUP BY g;
INSERT INTO truust.webhooks (body)
SELECT set_byte(b, (random() * (length(b) - 1))::int, (random() * 255)::int)
  FROM (SELECT convert_to('[{"escrow": {"id": "7654321", "name": "Blue bicycle", "amount": 120.5, "status": "PUBLISHED", "metadata": {"cart": [4711, "\"", null]}}, "payin": {"id": 1, "status": "CONFIRMED"}}]', 'UTF8') AS b) x, generate_series(1, 2000);
CALL truust_drain();
SELECT count(*) FILTER (WHERE state <> 'dead') AS not_dead, count(*) > 500 AS many_dead FROM truust.webhooks;
SELECT count(*) > 10 AS some_applied FROM truust.events;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events RESTART IDENTITY;
