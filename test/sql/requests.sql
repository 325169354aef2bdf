-- Deferred requests without sending any: what is checked when they are enqueued, keys, groups, whose rows they are, and
-- what a person may do with them.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
SELECT truust_pause('requests', 'test');
CREATE ROLE regress_truust_shop;
CREATE ROLE regress_truust_rival;
CREATE ROLE regress_truust_guard;
CREATE SERVER regress_requests FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url 'http://127.0.0.1:1/2.0');
SET truust.server = 'regress_requests';
GRANT USAGE ON FOREIGN SERVER regress_requests TO regress_truust_shop, regress_truust_rival;
SELECT truust_grant('api', 'regress_truust_shop'), truust_grant('api', 'regress_truust_rival'), truust_grant('operate', 'regress_truust_guard');
CREATE USER MAPPING FOR regress_truust_shop SERVER regress_requests OPTIONS (secret_key 'sk_stage_of_the_shop');
-- Keeps ids out of the output.
CREATE FUNCTION enqueued(operation text, args jsonb DEFAULT '{}', key text DEFAULT NULL, on_done regprocedure DEFAULT NULL) RETURNS boolean
LANGUAGE sql AS 'SELECT truust_enqueue($1, $2, $3, $4) > 0';

-- What is wrong is an error there and then.
SET ROLE regress_truust_shop;
SELECT enqueued(NULL);
SELECT enqueued('make_order');
\echo :SQLSTATE
SELECT count(*) FROM truust.endpoints(); -- as the hint says
SELECT enqueued('truust_create_order');
SELECT enqueued('aprove_order');
SELECT enqueued('acept_order');
SELECT enqueued('create_order', '{"name": "Bicycle"}');
\echo :SQLSTATE
SELECT enqueued('create_order', '{"name": "Bicycle", "value": null}');
SELECT enqueued('create_order', '{"name": "Bicycle", "value": "much"}');
\echo :SQLSTATE
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 120.50, "buyer_id": 1.5}');
SELECT enqueued('accept_order', '{"order_id": 7, "colour": "blue"}');
\echo :SQLSTATE
SELECT enqueued('accept_order', '[7]');
SELECT enqueued('get_customer', '{"customer_uuid": ".."}');
SELECT enqueued('create_order', '{"name": "Bicycle", "value": "NaN"}');
SELECT enqueued('create_order', '{"name": {"a": 1}, "value": 1}');
\echo :SQLSTATE
SELECT enqueued('create_order', '{"name": ["a"], "value": 1}');
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 1, "images": ["a", {"b": 1}]}');
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 1, "images": {"a": 1}}');
SELECT enqueued('list_orders', '{"per_page": 3000}');
\echo :SQLSTATE
SELECT enqueued('list_orders', '{"page": 0}');
SELECT enqueued('list_orders', '{"date_begin": "2026-01-31+02:00"}');
SELECT enqueued('list_orders', '{"date_begin": "2026-01-31 BC"}');
SELECT enqueued('list_orders', '{"date_begin": "2026-01-31T10:00:00Z"}');
SET truust.server = 'regress_nowhere';
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 120.50}');
\echo :SQLSTATE
RESET truust.server;
SET truust.server = 'regress_requests';
SET ROLE regress_truust_rival;
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 120.50}');
\echo :SQLSTATE
RESET ROLE;
ALTER SERVER regress_requests OPTIONS (ADD subdomain 'api');
CREATE USER MAPPING FOR regress_truust_rival SERVER regress_requests OPTIONS (secret_key 'sk_production_of_the_rival');
SET ROLE regress_truust_rival;
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 120.50}');
\echo :SQLSTATE
RESET ROLE;
ALTER USER MAPPING FOR regress_truust_rival SERVER regress_requests OPTIONS (SET secret_key 'sk_stage_of_the_rival');

