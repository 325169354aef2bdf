# Attached tables with a worker: a row becomes an order, however it is inserted; the order's id, status and link come
# back into it; and what breaks on the merchant's side later loses nothing. What needs no worker is in test/sql/attach.sql.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

# Few shared buffers, as those that a backend has touched count as its memory.
my $t = TruustOutbox->new(conf => "truust.max_attempts = 3\ntruust.webhook_trust = body\nshared_buffers = 4MB\n");
my $node = $t->node;

# An event of an order, as the API would send it.
sub webhook
{
	my ($order, $status, $event) = @_;
	$t->sql(qq{SELECT truust_receive_webhook('[{"escrow": {"id": "$order", "status": "$status"}}]'::text, '$event')});
	return $t->wait_for("(SELECT status = '$status' FROM truust.orders WHERE id = $order)");
}

# Rows of a table whose id, status and link are an order's of the simulator; all of them, or what is wrong.
sub filled
{
	my ($table, $key, $name) = @_;
	my %name = map { $_->{id} => $_->{name} } @{ $t->sim(GET => 'rows?kind=orders')->{rows} };
	my (@wrong, %seen);

	utf8::encode($_) for values %name;
	for my $line (split /\n/, $t->sql("SELECT $key, $name, truust_id FROM $table"))
	{
		my ($row, $title, $id) = split /\|/, $line;
		push @wrong, "row $row ($title) has order " . ($id // '')
		  if !$id || $seen{$id}++ || ($name{$id} // '') ne $title;
	}
	return join "\n", @wrong;
}

$t->sql(<<~'SQL');
	CREATE SCHEMA shop;
	CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, total numeric,
		truust_id bigint, payment_status text, payment_url text);
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}',
		order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
	SQL

# ---------------------------------------------------------------- every way of inserting

$t->sql(q{INSERT INTO shop.orders (title, total) VALUES ('Inserted', 120.50)});
$t->sql(qq{COPY shop.orders (title, total) FROM stdin;\nCopied 1\t1\nCopied 2\t2.02\n\\.\n});
$t->sql(<<~'SQL');
	BEGIN;
	INSERT INTO shop.orders (title, total) VALUES ('Before', 3);
	SAVEPOINT a;
	INSERT INTO shop.orders (title, total) VALUES ('Never', 4);
	ROLLBACK TO a;
	DO $$ BEGIN
		INSERT INTO shop.orders (title, total) VALUES ('Never', 4);
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		INSERT INTO shop.orders (title, total) VALUES ('In a handler', 5);
	END $$;
	COMMIT;
	SQL
$t->sql(q{BEGIN; INSERT INTO shop.orders (title, total) VALUES ('Never', 4); ROLLBACK});
ok($t->settled, 'rows inserted in every way');
is($t->sql(q{SELECT string_agg(title, ',' ORDER BY id) FROM shop.orders WHERE payment_status = 'DRAFT' AND payment_url LIKE 'http%'}),
	'Inserted,Copied 1,Copied 2,Before,In a handler', 'have the status and the link');
is(filled('shop.orders', 'id', 'title'), '', 'and each the id of its own order');
is($t->effects('createOrder'), 5, 'and what was rolled back is no order');
like($t->sim(GET => 'requests?operation=createOrder')->{requests}[0]{raw}, qr/"value": *120\.50\b/, 'amounts arrive exactly');

my $first = $t->sql(q{SELECT truust_id FROM shop.orders WHERE title = 'Inserted'});
ok(webhook($first, 'PUBLISHED', 'order.published'), 'a webhook comes');
is($t->sql(q{SELECT payment_status FROM shop.orders WHERE title = 'Inserted'}), 'PUBLISHED', 'and moves the status column');

# ---------------------------------------------------------------- in bulk

# Highest memory of a backend that inserts n rows in one statement, in kB.
sub peak_memory
{
	my ($n) = @_;
	my $sql = <<~SQL;
		BEGIN;
		INSERT INTO shop.orders (title, total) SELECT 'Bulk ' || i, i FROM generate_series(1, $n) i;
		SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\\s+(\\d+)'))[1];
		ROLLBACK;
		SQL
	return (split /\n/, $t->sql($sql))[-1];
}

