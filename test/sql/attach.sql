-- Attached tables without sending anything: what is checked, and what an insert of any kind leaves in the outbox.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_pause('requests', 'test');
CREATE SERVER regress_attach FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url 'http://127.0.0.1:1/2.0');
SET truust.server = 'regress_attach';
CREATE USER MAPPING FOR CURRENT_USER SERVER regress_attach OPTIONS (secret_key 'sk_stage_of_the_shop');
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, total numeric, buyer bigint,
                          truust_id bigint, payment_status text, payment_url text, cents integer, weight real, no_link point,
                          strict_id bigint NOT NULL DEFAULT 0);
CREATE FUNCTION sent() RETURNS TABLE (args jsonb, key jsonb) LANGUAGE sql
    AS 'SELECT jsonb_strip_nulls(r.args), r.attachment_row FROM truust.requests r WHERE r.server = ''regress_attach'' ORDER BY r.id';

-- What does not fit is refused when it is attached.
SELECT truust_attach('shop.nothing', '{"name": "title"}', order_id => 'truust_id');
SELECT truust_attach('shop.orders', '["title"]', order_id => 'truust_id');
\echo :SQLSTATE
SELECT truust_attach('shop.orders', '{"name": "title"}', order_id => 'truust_id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total", "price": "total"}', order_id => 'truust_id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": 12}', order_id => 'truust_id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "cents / 100"}', order_id => 'truust_id');
\echo :SQLSTATE
SELECT truust_attach('shop.orders', '{"name": "title", "value": "weight"}', order_id => 'truust_id');
\echo :SQLSTATE
SELECT truust_attach('shop.orders', '{"name": "title", "value": "no_link"}', order_id => 'truust_id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'strict_id');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'weight');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'state');
\echo :SQLSTATE
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'truust_id', link => 'no_link_');
CREATE TABLE shop.keyless (title text, total numeric, truust_id bigint);
SELECT truust_attach('shop.keyless', '{"name": "title", "value": "total"}', order_id => 'truust_id');
\echo :SQLSTATE
CREATE TEMP TABLE passing (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
SELECT truust_attach('passing', '{"name": "title", "value": "total"}', order_id => 'truust_id');
CREATE VIEW shop.seen AS SELECT * FROM shop.orders;
SELECT truust_attach('shop.seen', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SELECT truust_detach('shop.orders');
\echo :SQLSTATE

-- Attached: every way of inserting.
SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total", "buyer_id": "buyer"}',
                     order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'truust_id');
\echo :SQLSTATE
SELECT relation, key_columns, args, order_id_column, status_column, link_column, index_name FROM truust.attachments WHERE server = 'regress_attach';
INSERT INTO shop.orders (title, total, buyer) VALUES ('Blue bicycle', 120.50, 7), ('"Quoted" \ and ünïcode', 0.01, NULL);
COPY shop.orders (title, total) FROM stdin;
By copy	3.10
\.
BEGIN;
SAVEPOINT s;
INSERT INTO shop.orders (title, total) VALUES ('Never', 1);
ROLLBACK TO s;
INSERT INTO shop.orders (title, total) VALUES ('After a savepoint', 4);
COMMIT;
INSERT INTO shop.orders (title, total, truust_id) VALUES ('An order already', 5, 4711);
WITH x AS (INSERT INTO shop.orders (title, total) VALUES ('In a WITH', 6) RETURNING id) SELECT count(*) FROM x;
INSERT INTO shop.orders (title, total) VALUES ('No total', NULL);
\echo :SQLSTATE
INSERT INTO shop.orders (title, total) SELECT 'Nothing', 1 WHERE false;
UPDATE shop.orders SET title = title;
SELECT * FROM sent();
SELECT DISTINCT operation, role = current_user AS mine, server, state FROM truust.requests WHERE server = 'regress_attach';

-- Whoever inserts needs no rights on anything of truust.
CREATE ROLE regress_truust_clerk;
GRANT USAGE ON SCHEMA shop TO regress_truust_clerk;
GRANT INSERT ON shop.orders TO regress_truust_clerk;
SET ROLE regress_truust_clerk;
INSERT INTO shop.orders (title, total) VALUES ('By a clerk', 7);
RESET ROLE;
SELECT args ->> 'name' AS name, role = current_user AS mine FROM truust.requests WHERE args ->> 'name' = 'By a clerk';

-- In bulk, and dropped columns: an error that says what to do, and nothing lost.
TRUNCATE truust.requests;
INSERT INTO shop.orders (title, total) SELECT 'Bulk ' || i, i FROM generate_series(1, 2500) i;
SELECT count(*), count(DISTINCT attachment_row) FROM truust.requests;
TRUNCATE truust.requests;
ALTER TABLE shop.orders RENAME COLUMN title TO subject;
INSERT INTO shop.orders (subject, total) VALUES ('Renamed', 1);
\echo :SQLSTATE
ALTER TABLE shop.orders RENAME COLUMN subject TO title;
INSERT INTO shop.orders (title, total) VALUES ('Renamed back', 1);
SELECT args ->> 'name' AS name FROM truust.requests;

-- Detached: rows stay rows, and what attaching made is gone.
SELECT truust_detach('shop.orders');
INSERT INTO shop.orders (title, total) VALUES ('Detached', 1);
SELECT count(*) FROM truust.requests;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.orders'::regclass;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'shop.orders'::regclass;
SELECT count(*) FROM truust.attachments WHERE server = 'regress_attach';

-- Odd names, other types, a key of two columns, a table with row security.
TRUNCATE truust.requests;
CREATE DOMAIN shop.amount AS text CHECK (VALUE ~ '^[0-9.]+$');
CREATE TYPE shop.state AS ENUM ('DRAFT', 'PUBLISHED');
CREATE TABLE shop."Order ""lines""" ("the ""name""" varchar(80), "Amount" shop.amount, day date, part uuid, "T id" text,
                                     "State" shop.state, meta jsonb, PRIMARY KEY (day, part));
ALTER TABLE shop."Order ""lines""" ENABLE ROW LEVEL SECURITY;
SELECT truust_attach('shop."Order ""lines"""', '{"name": "the \"name\"", "value": "Amount", "metadata": "meta"}', order_id => 'T id', status => 'State');
SET datestyle = 'SQL, DMY';
INSERT INTO shop."Order ""lines""" VALUES ('odd', '12.30', '2026-02-01', '9a1c2b3d-0000-4000-8000-000000000001', NULL, NULL, '{"a": [1, null]}');
RESET datestyle;
SELECT * FROM sent();
INSERT INTO shop."Order ""lines""" VALUES ('bad', '1.2.3', '2026-02-02', '9a1c2b3d-0000-4000-8000-000000000002', NULL, NULL, NULL);

-- Partitions, those to come too, and rows inserted there directly.
TRUNCATE truust.requests;
CREATE TABLE shop.parts (id int, title text, total numeric, truust_id bigint, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES FROM (1) TO (100);
SELECT truust_attach('shop.parts_1', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SELECT truust_attach('shop.parts', '{"name": "title", "value": "total"}', order_id => 'truust_id');
CREATE TABLE shop.parts_2 (title text, id int NOT NULL, truust_id bigint, total numeric);
ALTER TABLE shop.parts ATTACH PARTITION shop.parts_2 FOR VALUES FROM (100) TO (200);
INSERT INTO shop.parts VALUES (1, 'through the root', 1), (100, 'through the root', 2);
INSERT INTO shop.parts_1 VALUES (2, 'directly', 3);
INSERT INTO shop.parts_2 VALUES ('directly', 101, NULL, 4);
SELECT * FROM sent();
ALTER TABLE shop.parts DETACH PARTITION shop.parts_2;
INSERT INTO shop.parts_2 VALUES ('no partition any more', 102, NULL, 5);
SELECT count(*) FROM sent();

-- Nobody makes such a trigger by himself.
CREATE TABLE shop.trap (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
DO $$ DECLARE n bigint; BEGIN
    SELECT id INTO n FROM truust.attachments WHERE relation = 'shop.parts'::regclass;
    EXECUTE format('CREATE TRIGGER trap AFTER INSERT ON shop.trap FOR EACH ROW EXECUTE FUNCTION truust.attached(%s)', n);
END $$;
INSERT INTO shop.trap VALUES (1, 'trapped', 1);
\echo :SQLSTATE

TRUNCATE truust.requests;
DELETE FROM truust.attachments WHERE server = 'regress_attach';
DROP FUNCTION sent();
DROP SCHEMA shop CASCADE;
DROP SERVER regress_attach CASCADE;
DROP ROLE regress_truust_clerk;
SELECT truust_resume('requests');
