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

-- What would lose something of a value, or could not be filled in, too.
CREATE DOMAIN shop.flag AS int;
CREATE TYPE shop.pair AS (a int, b regclass);
CREATE TABLE shop.odd (id int PRIMARY KEY, title text, total numeric, truust_id bigint, letter "char", doc jsonb, num int, short name,
                       rounded numeric(8, 2), plain numeric, whole numeric(12), f8 float8, flag shop.flag, at timestamp, yes boolean,
                       preset bigint DEFAULT 0, small smallint, codes char(40)[], code char(30), price money);
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'letter');
\echo :SQLSTATE
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'doc');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'num');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', link => 'short');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', link => 'doc');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'letter');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'small');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'title', link => 'title');
\echo :SQLSTATE
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'truust_id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'code', link => 'code');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total"}', order_id => 'preset');
\echo :SQLSTATE
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total", "buyer_id": "plain"}', order_id => 'truust_id');
\echo :SQLSTATE
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total", "buyer_id": "rounded"}', order_id => 'truust_id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total", "buyer_id": "f8"}', order_id => 'truust_id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total", "buyer_id": "doc"}', order_id => 'truust_id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "total", "auto_settle": "flag"}', order_id => 'truust_id');
SELECT truust_attach('shop.odd', '{"name": "title", "value": "at"}', order_id => 'truust_id');
CREATE TABLE shop.keys (r regclass, m money, p shop.pair, a regtype[], t text, d text, title text, total numeric, truust_id bigint, status text,
                        PRIMARY KEY (t), UNIQUE (d));
DO $$
DECLARE
    key text;
    said text;
BEGIN
    FOREACH key IN ARRAY ARRAY['(r)', '(m)', '(p)', '(t, a)', '(d) DEFERRABLE', '(d) DEFERRABLE INITIALLY DEFERRED'] LOOP
        EXECUTE 'ALTER TABLE shop.keys DROP CONSTRAINT keys_pkey, ADD CONSTRAINT keys_pkey PRIMARY KEY ' || key;
        BEGIN
            PERFORM truust_attach('shop.keys', '{"name": "title", "value": "total"}', order_id => 'truust_id');
            RAISE WARNING '% was taken', key;
        EXCEPTION WHEN datatype_mismatch OR invalid_table_definition THEN
            GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
            RAISE WARNING '%: %', SQLERRM, said;
        END;
    END LOOP;
END $$;

-- What fits is taken, and a value that does not fit is named at its insert.
SELECT truust_attach('shop.odd', '{"name": "code", "value": "total", "buyer_id": "whole", "fee_value": "title", "tag": "at", "auto_settle": "yes", "images": "codes",
                     "discount_amount": "price"}', order_id => 'truust_id', status => 'short', link => 'title');
INSERT INTO shop.odd (id, code, total, whole, title, at, yes, codes, price) VALUES (1, 'c', 1, 7, '2.5', '2026-02-01 10:00', true, '{a,b}', 3.2);
SELECT * FROM sent();
INSERT INTO shop.odd (id, code, total) VALUES (2, 'c', 'NaN');
\echo :SQLSTATE
INSERT INTO shop.odd (id, code, total, title) VALUES (2, 'c', 1, 'NaN');
INSERT INTO shop.odd (id, code, total, title) VALUES (2, 'c', 1, 'much');
\echo :SQLSTATE
ALTER TABLE shop.odd ALTER whole TYPE numeric;
INSERT INTO shop.odd (id, code, total, whole) VALUES (2, 'c', 1, 1), (3, 'c', 1, 7.6);
\echo :SQLSTATE
INSERT INTO shop.odd (id, code, total, whole) VALUES (2, 'c', 1, 1e20);
SELECT count(*) FROM sent();

-- The key is the same text whoever inserts.
CREATE TABLE shop.spans (during daterange, share float8, since interval, c char(3), title text, total numeric, truust_id bigint,
                         PRIMARY KEY (during, share, since, c));