SKIP:
{
	skip 'no /proc', 1 unless -e '/proc/self/status';
	my ($few, $many) = (peak_memory(1_000), peak_memory(100_000));
	my $plain = $t->sql(<<~'SQL');
		CREATE TABLE shop.plain (LIKE shop.orders INCLUDING ALL);
		INSERT INTO shop.plain (title, total) SELECT 'Bulk ' || i, i FROM generate_series(1, 100000) i;
		SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+)'))[1];
		SQL
	note "peak of a backend: $few kB for 1,000 rows, $many kB for 100,000, $plain kB for 100,000 without the trigger";
	cmp_ok($many - $few, '<', 12 * 1024, '100,000 rows in one statement: memory is flat');
}
$t->sql(q{SELECT truust_pause('requests', 'counting')});
$t->sql(q{INSERT INTO shop.orders (title, total) SELECT 'Bulk ' || i, i FROM generate_series(1, 100000) i});
is($t->sql(q{SELECT count(*), count(DISTINCT args ->> 'name'), count(DISTINCT attachment_row ->> 'id') FROM truust.requests WHERE state = 'queued'}),
	'100000|100000|100000', 'and each row is a request of its own');
$t->sql(q{DELETE FROM truust.requests WHERE state = 'queued' AND (args ->> 'value')::int > 2000;
	DELETE FROM shop.orders WHERE title LIKE 'Bulk%' AND total > 2000});
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, '2,000 of them are sent');
is(filled('shop.orders', 'id', 'title'), '', 'and come back into their rows');

# ---------------------------------------------------------------- two tables, odd ones

$t->sql(<<~'SQL');
	CREATE TYPE shop.amount AS ENUM ('1.50', '2.50');
	CREATE DOMAIN shop.title AS varchar(60) CHECK (VALUE <> '');
	CREATE TABLE shop."Weird ""table""" (part uuid DEFAULT gen_random_uuid(), "day" date, "the title" shop.title, "Price €" text,
		total_cents int, euros numeric GENERATED ALWAYS AS (total_cents / 100.0) STORED,
		truust_id text, "select" varchar(40), PRIMARY KEY (part, "day"));
	CREATE ROLE shop;
	GRANT USAGE ON SCHEMA shop TO shop;
	GRANT USAGE ON FOREIGN SERVER truust TO shop;
	CREATE USER MAPPING FOR shop SERVER truust OPTIONS (secret_key 'sk_stage_of_the_shop');
	ALTER TABLE shop."Weird ""table""" OWNER TO shop;
	GRANT CREATE ON SCHEMA shop TO shop;
	ALTER TABLE shop."Weird ""table""" ENABLE ROW LEVEL SECURITY;
	SELECT truust_grant('api', 'shop'), truust_grant('operate', 'shop');
	SQL
