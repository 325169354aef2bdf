-- Options of servers and user mappings: what is refused when it is written, with what hint, and to whom.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
CREATE ROLE regress_truust_super SUPERUSER;
CREATE ROLE regress_truust_owner;
CREATE ROLE regress_truust_other;
SET ROLE regress_truust_super;
GRANT USAGE ON FOREIGN DATA WRAPPER truust TO regress_truust_owner;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_truust_owner', current_database()); END $$;
--
-- Servers: every option with a good value, all at once where they go together.
--
CREATE SERVER good FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain 'shop-1', connect_timeout '1', request_timeout '3600000', max_retries '0', ca_file '/nowhere/ca.pem');
ALTER SERVER good OPTIONS (SET environment 'production', DROP subdomain, SET max_retries '20', ADD base_url 'https://proxy.example:8443/truust/2.0');
ALTER SERVER good OPTIONS (DROP environment, SET base_url 'http://127.0.0.1:8080/2.0/');
ALTER SERVER good OPTIONS (SET base_url 'http://localhost/2.0');
ALTER SERVER good OPTIONS (SET base_url 'http://[::1]:8080/2.0');
ALTER SERVER good OPTIONS (SET base_url 'http://127.9.8.7/2.0');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'good';
-- Nothing else.
CREATE SERVER bad FOREIGN DATA WRAPPER truust;
\echo :SQLSTATE
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (subdomain 'api');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'staging');
\echo :SQLSTATE
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment '');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'Sandbox');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', host 'api.truust.io');
\echo :SQLSTATE
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', verify 'off');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', secret_key 'sk_stage_made_up');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', environment 'production');
\echo :SQLSTATE
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain '');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain 'evil.example/');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain '-api');
-- The environment makes the rest of the name: a production key must not go to the sandbox, nor a name be made twice.
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'production', subdomain 'api-sandbox');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain 'Shop-SANDBOX');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', subdomain 'api', base_url 'https://proxy.example/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', connect_timeout '0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', connect_timeout '5s');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', connect_timeout ' 5');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', request_timeout '-1');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', request_timeout '3600001');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', request_timeout '99999999999999999999');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', max_retries '21');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', max_retries '');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', ca_file 'ca.pem');
-- Addresses: plain http to a loopback address only, however it is disguised; nothing that looks like a password is repeated.
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://api.truust.io/2.0');
\echo :SQLSTATE
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://127.0.0.1.evil.example/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://localhost.evil.example/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://localhost@evil.example/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'https://user:word@proxy.example/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://10.0.0.1/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://[::2]/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'ftp://127.0.0.1/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'file:///etc/passwd');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'api.truust.io');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url '');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'https://proxy.example/2.0?x=1');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'https://proxy.example/2.0#');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url E'https://proxy.example/2.0\nX: y');
-- An address of Truust's own is of one environment.
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'production', base_url 'https://api-sandbox.truust.io/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url 'https://API.Truust.IO/2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url 'https://api.truust.io./2.0');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (base_url 'https:///2.0');
-- A change is checked as the whole that it makes.
ALTER SERVER good OPTIONS (DROP base_url);
ALTER SERVER good OPTIONS (ADD environment 'sandbox', DROP base_url);
ALTER SERVER good OPTIONS (DROP environment);
--
-- User mappings.
--
CREATE USER MAPPING FOR regress_truust_owner SERVER good;
\echo :SQLSTATE
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (user 'me', password 'secret');
\echo :SQLSTATE
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key '');
\echo :SQLSTATE
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'pk_stage_public');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'sk_stage_with space');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key E'sk_stage_line\nX-Header: y');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'sk_live_of_someone_else');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'sk_stage_');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'Bearer sk_stage_made_up');
SELECT format('CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key %L)', 'sk_stage_' || repeat('x', 248)) \gexec
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key_file 'key');
-- a key in the place of something else is not repeated
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key_file 'sk_stage_in_the_wrong_place');
CREATE SERVER bad FOREIGN DATA WRAPPER truust OPTIONS (environment 'sk_stage_in_the_wrong_place');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'sk_stage_made_up', secret_key_file '/nowhere/key');
CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key 'sk_stage_made_up', secret_key 'sk_stage_made_up_too');
SELECT count(*) FROM pg_user_mappings WHERE srvname = 'good';
SELECT format('CREATE USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (secret_key %L)', 'sk_stage_' || repeat('x', 247)) \gexec
ALTER USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (DROP secret_key);
ALTER USER MAPPING FOR regress_truust_owner SERVER good OPTIONS (DROP secret_key, ADD secret_key_file '/nowhere/key');
CREATE USER MAPPING FOR PUBLIC SERVER good OPTIONS (secret_key 'sk_production_of_the_house');
-- Neither the wrapper nor a foreign table takes any.
ALTER FOREIGN DATA WRAPPER truust OPTIONS (debug 'true');
\echo :SQLSTATE
CREATE FOREIGN TABLE regress_truust_table (id bigint) SERVER good OPTIONS (path '/orders');
--
-- What only a superuser may set: it leads the key elsewhere, or reads files of the server.
--
SET ROLE regress_truust_owner;
CREATE SERVER own FOREIGN DATA WRAPPER truust OPTIONS (base_url 'https://evil.example/2.0');
\echo :SQLSTATE
CREATE SERVER own FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', ca_file '/etc/passwd');
\echo :SQLSTATE
CREATE SERVER own FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', max_retries '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (secret_key_file '/etc/passwd');
\echo :SQLSTATE
CREATE USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (secret_key 'sk_stage_of_the_owner');
-- Settings: one's own calls, and not what the workers go by.
SET truust.server = 'own';
SET truust.max_connections = 64;
SET truust.max_connections = 65;
SET truust.webhook_trust = 'body';
\echo :SQLSTATE
SET truust.naptime = 1;
SET ROLE regress_truust_super;
SET truust.webhook_trust = 'nobody';
RESET truust.max_connections;
--
-- A key is seen by its owner and by superusers: PostgreSQL's own rule for user mappings.
--
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname = 'own';
SET ROLE regress_truust_other;
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname IN ('own', 'good') AND umoptions IS NOT NULL;
SET ROLE regress_truust_super;
--
-- Calls without all that they need; nothing is sent.
--
CREATE FOREIGN DATA WRAPPER regress_truust_other_wrapper;
CREATE SERVER regress_truust_other_server FOREIGN DATA WRAPPER regress_truust_other_wrapper;
SET truust.server = 'nowhere';
SELECT truust_get_account();
\echo :SQLSTATE
SET truust.server = 'two words';
SELECT truust_get_account();
SET truust.server = '';
SELECT truust_get_account();
\echo :SQLSTATE
SET truust.server = 'regress_truust_other_server';
SELECT truust_get_account();
\echo :SQLSTATE
SET truust.server = 'own';
SELECT truust_get_account();
\echo :SQLSTATE
SELECT truust_get_orders(ARRAY[1, 2]);
\echo :SQLSTATE
SELECT * FROM truust_list_orders();
\echo :SQLSTATE
SELECT truust_charge_direct_link(1);
\echo :SQLSTATE
-- The key of the other environment, either way, whoever's it is.
CREATE USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (secret_key 'sk_production_made_up');
SELECT truust_get_account();
\echo :SQLSTATE
SELECT count(*) FROM truust_list_orders(max_rows => 0);
\echo :SQLSTATE
ALTER SERVER own OPTIONS (SET environment 'production');
ALTER USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (SET secret_key 'sk_stage_made_up');
SELECT truust_create_order('Bicycle', 1);
\echo :SQLSTATE
-- An address of Truust's own needs no option to be known.
ALTER SERVER own OPTIONS (DROP environment, ADD base_url 'https://api.truust.io/2.0');
SELECT truust_get_account();
\echo :SQLSTATE
ALTER SERVER own OPTIONS (SET base_url 'https://shop-sandbox.truust.io/2.0');
ALTER USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (SET secret_key 'sk_production_made_up');
SELECT truust_get_account();
\echo :SQLSTATE
-- A key file that is not there.
ALTER USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (DROP secret_key, ADD secret_key_file '/nowhere/key');
SELECT truust_get_account();
\echo :SQLSTATE
-- The right to use the server is asked for, and the right to call.
SET ROLE regress_truust_other;
SELECT truust_get_account();
\echo :SQLSTATE
SET ROLE regress_truust_super;
SELECT truust_grant('api', 'regress_truust_other');
CREATE USER MAPPING FOR PUBLIC SERVER own OPTIONS (secret_key 'sk_stage_of_the_house');
SET ROLE regress_truust_other;
SELECT truust_get_account();
\echo :SQLSTATE
SET ROLE regress_truust_super;
SELECT truust_revoke('api', 'regress_truust_other');
RESET truust.server;
DROP SERVER good CASCADE;
DROP SERVER own CASCADE;
DROP FOREIGN DATA WRAPPER regress_truust_other_wrapper CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER truust FROM regress_truust_owner;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_truust_owner', current_database()); END $$;
RESET ROLE;
DROP ROLE regress_truust_super;
DROP ROLE regress_truust_owner;
DROP ROLE regress_truust_other;