-- on_done must be one that can be called.
CREATE FUNCTION wrong_argument(integer) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION right_argument(r truust.requests) RETURNS void LANGUAGE sql AS 'SELECT';
REVOKE ALL ON FUNCTION right_argument(truust.requests) FROM PUBLIC;
SET ROLE regress_truust_shop;
SELECT enqueued('list_orders', on_done => 'wrong_argument(integer)');
\echo :SQLSTATE
SELECT enqueued('list_orders', on_done => 'right_argument(truust.requests)');
\echo :SQLSTATE
CREATE FUNCTION pg_temp.right_argument(r truust.requests) RETURNS void LANGUAGE sql AS 'SELECT';
\set VERBOSITY sqlstate
SELECT enqueued('list_orders', on_done => 'pg_temp.right_argument(truust.requests)');
\set VERBOSITY default
DROP FUNCTION pg_temp.right_argument(truust.requests);
RESET ROLE;
GRANT EXECUTE ON FUNCTION right_argument(truust.requests) TO regress_truust_shop;
SET ROLE regress_truust_shop;
SELECT enqueued('list_orders', key => 'with on_done', on_done => 'right_argument(truust.requests)');
SELECT operation, args, role, server, state, attempts, finished_at, http_status, response, error, on_done FROM truust.requests;

-- A key names a request; each role has its own.
SELECT enqueued('create_order', '{"name": "Bicycle", "value": 120.50}', 'cart-1');
SELECT truust_enqueue('create_order', '{"name": "Other", "value": 1}', 'cart-1') = id AS the_first FROM truust.requests WHERE key = 'cart-1';
RESET ROLE;
-- the same request for another account is another request
CREATE SERVER regress_requests_too FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox');
GRANT USAGE ON FOREIGN SERVER regress_requests_too TO regress_truust_shop;
CREATE USER MAPPING FOR regress_truust_shop SERVER regress_requests_too OPTIONS (secret_key 'sk_stage_made_up');
SET ROLE regress_truust_shop;
SET truust.server = 'regress_requests_too';
SELECT truust_enqueue('create_order', '{"name": "Bicycle", "value": 120.50}', 'cart-1') = id AS the_first FROM truust.requests WHERE key = 'cart-1';
RESET truust.server;
SET truust.server = 'regress_requests';
RESET ROLE;
DROP SERVER regress_requests_too CASCADE;
SET ROLE regress_truust_rival;
SELECT enqueued('create_order', '{"name": "Rival", "value": 1}', 'cart-1');
SELECT key, args FROM truust.requests;
RESET ROLE;
SELECT role, args ->> 'name' AS name FROM truust.requests WHERE key = 'cart-1' ORDER BY role;

-- The role is the current user, inside a definer's function its owner.
CREATE FUNCTION shop_enqueues() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$ SELECT public.enqueued('create_order', '{"name": "By definer", "value": 1}') $$;
ALTER FUNCTION shop_enqueues() OWNER TO regress_truust_shop;
SELECT shop_enqueues();
SELECT role FROM truust.requests WHERE args ->> 'name' = 'By definer';

-- Groups: the resource that a request acts on, else what its key names.
SET ROLE regress_truust_shop;
SELECT enqueued('accept_order', '{"order_id": 7}', 'g1'), enqueued('create_payout', '{"order_id": 7, "type": "WALLET"}', 'g2'),
       enqueued('refund_payin', '{"payin_id": 8}', 'g3#x'), enqueued('update_customer', '{"customer_uuid": "u-1"}', 'g4'),
       enqueued('create_customer', '{"email": "a@example.test"}', 'g5'), enqueued('create_order', '{"name": "n", "value": 1}', 'cart#6'),
       enqueued('create_order', '{"name": "n", "value": 1}', '#g7');
-- One order is one group, however its id is written; what is too long for an index stands for itself by a digest.
SELECT enqueued('cancel_order', '{"order_id": 7.0}', 'g8'), enqueued('cancel_order', '{"order_id": "7"}', 'g9'),
       enqueued('update_customer', jsonb_build_object('customer_uuid', repeat('u', 5000)), 'g10');
SELECT key, sequence_group FROM truust.requests WHERE key LIKE '%g%' OR key LIKE 'cart#%' ORDER BY id;
SELECT truust_enqueue('list_orders', key => repeat('k', 1001));
\echo :SQLSTATE
SELECT enqueued('list_orders', key => repeat('k', 1000));
SELECT truust_enqueue('CREATE_ORDER', '{}');
BEGIN READ ONLY;
SELECT truust_enqueue('list_orders');
\echo :SQLSTATE
ROLLBACK;