like($t->error(q{SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total * 2"}', order_id => 'truust_id')}),
	qr/42703.*generated column/s, 'an expression is refused, with what to do instead');
$t->sql(<<~'SQL');
	SET ROLE shop;
	SET datestyle = 'German';
	SELECT truust_attach('shop."Weird ""table"""', args => '{"name": "the title", "value": "euros"}',
		order_id => 'truust_id', status => 'select');
	INSERT INTO shop."Weird ""table""" ("day", "the title", total_cents) VALUES ('24.12.2026', 'O''Hara "&" ünïcode €', 12345), ('25.12.2026', 'Second', 1);
	SQL
$t->sql(q{INSERT INTO shop.orders (title, total) VALUES ('Beside', 9)});
ok($t->settled, 'two tables at once, one with names and types that nobody expects');
is(filled('shop."Weird ""table"""', '"day"', '"the title"'), '', 'each gets its own orders');
is($t->sql(q{SELECT "select" FROM shop."Weird ""table""" WHERE total_cents = 12345}), 'DRAFT', 'and its status');
my ($weird) = grep { $_->{name} =~ /Hara/ } @{ $t->sim(GET => 'rows?kind=orders')->{rows} };
is(0 + $weird->{value}, 123.45, 'cents become units by a generated column');
is($t->sql(q{SELECT count(DISTINCT role) FROM truust.requests WHERE args ->> 'name' IN ('Beside', 'Second')}), 2, 'each with the key of who attached it');

# Row security: policies bind whoever attached the table, and a row that they hide cannot be written.
$t->sql(<<~'SQL');
	CREATE TABLE shop.guarded (id int PRIMARY KEY, owner text, title text, total numeric, truust_id bigint, status text);
	ALTER TABLE shop.guarded ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON shop.guarded USING (owner = current_user);
	GRANT SELECT, INSERT, UPDATE, TRIGGER ON shop.guarded TO shop;
	CREATE INDEX ON shop.guarded (truust_id);
	SET ROLE shop;
	SELECT truust_attach('shop.guarded', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'status');
	INSERT INTO shop.guarded VALUES (1, 'shop', 'Guarded', 1);
	SQL
ok($t->settled, 'a table with row security');
is($t->sql(q{SELECT status FROM shop.guarded}), 'DRAFT', 'is written by the role that its policies let');
is($t->sql(q{SELECT pg_get_userbyid(relowner) <> 'shop' FROM pg_class WHERE oid = 'shop.guarded'::regclass}), 't', 'although it is not its own');
$t->sql(q{INSERT INTO shop.guarded VALUES (2, 'another', 'Hidden', 1)});
ok($t->settled, 'a row that the policies hide');
like($t->sql(q{SELECT done_state, done_error FROM truust.requests WHERE args ->> 'name' = 'Hidden'}),
	qr/^dead\|table shop.guarded has no row with the key \{"id": 2\} any more.*row security hides it from role "shop"/s, 'is a dead letter');
$t->sql(q{SELECT truust_retry_request(id) FROM truust.requests WHERE args ->> 'name' = 'Hidden';
	UPDATE shop.guarded SET owner = 'shop' WHERE id = 2});
ok($t->settled, 'and shown');
is(filled('shop.guarded', 'id', 'title'), '', 'it is written');

# ---------------------------------------------------------------- partitions

$t->sql(<<~'SQL');
	CREATE TABLE shop.parts (id int, title text, total numeric, truust_id bigint, status text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES FROM (1) TO (100);
	SELECT truust_attach('shop.parts', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'status');
	CREATE TABLE shop.parts_2 (status text, title text, truust_id bigint, id int NOT NULL, total numeric);
	ALTER TABLE shop.parts ATTACH PARTITION shop.parts_2 FOR VALUES FROM (100) TO (200);
	INSERT INTO shop.parts (id, title, total) VALUES (1, 'Root', 1), (100, 'Root too', 2);
	INSERT INTO shop.parts_2 (id, title, total) VALUES (101, 'Directly', 3);
	SQL
ok($t->settled, 'partitions');
is(filled('shop.parts', 'id', 'title'), '', 'are filled in, those that came later too');
$t->sql('UPDATE shop.parts SET id = 102 WHERE id = 1');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' = 'Root'}), 1, 'a row that moves to another partition is no new order');

# ---------------------------------------------------------------- keys

# Sessions write values as they like, and types have lengths: each row is found again.
$t->sql(<<~'SQL');
	CREATE TYPE shop.place AS (street text, since date);
	CREATE DOMAIN shop.code AS char(4);
	CREATE TABLE shop.keys (c char(4), d shop.code, b bit(3), f float8, r daterange, a timestamp[], s timestamp(3), i interval, o bytea,
		l boolean, p shop.place, n numeric(6, 2), v varchar(3), j jsonb, title text, total numeric, truust_id bigint, status char(20),
		PRIMARY KEY (c, d, b, f, r, a, s, i, o, l, p, n, v, j));
	SELECT truust_attach('shop.keys', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'status');
	SQL
my $KEYS = <<~'SQL';
	INSERT INTO shop.keys SELECT 'ab', 'cd', x.b, x.f, '[2026-02-01,2026-03-04)', ARRAY[timestamp '2026-02-01 10:11:12.5'], '2026-02-03 01:02:03.456',
		interval '1 year -2 days 3 hours', '\x00ff5c27', true, ('Main "st", 1', '2026-02-03')::shop.place, 1.50, 'a''"', x.j, x.title, 1
		FROM (VALUES (B'101', 0.3::float8, '"a\\b"'::jsonb, '%1$s 1'), ('101', 0.1::float8 + 0.2::float8, '"a\\b"', '%1$s 2'), ('100', 0.3, '{"1": 2}', '%1$s 3'))
			x (b, f, j, title)
	SQL
$t->sql(q{SET datestyle = 'SQL, DMY'; SET intervalstyle = sql_standard; SET extra_float_digits = -5; SET bytea_output = escape; }
	. $KEYS =~ s/%1\$s/New/gr);
ok($t->settled, 'a key of many types, inserted by a session with settings of its own');
is(filled('shop.keys', 'b', 'title'), '', 'each row is found again')
  or diag $t->sql('SELECT attachment_row, done_error FROM truust.requests ORDER BY id DESC LIMIT 1');
is($t->sql('SELECT DISTINCT status FROM shop.keys'), sprintf('%-20s', 'DRAFT'), 'and a status column of fixed length holds the whole');
$t->sql('DELETE FROM shop.keys');

# Requests of 0.1 have keys as JSON writes them.
$t->sql(q{SELECT truust_pause('requests', 'test')});
$t->sql($KEYS =~ s/%1\$s/Old/gr);
$t->sql(<<~'SQL');
	UPDATE truust.requests q SET attachment_row = jsonb_build_object('c', k.c, 'd', k.d, 'b', k.b, 'f', k.f, 'r', k.r, 'a', k.a, 's', k.s, 'i', k.i,
		'o', k.o, 'l', k.l, 'p', k.p, 'n', k.n, 'v', k.v, 'j', k.j)
		FROM shop.keys k WHERE k.title = q.args ->> 'name' AND q.state = 'queued';
	SELECT truust_resume('requests');
	SQL
ok($t->settled, 'keys as 0.1 stored them');
is(filled('shop.keys', 'b', 'title'), '', 'are found too')
  or diag $t->sql('SELECT attachment_row, done_error FROM truust.requests ORDER BY id DESC LIMIT 1');

# ---------------------------------------------------------------- what breaks later

# The table changes while a request waits; its order is made, and what could not be written is a dead letter until it can.
sub breaks
{
	my ($name, $break, $mend, $reason) = @_;

	$t->sql(q{SELECT truust_pause('requests', 'test')});
	$t->sql("INSERT INTO shop.orders (title, total) VALUES ('$name', 1)");
	$t->sql($break);
	$t->sql(q{SELECT truust_resume('requests')});
	ok($t->wait_for("EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' = '$name' AND done_state = 'dead')"), "$name: a dead letter")
	  or diag $t->sql("SELECT state, error, done_state, done_error FROM truust.requests WHERE args ->> 'name' = '$name'");
	my ($id, $why) = split /\|/, $t->sql("SELECT id, reason FROM truust.dead_letters WHERE kind = 'on_done' AND args ->> 'name' = '$name'"), 2;
	like($why, $reason, "$name: says why");
	is($t->sql("SELECT state, response ->> 'name' FROM truust.requests WHERE id = $id"), "done|$name", "$name: the answer is not lost");
	$t->sql($mend);
	$t->sql("SELECT truust_retry_request($id)");
	ok($t->settled, "$name: mended and repeated");
	is(filled("shop.orders WHERE title = '$name'", 'id', 'title'), '', "$name: filled in");
	is($t->sql("SELECT count(*) FROM truust.dead_letters WHERE id = $id"), 0, "$name: no dead letter any more");
	return;
}

my $made = $t->effects('createOrder');
breaks('A check', q{ALTER TABLE shop.orders ADD CONSTRAINT known CHECK (payment_status IN ('OPEN', 'PUBLISHED')) NOT VALID},
	q{ALTER TABLE shop.orders DROP CONSTRAINT known}, qr/violates check constraint "known"/);
breaks('A renamed column', 'ALTER TABLE shop.orders RENAME payment_status TO state',
	'ALTER TABLE shop.orders RENAME state TO payment_status', qr/no column "payment_status"/);
breaks('A dropped column', 'ALTER TABLE shop.orders DROP payment_url',
	'ALTER TABLE shop.orders ADD payment_url text', qr/no column "payment_url"/);
breaks('A trigger of the shop', <<~'SQL', 'DROP TRIGGER closed ON shop.orders', qr/closed on Sundays/);
	CREATE FUNCTION shop.closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed on Sundays'; END $$;
	CREATE TRIGGER closed BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.closed();
	SQL
breaks('A short column', 'ALTER TABLE shop.orders ALTER payment_status TYPE varchar(4) USING left(payment_status, 4)',
	'ALTER TABLE shop.orders ALTER payment_status TYPE text', qr/value too long for type character varying\(4\)/);
breaks('A short domain', <<~'SQL', 'ALTER TABLE shop.orders ALTER payment_url TYPE text', qr/value too long for type character\(9\)/);
	CREATE DOMAIN shop.short AS char(9);
	ALTER TABLE shop.orders ALTER payment_url TYPE shop.short USING left(payment_url, 9);
	SQL
breaks('A deleted row', q{DELETE FROM shop.orders WHERE title = 'A deleted row'},
	q{INSERT INTO shop.orders (id, title, total, truust_id) OVERRIDING SYSTEM VALUE
		SELECT (attachment_row ->> 'id')::bigint, 'A deleted row', 1, (response ->> 'id')::bigint FROM truust.requests WHERE args ->> 'name' = 'A deleted row'},
	qr/^table shop.orders has no row with the key \{"id": \d+\} any more\nOrder \d+ was made of its row.*docs\/operations.md/s);
breaks('A key that changes', q{UPDATE shop.orders SET id = DEFAULT WHERE title = 'A key that changes'},
	q{UPDATE truust.requests q SET attachment_row = jsonb_build_object('id', o.id) FROM shop.orders o WHERE o.title = 'A key that changes' AND q.args ->> 'name' = o.title},
	qr/^table shop.orders has no row with the key/);
breaks('Another order', q{UPDATE shop.orders SET truust_id = 3 WHERE title = 'Another order'},
	q{UPDATE shop.orders SET truust_id = NULL WHERE title = 'Another order' AND truust_id = 3}, qr/^the row with the key \{"id": \d+\} of table shop.orders has order 3 already/);
breaks('A trigger that says nothing', <<~'SQL', 'DROP TRIGGER silent ON shop.orders', qr/was not written.*A trigger of the table/s);
	CREATE FUNCTION shop.silent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
	CREATE TRIGGER silent BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.silent();
	SQL
breaks('A detached table', q{SELECT truust_detach('shop.orders')}, <<~'SQL', qr/^table shop.orders is not attached any more/);
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}',
		order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
	SQL
breaks('Another account', <<~'SQL', <<~'SQL', qr/^table shop.orders is attached to server "other", the order lives at "truust"/);
	CREATE SERVER other FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox');
	CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (secret_key 'sk_stage_of_another_account');
	SELECT truust_detach('shop.orders');
	SET truust.server = other;
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}',
		order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
	SQL
	SELECT truust_detach('shop.orders');
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}',
		order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
	SQL
