# Rights: what each privilege may and may not, whose rights a user's code has, and objects that somebody puts in front.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'rights', conf => "truust.webhook_trust = body\ntruust.max_attempts = 1\n");

$t->sql(<<~'SQL');
	CREATE ROLE nobody_special LOGIN;
	DO $$
	DECLARE p text;
	BEGIN
		FOREACH p IN ARRAY ARRAY['api', 'intake', 'read', 'operate'] LOOP
			EXECUTE format('CREATE ROLE only_%s LOGIN', p);
			EXECUTE format('GRANT USAGE ON FOREIGN SERVER truust TO only_%s', p);
			EXECUTE format('CREATE USER MAPPING FOR only_%s SERVER truust OPTIONS (secret_key %L)', p, 'sk_stage_of_' || p);
			PERFORM truust_grant(p, 'only_' || p);
		END LOOP;
	END $$;

	-- The SQLSTATE of a statement that a role runs; nothing of it stays.
	CREATE FUNCTION attempt(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('SET LOCAL ROLE %I', who);
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'TT000';
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;

	CREATE VIEW members AS
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension x ON d.refobjid = x.oid
		 WHERE x.extname = 'truust' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
	CREATE VIEW functions AS
		SELECT p.oid, p.proname, p.prokind,
			   (SELECT string_agg(format('(SELECT NULL::%s)', format_type(a, NULL)), ', ') FROM unnest(p.proargtypes) a) AS nulls,
			   p.prorettype = 'trigger'::regtype OR p.prorettype = 'event_trigger'::regtype
				OR 'internal'::regtype = ANY (p.proargtypes::oid[]) AS not_callable,
			   p.pronamespace = 'truust'::regnamespace AS internal
		  FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
	CREATE VIEW tables AS
		SELECT c.oid, c.relname, c.relkind,
			   (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1) AS first
		  FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid WHERE c.relkind IN ('r', 'v');
	SQL

# What the privileges are for, written down here once more, apart from the extension's own list.
my %FUNCTIONS = (
	nobody_special => [],
	only_api => [ qw(truust_enqueue truust_cancel_request truust_get_orders truust_get_payins truust_get_payouts
		truust_get_customers truust_charge_direct_link endpoints) ],
	only_intake => ['truust_receive_webhook'],
	only_read => ['truust_status', 'stats_rows'],
	only_operate => [ qw(truust_status truust_retry_webhook truust_discard_webhook truust_replay truust_sync_orders truust_pause
		truust_resume truust_retry_request truust_cancel_request truust_resolve_request truust_attach truust_detach
		truust_on truust_off attached truust_drain truust_start_worker truust_stop_worker) ]);
my %READ = (
	nobody_special => [],
	only_api => ['requests'],
	only_intake => [],
	only_read => [ qw(orders payins payouts events webhooks requests handlers attachments pauses dead_letters pending stats) ],
	only_operate => [ qw(requests dead_letters pending pauses handlers attachments) ]);
my $operations = $t->sql(q{SELECT string_agg('truust_' || name, ' ') FROM truust.endpoints()});

push @{ $FUNCTIONS{only_api} }, split / /, $operations;

for my $role (sort keys %FUNCTIONS)
{
	my $functions = join ',', @{ $FUNCTIONS{$role} };
	my $tables = join ',', @{ $READ{$role} };

	is($t->sql(<<~SQL), '', "$role: calls what it should, and is refused what it should not");
		SELECT oid::regprocedure, state FROM (
			SELECT oid, proname, internal, attempt('$role', format('%s %s(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END,
				oid::regproc, nulls)) AS state FROM functions WHERE NOT not_callable AND proname !~ '_worker\$') f
		 WHERE (state = '42501') = (proname = ANY (string_to_array('$functions', ',')))
		SQL
	is($t->sql(<<~SQL), '', "$role: and the catalog says the same");
		SELECT oid::regprocedure FROM functions
		 WHERE has_function_privilege('$role', oid, 'EXECUTE') <> (proname = ANY (string_to_array('$functions', ',')))
		   AND proname <> 'truust_fdw_validator'
		SQL
	is($t->sql(<<~SQL), '', "$role: reads what it should and nothing else");
		SELECT relname, state FROM (
			SELECT relname, attempt('$role', format('SELECT count(*) FROM %s', oid::regclass)) AS state FROM tables) f
		 WHERE (state = 'TT000') <> (relname = ANY (string_to_array('$tables', ',')))
		SQL
	is($t->sql(<<~SQL), $role eq 'only_intake' ? 'webhooks|INSERT' : '', "$role: writes to no table but the intake");
		SELECT relname, split_part(statement, ' ', 1) FROM (
			SELECT relname, statement, attempt('$role', statement) AS state FROM tables, LATERAL (VALUES
				(CASE relname WHEN 'webhooks' THEN 'INSERT INTO truust.webhooks (body) VALUES (\$b\${}\$b\$)'
				 ELSE format('INSERT INTO %s DEFAULT VALUES', oid::regclass) END),
				(format('UPDATE %s SET %I = DEFAULT', oid::regclass, first)), (format('DELETE FROM %s', oid::regclass)),
				(format('TRUNCATE %s', oid::regclass)), (format('LOCK %s IN ACCESS EXCLUSIVE MODE', oid::regclass)),
				(format('ALTER TABLE %s DISABLE TRIGGER ALL', oid::regclass)),
				(format('CREATE TRIGGER mine AFTER INSERT ON %s EXECUTE FUNCTION truust.attached()', oid::regclass))) s (statement)) f
		 WHERE state <> '42501' AND NOT (state IN ('42809', '428C9', '0A000', '55000') AND relname IN (SELECT relname FROM tables WHERE relkind = 'v'))
		SQL
}
is($t->sql(q{SELECT attempt('only_intake', 'INSERT INTO truust.webhooks (body, state) VALUES (''{}'', ''dead'')')}), '42501',
	'intake: chooses no state');

# What was given can be taken back, all of it.
$t->sql(q{SELECT truust_revoke(p, 'only_' || p) FROM unnest('{api,intake,read,operate}'::text[]) p});
is($t->sql(<<~'SQL'), '0|0|0', 'after truust_revoke nothing is left');
	SELECT (SELECT count(*) FROM functions, pg_proc p, aclexplode(p.proacl) a WHERE p.oid = functions.oid
				AND a.grantee IN (SELECT oid FROM pg_roles WHERE rolname ~ '^only_')),
		   (SELECT count(*) FROM tables, pg_class c, aclexplode(c.relacl) a WHERE c.oid = tables.oid
				AND a.grantee IN (SELECT oid FROM pg_roles WHERE rolname ~ '^only_')),
		   (SELECT count(*) FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'truust'
				AND a.grantee IN (SELECT oid FROM pg_roles WHERE rolname ~ '^only_'))
	SQL
$t->sql(q{SELECT truust_grant(p, 'only_' || p) FROM unnest('{api,intake,read,operate}'::text[]) p});
# A schema of the merchant's own is his to open.
$t->sql('CREATE DATABASE elsewhere');
$t->sql('CREATE SCHEMA "Pay"; CREATE EXTENSION truust SCHEMA "Pay"', database => 'elsewhere');
like($t->error(q{SELECT "Pay".truust_grant('api', 'only_api')}, database => 'elsewhere'),
	qr/WARNING:  01000: role "only_api" has no USAGE on schema "Pay".*\nHINT:  GRANT USAGE ON SCHEMA "Pay" TO only_api;/, 'truust_grant() warns where the functions cannot be reached');
$t->sql('GRANT USAGE ON SCHEMA "Pay" TO only_api', database => 'elsewhere');
is($t->error(q{SELECT "Pay".truust_grant('api', 'only_api')}, database => 'elsewhere'), '', 'and not where they can');
$t->sql(q{SELECT "Pay".truust_revoke('api', 'only_api')}, database => 'elsewhere');
$t->sql('DROP DATABASE elsewhere');
like($t->error(q{SELECT truust_grant('all', 'only_api')}), qr/22023: privilege "all" does not exist/, 'an unknown privilege');
like($t->error(q{SELECT truust_grant('api', 'public')}), qr/42704: role "public" does not exist/, 'nothing goes to PUBLIC');

# Everything that a caller's search_path could put in front: each operator and each plain function of pg_catalog over the
# types that the extension uses, as one that notes who ran it; tables of the same names.
$t->sql(<<~'SQL');
	CREATE ROLE boss SUPERUSER;
	CREATE ROLE mallory LOGIN;
	GRANT SELECT ON tables TO mallory;
	SELECT truust_grant(p, 'mallory') FROM unnest('{api,operate}'::text[]) p;
	GRANT USAGE ON FOREIGN SERVER truust TO mallory;
	CREATE USER MAPPING FOR mallory SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
	GRANT CREATE ON DATABASE postgres TO mallory;
	SET ROLE mallory;
	CREATE SCHEMA evil;
	GRANT USAGE ON SCHEMA evil TO PUBLIC;
	CREATE TABLE evil.log (who name, what text);
	GRANT INSERT ON evil.log TO PUBLIC;
	CREATE FUNCTION evil.note(what text) RETURNS void LANGUAGE sql SET search_path = pg_catalog
		AS $$ INSERT INTO evil.log VALUES (current_user, what) $$;
	DO $$
	DECLARE
		r record;
		n int := 0;
		ours CONSTANT oid[] := '{text,name,int4,int8,numeric,jsonb,bool,timestamptz,oid,interval,bytea}'::regtype[];
	BEGIN
		FOR r IN SELECT * FROM pg_catalog.pg_operator
				  WHERE oprleft = ANY (ours) AND oprright = ANY (ours) AND oprnamespace = 'pg_catalog'::regnamespace LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.op%s(a %s, b %s) RETURNS %s LANGUAGE plpgsql AS
				$f$ BEGIN PERFORM evil.note(%L); RETURN a OPERATOR(pg_catalog.%s) b; END $f$', n, r.oprleft::regtype, r.oprright::regtype,
				r.oprresult::regtype, r.oprname, r.oprname);
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.op%s, LEFTARG = %s, RIGHTARG = %s)', r.oprname, n,
				r.oprleft::regtype, r.oprright::regtype);
		END LOOP;
		FOR r IN SELECT p.oid, p.proname, p.proretset, p.prorettype, p.pronargs,
						(SELECT string_agg(format_type(a, NULL), ', ') FROM unnest(p.proargtypes) a) AS args,
						(SELECT string_agg('$' || i, ', ') FROM generate_series(1, p.pronargs) i) AS numbers
				   FROM pg_catalog.pg_proc p
				  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
					AND p.proargtypes::oid[] <@ ours AND p.prorettype = ANY (ours) AND p.pronargs > 0 LOOP
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS
				$f$ BEGIN PERFORM evil.note(%L); RETURN pg_catalog.%I(%s); END $f$', r.proname, r.args, r.prorettype::regtype,
				r.proname, r.proname, r.numbers);
		END LOOP;
		FOR r IN SELECT relname FROM tables LOOP
			EXECUTE format('CREATE TABLE evil.%I (id bigint)', r.relname);
		END LOOP;
	END $$;
	RESET ROLE;
	SQL