-- A role sees its own rows and takes back its own, who operates sees and handles all.
SELECT count(*) > 5 AS several, bool_and(role = current_user) AS own FROM truust.requests;
DELETE FROM truust.requests;
UPDATE truust.requests SET state = 'done';
INSERT INTO truust.requests (operation, role, server) VALUES ('create_order', 'regress_truust_rival', 'regress_requests');
SELECT truust_retry_request(1);
RESET ROLE;
CREATE VIEW numbers AS SELECT id, key FROM truust.requests WHERE role = 'regress_truust_shop';
GRANT SELECT ON numbers TO PUBLIC;
SET ROLE regress_truust_rival;
DO $$ BEGIN PERFORM truust_cancel_request(id) FROM numbers WHERE key = 'g1'; EXCEPTION WHEN no_data_found THEN RAISE WARNING 'no such request'; END $$;
SET ROLE regress_truust_shop;
SELECT truust_cancel_request(id) FROM numbers WHERE key = 'g1';
SELECT state, error, finished_at IS NOT NULL AS finished FROM truust.requests WHERE key = 'g1';
SET ROLE regress_truust_guard;
SELECT count(DISTINCT role) FROM truust.requests WHERE server = 'regress_requests';
SELECT truust_cancel_request(id) FROM numbers WHERE key = 'g2';
DO $$ BEGIN PERFORM truust_cancel_request(id) FROM numbers WHERE key = 'g2'; EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE WARNING 'it has ended'; END $$;
SELECT truust_retry_request(id) FROM numbers WHERE key = 'g2';
SELECT state, attempts, error IS NULL FROM truust.requests WHERE key = 'g2';
DO $$ BEGIN PERFORM truust_retry_request(id) FROM numbers WHERE key = 'g2'; EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE WARNING 'it is queued'; END $$;
DO $$ BEGIN PERFORM truust_resolve_request(id, '{}') FROM numbers WHERE key = 'g2'; EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE WARNING 'it is not uncertain'; END $$;
SELECT truust_retry_request(0);
\echo :SQLSTATE
RESET ROLE;
UPDATE truust.requests SET state = 'uncertain' WHERE key IN ('g2', 'g3#x');

-- The views show no more than the table does.
SELECT truust_grant('read', 'regress_truust_rival'), truust_grant('read', 'regress_truust_shop');
SET ROLE regress_truust_rival;
SELECT DISTINCT role FROM truust.pending WHERE server = 'regress_requests';
SELECT count(*) FROM truust.dead_letters WHERE server = 'regress_requests';
SELECT count(*) FROM truust.visible_requests;
SET ROLE regress_truust_shop;
SELECT DISTINCT role FROM truust.pending WHERE server = 'regress_requests';
SELECT operation, args FROM truust.dead_letters WHERE server = 'regress_requests' ORDER BY id;
SET ROLE regress_truust_guard;
SELECT DISTINCT role FROM truust.pending WHERE server = 'regress_requests' ORDER BY role;
SELECT count(*) FROM truust.dead_letters WHERE server = 'regress_requests';
SELECT truust_resolve_request(id, '{}') FROM numbers WHERE key = 'g2';
\echo :SQLSTATE
SELECT truust_resolve_request(id, '{"data": {"id": 1}}') FROM numbers WHERE key = 'g2';
SELECT truust_resolve_request(id, NULL) FROM numbers WHERE key = 'g3#x';
SELECT key, state, response, error, done_state FROM truust.requests WHERE key IN ('g2', 'g3#x') ORDER BY key;
RESET ROLE;

-- Neither the extension nor a role with a key goes while requests are pending.
DROP EXTENSION truust;
\echo :SQLSTATE
CREATE ROLE regress_truust_mapped;
CREATE USER MAPPING FOR regress_truust_mapped SERVER regress_requests OPTIONS (secret_key 'sk_stage_of_another');
DROP ROLE regress_truust_mapped;
\echo :SQLSTATE

