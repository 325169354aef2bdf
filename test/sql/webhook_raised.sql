-- What a merchant's code raises is that code's failure, whatever its class; a conflict with others is nobody's, for a while.
\set VERBOSITY terse
\pset format unaligned
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_stop_worker() >= 0 AS stopped;
DROP SERVER IF EXISTS truust CASCADE;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.handlers RESTART IDENTITY;
SET truust.webhook_trust = 'body';
SET truust.retry_delay = 1;
SET truust.max_retry_delay = 1;
SET truust.max_attempts = 3;
CREATE TABLE raised (code text, times int);
CREATE SEQUENCE tries;
CREATE FUNCTION raise_it() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r public.raised;
BEGIN
    SELECT * INTO r FROM public.raised;
    IF nextval('public.tries') <= r.times THEN RAISE EXCEPTION 'raised' USING ERRCODE = r.code; END IF;
END $$;
CREATE FUNCTION handle(e truust_event) RETURNS void LANGUAGE sql AS 'SELECT public.raise_it()';
CREATE TABLE shop (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, truust_id bigint, payment_status text, title text, price numeric DEFAULT 1);
CREATE FUNCTION on_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.raise_it(); RETURN NEW; END';
-- An event of an order, while so many tries raise this.
CREATE FUNCTION raising(which bigint, raised_code text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM truust.webhooks;
    DELETE FROM raised;
    INSERT INTO raised VALUES (raised_code, n);
    PERFORM setval('tries', 1, false);
    PERFORM truust_receive_webhook(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', which));
END $$;
CREATE VIEW drains AS SELECT 'CALL truust_drain()' AS drain, 'DO $$ BEGIN PERFORM pg_sleep(0.004); END $$' AS pause FROM generate_series(1, 16);
CREATE VIEW outcome AS
SELECT (SELECT last_value - 1 + is_called::int FROM tries) AS tries, (SELECT o.status FROM truust.orders o WHERE o.id = (SELECT max(id) FROM truust.orders)) AS status,
       (SELECT w.state || ' ' || w.attempts || ' ' || w.error FROM truust.webhooks w) AS left;
SELECT truust_on('*', 'handle(truust_event)');
SELECT raising(1, '58000', 1000);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
SELECT raising(2, '53400', 1000);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
SELECT raising(3, '57000', 1000);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
-- Conflicts: so many, and then they count.
SELECT raising(4, '40P01', 1000);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
-- One that ends before takes nothing from the event.
SELECT raising(5, '40001', 8);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
SELECT truust_off('*', 'handle(truust_event)');
-- The same in a trigger of an attached table.
CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://127.0.0.1:1/2.0');
CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
INSERT INTO shop (truust_id, payment_status, title) VALUES (6, 'DRAFT', 'a'), (7, 'DRAFT', 'b');
SELECT truust_attach('shop', args => '{"name": "title", "value": "price"}', order_id => 'truust_id', status => 'payment_status') IS NOT NULL AS attached;
CREATE TRIGGER raises BEFORE UPDATE ON shop FOR EACH ROW EXECUTE FUNCTION on_update();
SELECT raising(6, '58000', 1000);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
SELECT raising(7, '40001', 8);
\set ECHO none
SELECT * FROM drains \gexec
\set ECHO all
SELECT * FROM outcome;
SELECT truust_detach('shop');
DROP SERVER truust CASCADE;
DROP VIEW outcome, drains;
DROP TABLE shop, raised;
DROP FUNCTION handle(truust_event), on_update(), raise_it(), raising(bigint, text, int);
DROP SEQUENCE tries;
TRUNCATE truust.webhooks, truust.orders, truust.payins, truust.payouts, truust.events, truust.requests RESTART IDENTITY;