cmp_ok($t->sql(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace}), '>', 500, 'many functions stand in front');
$t->sql(q{CREATE TABLE evil.proof AS SELECT; SET search_path = evil, pg_catalog; SELECT lower('A')});
is($t->sql('SELECT count(*) FROM evil.log'), 1, 'and would be called');
$t->sql(<<~'SQL');
	TRUNCATE evil.log;
	CREATE SCHEMA shop;
	CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, total numeric, buyer bigint, seller bigint,
		truust_id bigint, payment_status text, payment_url text);
	CREATE FUNCTION shop.handler(truust_event) RETURNS void LANGUAGE sql AS 'SELECT';
	SQL
for my $way ('evil, pg_catalog, pg_temp', 'evil, pg_temp, pg_catalog')
{
	my $err = $t->error(<<~SQL);
		CREATE TEMP TABLE requests (id bigint);
		CREATE TEMP TABLE orders (id bigint);
		CREATE TEMP TABLE webhooks (id bigint);
		CREATE TEMP TABLE pg_class (oid oid);
		SET search_path = $way;
		SELECT * FROM public.truust_status();
		SELECT * FROM truust.stats;
		SELECT * FROM truust.pending;
		SELECT * FROM truust.dead_letters;
		SELECT public.truust_pause('webhooks', 'a reason');
		SELECT public.truust_resume('webhooks');
		SELECT public.truust_on('order.published', 'shop.handler(public.truust_event)'::pg_catalog.regprocedure);
		SELECT public.truust_attach('shop.orders', '{"name": "title", "value": "total", "buyer_id": "buyer", "seller_id": "seller"}',
			'truust_id', 'payment_status', 'payment_url');
		INSERT INTO shop.orders (title, total, buyer, seller) VALUES ('Bicycle', 10, 1, 2);
		SELECT public.truust_receive_webhook('{"escrow": {"id": 77, "status": "PUBLISHED"}}'::pg_catalog.text, 'order.published');
		SELECT public.truust_enqueue('create_order', '{"name": "Lamp", "value": "5", "buyer_id": 1, "seller_id": 2}', 'key of $way');
		SELECT public.truust_enqueue('create_order', '{"name": "Lamp", "value": "5", "buyer_id": 1, "seller_id": 2}', 'key of $way');
		SELECT id FROM public.truust_create_order(name => 'Chair', value => 3, buyer_id => 1, seller_id => 2);
		SELECT id FROM public.truust_get_orders('{1,2}');
		SELECT id FROM public.truust_list_orders(max_rows => 2);
		CALL public.truust_drain();
		SELECT public.truust_replay(77);
		SELECT public.truust_sync_orders('2020-01-01');
		SELECT public.truust_off('order.published', 'shop.handler(public.truust_event)'::pg_catalog.regprocedure);
		SELECT public.truust_detach('shop.orders');
		SELECT public.truust_grant('read', 'mallory');
		SELECT public.truust_revoke('read', 'mallory');
		SQL
	unlike($err, qr/ERROR:  42[^5]/, "search_path $way: every name is found") or diag($err);
	is($t->sql('SELECT DISTINCT who, what FROM evil.log'), '', "search_path $way: nothing that stands in front is run");
}