-- Requests follow a role that is renamed, and are nobody's when it is dropped: the next of its name has neither its
-- requests nor their keys. The names in the rows are seen to by and by.
CREATE ROLE regress_truust_anna IN ROLE regress_truust_shop;
CREATE USER MAPPING FOR regress_truust_anna SERVER regress_requests OPTIONS (secret_key 'sk_stage_of_anna');
SET ROLE regress_truust_anna;
SELECT enqueued('create_order', '{"name": "Secret", "value": 1}', 'annas');
SELECT truust_cancel_request(id) FROM truust.requests WHERE key = 'annas';
SELECT enqueued('create_order', '{"name": "Queued", "value": 1}', 'queued');
RESET ROLE;
DROP USER MAPPING FOR regress_truust_anna SERVER regress_requests;
-- (what bears the new name already, and was somebody's who never was here, becomes this role's, but not where that has the key)
INSERT INTO truust.requests (operation, key, role, server, state) VALUES ('list_orders', 'annas', 'regress_truust_anne', 'left behind', 'done'),
    ('list_orders', NULL, 'regress_truust_anne', 'taken over', 'done');
ALTER ROLE regress_truust_anna RENAME TO regress_truust_anne;
CREATE ROLE regress_truust_anna IN ROLE regress_truust_shop;
CREATE USER MAPPING FOR regress_truust_anna SERVER regress_requests OPTIONS (secret_key 'sk_stage_of_another_anna');
SET ROLE regress_truust_anne;
SELECT args ->> 'name' AS name FROM truust.requests ORDER BY id;
RESET ROLE;
CALL truust_drain();
SET ROLE regress_truust_anne;
SELECT role, args ->> 'name' AS name, server FROM truust.requests ORDER BY id;
SELECT truust_cancel_request(id) FROM truust.requests WHERE key = 'queued';
SET ROLE regress_truust_anna;
SELECT count(*) FROM truust.requests;
SELECT enqueued('create_order', '{"name": "Mine", "value": 1}', 'annas');
SELECT truust_cancel_request(id) FROM truust.requests WHERE key = 'annas';
SELECT args ->> 'name' AS name, state FROM truust.requests;
RESET ROLE;
UPDATE truust.requests SET done_state = 'dead' WHERE role = 'regress_truust_anne' AND key = 'annas' AND server <> 'left behind';
DROP ROLE regress_truust_anne;
\echo :SQLSTATE
UPDATE truust.requests SET done_state = NULL WHERE role = 'regress_truust_anne';
DROP ROLE regress_truust_anne;
DROP USER MAPPING FOR regress_truust_anna SERVER regress_requests;
DROP ROLE regress_truust_anna;
CREATE ROLE regress_truust_anna IN ROLE regress_truust_shop;
SET ROLE regress_truust_anna;
SELECT count(*) FROM truust.requests;
RESET ROLE;
DROP ROLE regress_truust_anna;
CALL truust_drain();
SELECT pg_catalog.regexp_replace(role, '\d+', 'N') AS role, role_oid, args ->> 'name' AS name, server, state FROM truust.requests WHERE role ~ 'ann[ae]$' ORDER BY 1, id;

-- Operations and what is known of repeating them: reads are safe, writes are not, what is looked up is findable.
SELECT repeat, count(*) FROM truust.endpoints() GROUP BY repeat ORDER BY repeat;
SELECT name FROM truust.endpoints() WHERE (method = 'GET') <> (repeat = 'safe');
SELECT name FROM truust.endpoints() WHERE (repeat = 'findable') <> (lookup IS NOT NULL AND lookup <> 'none');
-- docs/repeat.md says the same of each.
\set table `cat "${PG_ABS_SRCDIR:-test}/../docs/repeat.md"`
CREATE TEMP TABLE documented AS
    SELECT trim(l[2], ' `') AS name, trim(l[3]) AS repeat, trim(l[4]) AS lookup, trim(l[5]) AS why
      FROM regexp_split_to_table(:'table', E'\n') line, string_to_array(line, '|') l WHERE line ~ '^\| `[a-z]';
SELECT count(*) FROM documented;
SELECT name, repeat, coalesce(lookup, 'none') AS lookup, why FROM truust.endpoints() EXCEPT SELECT * FROM documented;

TRUNCATE truust.requests;
DROP VIEW numbers;
DROP FUNCTION enqueued, shop_enqueues, wrong_argument, right_argument;
DROP SERVER regress_requests CASCADE;
SELECT truust_revoke(privilege, role) FROM unnest(ARRAY['api', 'read']) privilege, unnest(ARRAY['regress_truust_shop', 'regress_truust_rival']) role;
SELECT truust_revoke('operate', 'regress_truust_guard');
DROP ROLE regress_truust_shop, regress_truust_rival, regress_truust_guard, regress_truust_mapped;
SELECT truust_resume('requests');