is($t->effects('createOrder'), $made + 12, 'each order was made once');

# What the hint says to do after renaming: nothing that is pending is lost, and nobody has to look.
$t->sql(q{SELECT truust_pause('requests', 'test');
	INSERT INTO shop.orders (title, total) VALUES ('Pending', 1);
	ALTER TABLE shop.orders RENAME payment_status TO state;
	ALTER TABLE shop.orders RENAME truust_id TO order_id;
	SELECT truust_detach('shop.orders');
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}', order_id => 'order_id', status => 'state', link => 'payment_url');
	SELECT truust_resume('requests')});
ok($t->settled, 'columns renamed, detached and attached again');
is($t->sql(q{SELECT state, order_id > 0 FROM shop.orders WHERE title = 'Pending'}), 'DRAFT|t', 'what was pending is written');
$t->sql(q{ALTER TABLE shop.orders RENAME state TO payment_status; ALTER TABLE shop.orders RENAME order_id TO truust_id;
	SELECT truust_detach('shop.orders');
	SELECT truust_attach('shop.orders', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'payment_status', link => 'payment_url')});
is($t->sql(q{SELECT count(*) FROM truust.attachments WHERE relation = 'shop.orders'::regclass}), 1, 'of one table there is one attachment');

# A key of other columns is not taken for the row's.
$t->sql(q{CREATE TABLE shop.rekeyed (id int PRIMARY KEY, number int NOT NULL UNIQUE, title text, total numeric, truust_id bigint);
	SELECT truust_attach('shop.rekeyed', args => '{"name": "title", "value": "total"}', order_id => 'truust_id');
	SELECT truust_pause('requests', 'test');
	INSERT INTO shop.rekeyed VALUES (1, 2, 'Rekeyed', 1);
	SELECT truust_detach('shop.rekeyed');
	ALTER TABLE shop.rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (number);
	SELECT truust_attach('shop.rekeyed', args => '{"name": "title", "value": "total"}', order_id => 'truust_id');
	SELECT truust_resume('requests')});