# A trigger that a DBA has put on a table of the extension runs with the owner's rights, and so not with the caller's
# search_path.
my @TRIGGERED = qw(webhooks requests orders events);
$t->sql(<<~'SQL' . join "\n", map { "CREATE TRIGGER dba BEFORE INSERT ON truust.$_ FOR EACH ROW EXECUTE FUNCTION shop.dba();" } @TRIGGERED);
	CREATE TABLE shop.path (relation name, path text);
	CREATE FUNCTION shop.dba() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM lower('A'); INSERT INTO shop.path VALUES (TG_RELNAME, current_setting('search_path')); RETURN NEW; END $$;
	SELECT truust_attach('shop.orders', '{"name": "title", "value": "total", "buyer_id": "buyer", "seller_id": "seller"}', 'truust_id');
	SELECT truust_grant('intake', 'mallory');
	GRANT USAGE ON SCHEMA shop TO mallory;
	GRANT INSERT ON shop.orders TO mallory;
	SQL
$t->sql(<<~'SQL');
	SET ROLE mallory;
	SET search_path = evil, pg_catalog, pg_temp;
	SELECT public.truust_receive_webhook('{"escrow": {"id": 77, "status": "PUBLISHED"}}'::pg_catalog.text, 'order.published');
	SELECT public.truust_enqueue('create_order', '{"name": "Lamp", "value": "5", "buyer_id": 1, "seller_id": 2}');
	SELECT id FROM public.truust_create_order(name => 'Chair', value => 3, buyer_id => 1, seller_id => 2);
	INSERT INTO shop.orders (title, total, buyer, seller) VALUES ('Bicycle', 10, 1, 2);
	SQL