SELECT truust_attach('shop.spans', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SET datestyle = 'SQL, DMY';
SET intervalstyle = iso_8601;
SET extra_float_digits = -10;
INSERT INTO shop.spans VALUES ('[2026-02-01,2026-03-04)', 0.1::float8 + 0.2::float8, '1 day -2 hours', 'x', 'spans', 1);
SHOW datestyle;
RESET datestyle;
RESET intervalstyle;
RESET extra_float_digits;
SELECT key FROM sent() WHERE args ->> 'name' = 'spans';
TRUNCATE truust.requests;
SELECT truust_detach('shop.odd'), truust_detach('shop.spans');

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
SELECT relation, role FROM truust.attachments WHERE server = 'regress_attach' AND (relation, role) IN (SELECT 'shop.orders'::regclass, '');
SELECT truust_detach('shop.orders');

-- A role detaches what it has attached, and nothing of others.
TRUNCATE truust.requests;
CREATE TABLE shop.lent (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
CREATE INDEX ON shop.lent (truust_id);
GRANT SELECT, INSERT, UPDATE, TRIGGER ON shop.lent TO regress_truust_clerk;
GRANT USAGE ON FOREIGN SERVER regress_attach TO regress_truust_clerk;
CREATE USER MAPPING FOR regress_truust_clerk SERVER regress_attach OPTIONS (secret_key 'sk_stage_of_the_clerk');
SELECT truust_grant('operate', 'regress_truust_clerk');
SELECT truust_attach('shop.lent', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SET ROLE regress_truust_clerk;
SELECT truust_detach('shop.lent');
\echo :SQLSTATE
RESET ROLE;
SELECT truust_detach('shop.lent');
SET ROLE regress_truust_clerk;
SELECT truust_attach('shop.lent', '{"name": "title", "value": "total"}', order_id => 'truust_id');
INSERT INTO shop.lent VALUES (1, 'Lent', 1);
RESET ROLE;
UPDATE truust.requests SET state = 'failed', done_state = 'done';
SET ROLE regress_truust_clerk;
SELECT truust_detach('shop.lent');
RESET ROLE;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.lent'::regclass;
SELECT truust_revoke('operate', 'regress_truust_clerk');

-- Attached again, it is the attachment that requests know which are not done, refused ones too: they can be sent again.
SELECT truust_attach('shop.lent', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SELECT count(*), count(a.role) FROM truust.requests r LEFT JOIN truust.attachments a ON a.id = r.attachment_id AND a.relation = 'shop.lent'::regclass AND a.role = CURRENT_USER;

-- A table that is gone, and its index's name another table's.
DO $$ DECLARE gone oid := 'shop.lent'::regclass; BEGIN
    UPDATE truust.attachments SET index_name = 'shop.strangers_i' WHERE relation = 'shop.lent'::regclass;
    DROP TABLE shop.lent;
    CREATE TABLE shop.strangers (i int);
    CREATE INDEX strangers_i ON shop.strangers (i);
    PERFORM truust_detach(gone);
    DELETE FROM truust.requests;
    BEGIN
        PERFORM truust_detach(gone);
    EXCEPTION WHEN undefined_object THEN
        RAISE WARNING '%', regexp_replace(SQLERRM, '\d+', 'N');
    END;
END $$;
SELECT 'shop.strangers_i'::regclass;
SELECT truust_attach('shop.orders', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SELECT truust_detach('shop.orders');
SELECT relation FROM truust.attachments;

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
-- A session that has inserted already sees columns that were made anew: the row that has its order is not sent.
ALTER TABLE shop.parts DROP COLUMN truust_id;
ALTER TABLE shop.parts ADD COLUMN truust_id bigint;
INSERT INTO shop.parts VALUES (3, 'has its order', 6, 777), (103, 'has its order', 7, 778);
SELECT count(*) FROM sent();
ALTER TABLE shop.parts DETACH PARTITION shop.parts_2;
INSERT INTO shop.parts_2 VALUES ('no partition any more', 102, NULL, 5);
SELECT count(*) FROM sent();
SELECT truust_detach('shop.parts');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname = 'truust_attached';
SELECT truust_attach('shop.parts', '{"name": "title", "value": "total"}', order_id => 'truust_id');

-- Nobody makes such a trigger by himself.
CREATE TABLE shop.trap (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
DO $$ DECLARE n bigint; BEGIN
    SELECT id INTO n FROM truust.attachments WHERE relation = 'shop.parts'::regclass;
    EXECUTE format('CREATE TRIGGER trap AFTER INSERT ON shop.trap FOR EACH ROW EXECUTE FUNCTION truust.attached(%s)', n);
END $$;
INSERT INTO shop.trap VALUES (1, 'trapped', 1);
\echo :SQLSTATE
-- A dump without data brings triggers back, and no attachments: to attach the table is enough.
CREATE TRIGGER truust_attached AFTER INSERT ON shop.trap FOR EACH ROW EXECUTE FUNCTION truust.attached('4711');
SELECT truust_attach('shop.trap', '{"name": "title", "value": "total"}', order_id => 'truust_id');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.trap'::regclass;
TRUNCATE truust.requests;
INSERT INTO shop.trap VALUES (1, 'attached', 1);
SELECT * FROM sent();

-- Tables that are gone are detached one by one, or all at once.
BEGIN;
CREATE TABLE shop.gone_1 (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
CREATE TABLE shop.gone_2 (LIKE shop.gone_1 INCLUDING ALL);
SELECT truust_attach(gone, '{"name": "title", "value": "total"}', order_id => 'truust_id') FROM unnest('{shop.gone_1,shop.gone_2}'::regclass[]) AS gone;
DROP TABLE shop.gone_1, shop.gone_2;
SELECT count(truust_detach(a.relation)) FROM truust.attachments a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.relation);
SELECT count(*) FROM truust.attachments a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.relation);
COMMIT;

-- A row whose extra create_order would not take is refused when it is inserted, as truust_enqueue() would.
TRUNCATE truust.requests;
CREATE TABLE shop.more (id int PRIMARY KEY, title text, total numeric, more jsonb, truust_id bigint);
SELECT truust_attach('shop.more', '{"name": "title", "value": "total", "extra": "more"}', order_id => 'truust_id');
INSERT INTO shop.more VALUES (1, 'more', 1, '{"gift": true}'), (2, 'no more', 2, NULL), (3, 'null', 3, 'null');
INSERT INTO shop.more VALUES (4, 'no object', 4, '[1]');
\echo :SQLSTATE
INSERT INTO shop.more VALUES (5, 'given twice', 5, '{"name": "another"}');
\echo :SQLSTATE
SELECT * FROM sent();

TRUNCATE truust.requests;
DELETE FROM truust.attachments WHERE server = 'regress_attach';
DROP FUNCTION sent();
DROP SCHEMA shop CASCADE;
DROP SERVER regress_attach CASCADE;
DROP ROLE regress_truust_clerk;
SELECT truust_resume('requests');