ok($t->wait_for(q{(SELECT done_state = 'dead' AND done_error LIKE '%another primary key%' FROM truust.requests WHERE args ->> 'name' = 'Rekeyed')}),
	'another primary key: a dead letter')
  or diag $t->sql(q{SELECT state, done_state, done_error FROM truust.requests WHERE args ->> 'name' = 'Rekeyed'});

# The order is known although its row is not, and one that nobody wants is put aside.
my $lost = $t->sql(q{SELECT response ->> 'id' FROM truust.requests WHERE args ->> 'name' = 'Rekeyed'});
is($t->sql("SELECT status FROM truust.orders WHERE id = $lost"), 'DRAFT', 'the order is in truust.orders all the same');
$t->sql(q{UPDATE truust.requests SET done_state = 'done' WHERE args ->> 'name' = 'Rekeyed' AND done_state = 'dead'});
is($t->sql(q{SELECT count(*) FROM truust.dead_letters WHERE kind = 'on_done'}), 0, 'and a dead letter that is dealt with can be put aside');

# An answer that does not say which order it is about.
$t->sql(q{ALTER SYSTEM SET truust.max_attempts = 1});
$t->sql('SELECT pg_reload_conf()');
for my $case ([ 'Answered with 204', 204, '' ], [ 'An id that is none', 200, '{"data": {"id": "none", "status": "DRAFT"}}' ])
{
	my ($name, $status, $body) = @$case;

	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => $status, body => $body });
	$t->sql("INSERT INTO shop.orders (title, total) VALUES ('$name', 1)");
	ok($t->settled, "$name: it ends");
	like($t->sql("SELECT state, done_state, done_error FROM truust.requests WHERE args ->> 'name' = '$name'"),
		qr/^done\|dead\|the order that was made of a row of table shop.orders has no id\nAn order was made of its row .*dashboard/s, "$name: a dead letter");
	$t->sim(DELETE => 'rules');
}
$t->sql(q{UPDATE truust.requests SET done_state = 'done' WHERE done_state = 'dead'});
$t->sql('ALTER SYSTEM RESET truust.max_attempts');
$t->sql('SELECT pg_reload_conf()');

