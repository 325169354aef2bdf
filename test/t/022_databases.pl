# Several of everything under running workers: databases, accounts and roles at once; databases created, renamed and dropped;
# the extension created and dropped; too few worker processes, and then enough.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'databases', bare => 1, conf => <<~CONF);
	max_worker_processes = 20
	truust.webhook_trust = body
	CONF
my $node = $t->node;

# Three databases, in the second two accounts and two roles.
for my $database ('postgres', 'second', 'third')
{
	$t->sql("CREATE DATABASE $database") if $database ne 'postgres';
	$t->install($database);
}
my $url = $t->url;
$t->sql(<<~SQL, database => 'second');
	CREATE ROLE anna; CREATE ROLE berta;
	CREATE SERVER other FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url '$url');
	GRANT USAGE ON FOREIGN SERVER truust, other TO anna, berta;
	CREATE USER MAPPING FOR anna SERVER other OPTIONS (secret_key 'sk_stage_of_anna');
	CREATE USER MAPPING FOR berta SERVER truust OPTIONS (secret_key 'sk_stage_of_berta');
	SELECT truust_grant('api', 'anna'), truust_grant('api', 'berta');
	SQL

my $enqueue = q{SELECT truust_enqueue('create_order', '{"name": "%s", "value": "5", "buyer_id": 1, "seller_id": 2}')
	FROM generate_series(1, 5)};
my $settled = q{NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending') OR done_state = 'pending')
	AND NOT EXISTS (SELECT FROM truust.webhooks)};

sub settled_in
{
	my ($database) = @_;
	return $node->poll_query_until($database, "SELECT $settled");
}

for my $database ('postgres', 'second', 'third')
{
	$t->sql(sprintf($enqueue, "of $database"), database => $database);
	$t->sql(q{SELECT truust_receive_webhook('{"escrow": {"id": 4711, "status": "PUBLISHED"}}', 'order.published')}, database => $database);
}
$t->sql("SET ROLE anna; SET truust.server = other; " . sprintf($enqueue, 'of anna'), database => 'second');
$t->sql("SET ROLE berta; " . sprintf($enqueue, 'of berta'), database => 'second');
for my $database ('postgres', 'second', 'third')
{
	ok(settled_in($database), "$database: its workers do its work");
	is($t->sql(q{SELECT status FROM truust.orders WHERE id = 4711}, database => $database), 'PUBLISHED', "$database: webhooks too");
	is($t->sql(q{SELECT DISTINCT state FROM truust.requests}, database => $database), 'done', "$database: all requests are done");
}
is($t->sql(q{SELECT string_agg(DISTINCT role || ' ' || server, ', ' ORDER BY role || ' ' || server) FROM truust.requests
	WHERE role IN ('anna', 'berta')}, database => 'second'), 'anna other, berta truust', 'two roles with two accounts in one database');
is($t->effects('createOrder'), 25, 'each request took effect once');

# What follows an answer or an event is about its account, whichever the worker would use by itself: so are calls made there.
$t->sql(<<~'SQL', database => 'second');
	CREATE TABLE served (what text, server text, setting text);
	GRANT INSERT ON served TO anna, berta;
	GRANT CREATE ON SCHEMA public TO anna, berta;
	CREATE FUNCTION serve(r truust.requests) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO served VALUES (r.operation, r.server, current_setting('truust.server')); END $$;
	CREATE FUNCTION serve(e truust_event) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO served VALUES ('event', e.server, current_setting('truust.server')); PERFORM set_config('truust.server', 'nowhere', false); END $$;
	CREATE FUNCTION serve() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO served VALUES ('row', 'other', current_setting('truust.server')); RETURN NULL; END $$;
	SELECT truust_on('order.published', 'serve(truust_event)');
	CREATE TABLE orders (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
	CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (secret_key 'sk_stage_of_the_other');
	SET truust.server = other;
	SELECT truust_attach('orders', args => '{"name": "title", "value": "total"}', order_id => 'truust_id');
	CREATE TRIGGER serve AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION serve();
	INSERT INTO orders VALUES (1, 'attached', 1);
	SELECT truust_enqueue('get_account', on_done => 'serve(truust.requests)');
	INSERT INTO truust.webhooks (server, body) SELECT server, convert_to(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', 4711 + n), 'UTF8')
		FROM unnest(ARRAY['other', 'truust', 'other', 'truust']) WITH ORDINALITY AS s (server, n);
	SQL
ok(settled_in('second'), 'what follows in two accounts');
is($t->sql('SELECT what, server, setting, count(*) FROM served GROUP BY 1, 2, 3 ORDER BY 1, 2', database => 'second'),
	"event|other|other|2\nevent|truust|truust|2\nget_account|other|other|1\nrow|other|other|1", 'each has the account that it is about');
$t->sql(q{SELECT truust_off('order.published', 'serve(truust_event)'), truust_detach('orders')}, database => 'second');

# Rename, drop, copy.
$t->sql('ALTER DATABASE third RENAME TO fourth');
$t->sql(sprintf($enqueue, 'after the new name'), database => 'fourth');
ok(settled_in('fourth'), 'renamed: its workers come back');
$t->sql('DROP DATABASE fourth');
is($t->sql(q{SELECT count(*) FROM pg_database WHERE datname = 'fourth'}), 0, 'dropped under running workers');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust_status() WHERE database NOT IN ('postgres', 'second'))}), 'and its workers are gone');
$t->sql('CREATE DATABASE copy TEMPLATE second');
$t->sql(sprintf($enqueue, 'in a copy'), database => 'copy');
ok($node->poll_query_until('copy', q{SELECT bool_and(state = 'restored') FROM truust_status() WHERE database = 'copy'}),
	'a copy waits, and says so');