is($t->sql(q{SELECT string_agg(DISTINCT relation, ' ' ORDER BY relation) FROM shop.path}), join(' ', sort @TRIGGERED), "a DBA's triggers run");
is($t->sql('SELECT DISTINCT who, what FROM evil.log'), '', '... and nothing that a caller puts in front of what they call');
$t->sql(join ' ', (map { "DROP TRIGGER dba ON truust.$_;" } @TRIGGERED), q{SELECT truust_detach('shop.orders'), truust_revoke('intake', 'mallory');});

# What a role's code may do when a worker runs it: the same attempts from a handler, from on_done, and from a trigger of
# an attached table. Each notes who it is before, in and after the attempt.
$t->sql(<<~'SQL');
	TRUNCATE evil.log;
	CREATE TABLE public.safe (note text);
	SET ROLE mallory;
	CREATE TABLE evil.later (id int);
	CREATE FUNCTION evil.deferred() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO evil.log VALUES (current_user, 'deferred trigger'); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON evil.later DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION evil.deferred();
	CREATE FUNCTION evil.at_commit() RETURNS int LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO evil.log VALUES (current_user, 'cursor'); RETURN 1; END $$;
	CREATE FUNCTION evil.attempts(place text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		statement text;
	BEGIN
		FOREACH statement IN ARRAY ARRAY['SET ROLE boss', 'SET LOCAL ROLE boss', 'RESET ROLE', 'RESET SESSION AUTHORIZATION',
			'SET SESSION AUTHORIZATION boss', 'RESET ALL', 'DISCARD ALL', 'SET session_replication_role = replica',
			'CREATE TEMP TABLE requests (id bigint)', 'CREATE TEMP VIEW orders AS SELECT 1',
			'DECLARE c CURSOR WITH HOLD FOR SELECT evil.at_commit()',
			'SET CONSTRAINTS ALL DEFERRED', 'INSERT INTO evil.later VALUES (1)',
			'SELECT set_config(''search_path'', ''evil, pg_catalog'', false)',
			'INSERT INTO public.safe VALUES (''reached'')', 'ALTER ROLE mallory SUPERUSER', 'COMMIT', 'ROLLBACK',
			'DELETE FROM truust.orders', 'SELECT public.truust_grant(''read'', ''mallory'')',
			'SELECT pg_catalog.pg_read_file(''postgresql.conf'')'] LOOP
			BEGIN
				EXECUTE statement;
				INSERT INTO evil.log VALUES (current_user, place || ' did: ' || statement);
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO evil.log VALUES (current_user, place || ' may not: ' || statement || ': ' || SQLSTATE);
			END;
		END LOOP;
		INSERT INTO evil.log VALUES (current_user, place || ' end');
	END $$;
	CREATE FUNCTION evil.handler(truust_event) RETURNS void LANGUAGE sql AS $$ SELECT evil.attempts('handler') $$;
	CREATE FUNCTION evil.done(truust.requests) RETURNS void LANGUAGE sql AS $$ SELECT evil.attempts('on_done') $$;
	CREATE FUNCTION evil.trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.attempts('attached'); RETURN NULL; END $$;
	CREATE TABLE evil.sales (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, total numeric, buyer bigint, seller bigint,
		truust_id bigint, payment_status text);
	CREATE TRIGGER attempts AFTER UPDATE ON evil.sales FOR EACH ROW EXECUTE FUNCTION evil.trigger();
	SELECT truust_on('order.accepted', 'evil.handler(truust_event)');
	SELECT truust_attach('evil.sales', '{"name": "title", "value": "total", "buyer_id": "buyer", "seller_id": "seller"}',
		'truust_id', 'payment_status');
	SELECT truust_enqueue('get_order', '{"order_id": 1}', on_done => 'evil.done(truust.requests)') WHERE false;
	SELECT truust_enqueue('create_order', '{"name": "Lamp", "value": "5", "buyer_id": 1, "seller_id": 2}',
		on_done => 'evil.done(truust.requests)');
	INSERT INTO evil.sales (title, total, buyer, seller) VALUES ('Bicycle', 10, 1, 2);
	RESET ROLE;
	SELECT truust_receive_webhook('{"escrow": {"id": 78, "status": "ACCEPTED"}}', 'order.accepted');
	SQL
for my $place ('handler', 'on_done', 'attached')
{
	ok($t->wait_for("EXISTS (SELECT FROM evil.log WHERE what = '$place end')", 30), "$place: was run by a worker")
	  or diag($t->sql('TABLE truust.dead_letters'));
	is($t->sql("SELECT what FROM evil.log WHERE what LIKE '$place did:%' AND what !~ 'later VALUES|set_config|CONSTRAINTS|RESET ALL'"),
		'', "$place: nothing that would raise its rights succeeds");
}
is($t->sql('SELECT DISTINCT who FROM evil.log'), 'mallory', 'whatever they do, they stay who they are');
is($t->sql('SELECT count(*) FROM public.safe'), 0, 'and reach nothing that is not theirs');
is($t->sql(q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f', 'no superuser was made');

# After them the worker works as before for others: their search_path is theirs, the extension's names are its own.
$t->sql(<<~'SQL');
	CREATE TABLE shop.seen (order_id bigint, who name, path text);
	CREATE FUNCTION shop.seen(e truust_event) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO shop.seen VALUES (e.order_id, current_user, current_setting('search_path')) $$;
	SELECT truust_on('order.accepted', 'shop.seen(truust_event)');
	SELECT truust_off('order.accepted', 'evil.handler(truust_event)');
	SELECT truust_receive_webhook('{"escrow": {"id": 79, "status": "ACCEPTED"}}', 'order.accepted');
	SQL
ok($t->wait_for('EXISTS (SELECT FROM shop.seen WHERE order_id = 79)', 30), 'the next handler runs');
is($t->sql('SELECT who = current_user, path !~ $$evil$$ FROM shop.seen WHERE order_id = 79'), 't|t', 'with its own rights and path')
  or diag($t->sql('TABLE shop.seen'));

# What is another's.
$t->sql(q{SET ROLE only_api; SELECT truust_enqueue('create_order', '{"name": "Lamp", "value": "5", "buyer_id": 1, "seller_id": 2}', 'of only_api')});
is($t->sql(q{SET ROLE only_api; SELECT count(*), min(role) FROM truust.requests}), '1|only_api', 'a role sees its own requests only');
is($t->sql(q{SELECT attempt('only_api', 'SELECT truust_cancel_request(1)')}) eq 'TT000', '', q{and cancels nobody else's});
$t->sql('REVOKE EXECUTE ON FUNCTION shop.seen(truust_event) FROM PUBLIC');
is($t->sql(q{SELECT attempt('only_operate', 'SELECT truust_on(''*'', ''shop.seen(truust_event)'')')}), '42501',
	'no handler that the role may not execute');
is($t->sql(q{SELECT attempt('only_operate', $$SELECT truust_attach('shop.orders', '{"name": "title"}', 'truust_id')$$)}), '42501',
	'no table of another');

done_testing;