# An order of which no status is known: the column has none, and keeps what it has.
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 200, body => '{"data": {"id": 900001, "status": ""}}' });
$t->sql(q{INSERT INTO shop.orders (title, total) VALUES ('Without a status', 1)});
ok($t->settled, 'an order without a status');
is($t->sql(q{SELECT truust_id, payment_status IS NULL FROM shop.orders WHERE title = 'Without a status'}), '900001|t', '... has none in its row');
$t->sim(DELETE => 'rules');
$t->sql(q{SELECT truust_receive_webhook('{"escrow": {"id": 900001}}'::text, 'SomethingNew')});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.orders WHERE id = 900001 AND status = '')}), '... nor in truust.orders');
is($t->sql(q{SELECT payment_status IS NULL FROM shop.orders WHERE truust_id = 900001}), 't', '... and its row has null');

# An enum that lacks a status, met by a webhook: the event is a dead letter, other orders go on, and it is retried after the fix.
$t->sql(<<~'SQL');
	CREATE TYPE shop.status AS ENUM ('DRAFT', 'PUBLISHED');
	CREATE TABLE shop.enums (id int PRIMARY KEY, title text, total numeric, truust_id bigint, status shop.status);
	SELECT truust_attach('shop.enums', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'status');
	INSERT INTO shop.enums VALUES (1, 'Enum', 1), (2, 'Other', 2);
	SQL