is($t->effects('createOrder'), 31, 'and sends nothing');

# The extension, made by a transaction that is prepared: who commits it is another session. Workers have looked there before.
$t->sql('CREATE DATABASE prepared');
$t->sql('CREATE EXTENSION truust', database => 'prepared');
ok($t->wait_for(q{(SELECT count(*) FROM pg_stat_activity WHERE datname = 'prepared' AND backend_type LIKE 'truust%') = 2}), 'a database has workers');
$t->sql('DROP EXTENSION truust', database => 'prepared');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'prepared')}), 'and has none without the extension');
$t->sql("BEGIN; CREATE EXTENSION truust; PREPARE TRANSACTION 'extension'", database => 'prepared');
$t->sql("COMMIT PREPARED 'extension'", database => 'prepared');
ok($t->wait_for(q{(SELECT count(*) FROM pg_stat_activity WHERE datname = 'prepared' AND backend_type LIKE 'truust%') = 2}), 'has its workers once the preparation is committed');
$t->sql('DROP DATABASE prepared');

# The extension, dropped and made again.
$t->sql('DROP EXTENSION truust CASCADE', database => 'second');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust_status() WHERE database = 'second' AND pid IS NOT NULL)}), 'DROP EXTENSION: the workers leave');
$t->install('second');
$t->sql(sprintf($enqueue, 'made again'), database => 'second');
ok(settled_in('second'), 'CREATE EXTENSION: they come back');

# Made and dropped again and again: that workers left with the extension is no failure, for which the next would have to wait.
# The launcher finds them all gone at once.
$t->sql('CREATE DATABASE fickle');
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'truust launcher'};
my $pid = $t->sql($launcher);
my $in_fickle = q{(SELECT count(*) FROM pg_stat_activity WHERE datname = 'fickle' AND backend_type ~ '^truust')};
my $came = 0;
for (1 .. 8)
{
	$t->sql('CREATE EXTENSION truust', database => 'fickle');
	$came += $t->wait_for("$in_fickle = 2", 20);
	kill 'STOP', $pid;
	$t->sql('DROP EXTENSION truust', database => 'fickle');
	$t->wait_for("$in_fickle = 0");
	kill 'CONT', $pid;
}
is($came, 8, 'made and dropped many times: the workers come at once, each time');
$t->sql('DROP DATABASE fickle');

# truust_stop_worker() holds, whatever becomes of the database and of the launcher.
is($t->sql('SELECT truust_stop_worker()', database => 'second'), 2, 'truust_stop_worker()');
$t->sql('CREATE DATABASE copy_of_stopped TEMPLATE second');
ok($t->wait_for(q{EXISTS (SELECT FROM truust_status() WHERE database = 'copy_of_stopped' AND pid IS NOT NULL)}), 'a copy has its workers');
$t->sql('DROP DATABASE copy_of_stopped');
$t->sql('ALTER DATABASE second RENAME TO later; ALTER DATABASE later RENAME TO second');
$t->sql('ALTER SYSTEM SET truust.workers = 2');
$t->sql('SELECT pg_reload_conf()');
my $webhooks = q{(SELECT count(*) FROM truust_status() WHERE database = '%s' AND worker = 'webhooks' AND pid IS NOT NULL)};
ok($t->wait_for(sprintf("$webhooks = 2", 'postgres')), 'another number of workers');
$t->sql("SELECT pg_terminate_backend($pid)");
ok($t->wait_for("EXISTS ($launcher AND pid <> $pid)"), 'a launcher that is ended comes back');
$t->sql(q{SELECT pg_terminate_backend(pid) FROM truust_status() WHERE database = 'postgres'});
ok($t->wait_for(sprintf("$webhooks = 2", 'postgres')), '... and does its work');
is($t->sql(q{SELECT count(*) FROM truust_status() WHERE database = 'second' AND pid IS NOT NULL}), 0, 'no worker has come back where they were stopped');
is($t->sql('SELECT truust_start_worker()', database => 'second'), 3, 'truust_start_worker() brings them back');
like($t->error('ALTER DATABASE second SET truust.workers = 3'), qr/parameter "truust.workers" cannot be changed now/, 'there is one number of workers for all databases');
$t->sql('ALTER SYSTEM RESET truust.workers');

# Too few processes: nothing is lost, the log says what to do, and it recovers.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
my $offset = -s $node->logfile;
for my $database ('postgres', 'second')
{
	$t->sql(sprintf($enqueue, 'no room'), database => $database);
}
ok($t->wait_until(sub { slurp_file($node->logfile) =~ /no room for another worker.*\n.*HINT:  Increase max_worker_processes/ }),
	'max_worker_processes too small: the log says so and what to do');
isnt($t->sql(q{SELECT count(*) FROM truust_status() WHERE state = 'stopped'}, database => 'second')
	+ $t->sql(q{SELECT count(*) FROM truust_status() WHERE state = 'stopped'}), 0, 'truust_status() has a row for what does not run');
$node->append_conf('postgresql.conf', 'max_worker_processes = 20');
$node->restart;
ok(settled_in('postgres') && settled_in('second'), 'with room again everything is done');

# As many workers as max_worker_processes allows, more than a small table of them would hold.
$t->sql('DROP DATABASE copy');
$node->append_conf('postgresql.conf', "max_worker_processes = 120\ntruust.workers = 50\nmax_connections = 30");
$node->restart;
ok($t->wait_for(q{(SELECT count(*) FROM truust_status() WHERE pid IS NOT NULL) = 102}), 'a hundred workers');

$node->stop;
done_testing;