ok($t->settled, 'a status column of an enum');
my ($enum, $other) = split /\n/, $t->sql('SELECT truust_id FROM shop.enums ORDER BY id');
ok(webhook($enum, 'PUBLISHED', 'order.published'), 'that knows this status');
$t->sql(qq{SELECT truust_receive_webhook('[{"escrow": {"id": "$enum", "status": "ACCEPTED"}}]'::text, 'order.accepted')});
ok(webhook($other, 'PUBLISHED', 'order.published'), 'and not that one: other orders go on');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters WHERE kind = 'webhook')}), 'and the event is a dead letter');
my ($letter, $why) = split /\|/, $t->sql(q{SELECT id, reason FROM truust.dead_letters WHERE kind = 'webhook'}), 2;
like($why, qr/invalid input value for enum shop.status: "ACCEPTED"/, 'with that reason');
is($t->sql("SELECT status FROM truust.orders WHERE id = $enum"), 'PUBLISHED', 'of which nothing is applied');
$t->sql(q{ALTER TYPE shop.status ADD VALUE 'ACCEPTED'});
$t->sql("SELECT truust_retry_webhook($letter)");
ok($t->wait_for("(SELECT status = 'ACCEPTED' FROM truust.orders WHERE id = $enum)", 10), 'after the fix it is retried')
  or diag $t->sql("SELECT id, state, attempts, next_attempt_at - now(), error FROM truust.webhooks; SELECT event, status, outcome FROM truust.events WHERE order_id = $enum");
is($t->sql('SELECT status FROM shop.enums WHERE id = 1'), 'ACCEPTED', 'and applied');

# What is gone for good holds nothing up.
$t->sql(q{SELECT truust_pause('requests', 'test');
	INSERT INTO shop.enums VALUES (3, 'A dropped table', 3);
	INSERT INTO shop.guarded VALUES (3, 'shop', 'Let go', 1);
	SET ROLE shop;
	SELECT truust_detach('shop.guarded')});
is($t->sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.guarded'::regclass}), 0, 'a role detaches what it has attached');
my $dropped = $t->sql(q{SELECT 'shop.enums'::regclass::oid});
$t->sql(q{DROP TABLE shop.enums});
$t->sql("SELECT truust_detach($dropped)");
is($t->error("SELECT truust_detach($dropped)") =~ /42704.*table with OID $dropped is not attached/ ? 1 : 0, 1, 'a table that is gone can be detached');
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, 'a table and an attachment that are gone');
is($t->sql(q{SELECT string_agg(state || ' ' || coalesce(done_state, '-'), ',' ORDER BY id) FROM truust.requests
	WHERE args ->> 'name' IN ('A dropped table', 'Let go')}), 'done done,done dead', 'a dropped table wants no order, a detached one is a dead letter');
is($t->sql('SELECT truust_id IS NULL FROM shop.guarded WHERE id = 3'), 't', 'what is detached is not written');
ok(webhook($other, 'ACCEPTED', 'order.accepted'), 'nor do they hold up a webhook');
$t->sql('CALL truust_drain()');
is($t->sql(q{SELECT string_agg(relation::text, ',') FROM truust.attachments WHERE role = '' OR relation NOT IN (SELECT oid FROM pg_class)}), 'shop.guarded',
	'what is left of an attachment goes with the last request that needs it');

done_testing();
