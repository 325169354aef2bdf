# The webhook worker in a running server: woken at the commit and by nothing else, restarts with a backlog, handlers that
# block or fail, several workers, a key that changes, and a server that does not preload the library.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustFaults;
use TruustOutbox;

# No nap ends before the test does: what happens, happens because somebody was woken.
my $t = TruustOutbox->new(name => 'worker', conf => <<~CONF);
	truust.webhook_trust = body
	truust.naptime = 1h
	truust.sync_interval = 0
	truust.handler_lock_timeout = 200ms
	CONF
my $node = $t->node;
my @LIFE = ([ 'order.published', 'PUBLISHED' ], [ 'order.accepted', 'ACCEPTED' ], [ 'order.released', 'RELEASED' ]);

# SQL that takes in an event of an order.
sub event
{
	my ($order, $status, $event) = @_;
	return sprintf q{SELECT truust_receive_webhook('[{"escrow": {"id": "%s", "status": "%s"}}]'::text, %s);}, $order, $status,
	  $event ? "'$event'" : 'NULL';
}

# SQL that takes in the whole life of $n orders from number $first on, interleaved.
sub lives
{
	my ($first, $n) = @_;
	my ($events, $statuses) = map { my $i = $_; join ', ', map { "'$_->[$i]'" } @LIFE } 0, 1;

	return qq{INSERT INTO truust.webhooks (event, body)
		SELECT l.event, convert_to(format('[{"escrow": {"id": "%s", "status": "%s"}}]', i, l.status), 'UTF8')
		FROM unnest(ARRAY[$events], ARRAY[$statuses]) WITH ORDINALITY l (event, status, step), generate_series($first, $first + $n - 1) i ORDER BY l.step, i;};
}

my $EMPTY = q{NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')};

# All those lives were lived once, in sequence.
sub lived
{
	my ($first, $n, $name) = @_;
	my $life = join ',', map { $_->[0] } @LIFE;
	my $last = $first + $n - 1;

	ok($t->wait_for($EMPTY, 120), "$name: the intake is empty");
	is($t->sql(qq{SELECT count(*) FROM truust.orders WHERE id BETWEEN $first AND $last AND status = 'RELEASED'}), $n, "$name: all are released");
	is($t->sql(qq{SELECT count(*) FROM (SELECT string_agg(event || outcome, ',' ORDER BY id) AS life FROM truust.events
		WHERE order_id BETWEEN $first AND $last GROUP BY order_id) o
		WHERE life = '} . join(',', map { $_->[0] . 'applied' } @LIFE) . q{'}), $n, "$name: each event once and in sequence");
	return;
}

sub status
{
	my ($order) = @_;
	return $t->sql("SELECT status FROM truust.orders WHERE id = $order");
}

# ---------------------------------------------------------------- woken at the commit

my ($heard, $listener_err) = ('', '');
my $listener = IPC::Run::start([ 'psql', '-XAt', '-d', $node->connstr('postgres') ], '<', \my $say, '>', \$heard, '2>', \$listener_err);

$say = "LISTEN truust;\nLISTEN truust_alert;\nSELECT 'ready';\n";
$listener->pump until $heard =~ /ready/;
$t->sql(event(1, 'PUBLISHED', 'EscrowPublished'));
ok($t->wait_for($EMPTY), 'a webhook wakes the worker at its commit');
is(status(1), 'PUBLISHED', 'and is applied');
ok($t->wait_until(sub { $say = "SELECT 1;\n"; $listener->pump; $heard =~ /Asynchronous notification "truust"/ }), 'who listens is told');
like($heard, qr/payload "\{"event": "order.published", "order_id": 1, "status": "PUBLISHED", "previous_status": null\}"/, 'of what');
$t->sql(q(SELECT truust_receive_webhook('{"escrow": '::text, 'order.published')));
ok($t->wait_until(sub { $say = "SELECT 1;\n"; $listener->pump; $heard =~ /Asynchronous notification "truust_alert"/ }), 'a dead letter alerts');
like($heard, qr/payload "\{"kind": "webhook", "id": \d+, "order_id": null, "reason": "the body cannot be understood"\}"/, 'of which kind it is');
$t->sql('SELECT truust_discard_webhook(id, $$a test$$) FROM truust.dead_letters');
$say = "\\q\n";
$listener->finish;

$t->sql('BEGIN; ' . event(2, 'PUBLISHED') . ' SAVEPOINT s; ' . event(3, 'PUBLISHED') . ' ROLLBACK TO s; COMMIT');
ok($t->wait_for($EMPTY) && status(2) eq 'PUBLISHED', 'a transaction with a subtransaction that is undone');
is($t->sql('SELECT count(*) FROM truust.orders WHERE id = 3'), 0, 'brings what was not undone');

$t->sql('BEGIN; ' . event(4, 'PUBLISHED') . " PREPARE TRANSACTION 'taken'");
$t->sql('BEGIN; ' . event(5, 'PUBLISHED') . " PREPARE TRANSACTION 'given back'");
$t->sql(event(6, 'PUBLISHED'));
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 6)'), 'others go on beside a prepared transaction');
is($t->sql('SELECT count(*) FROM truust.orders WHERE id IN (4, 5)'), 0, 'whose webhooks are not there yet');
$t->sql("COMMIT PREPARED 'taken'");
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 4)'), 'COMMIT PREPARED wakes the worker');
$t->sql("ROLLBACK PREPARED 'given back'");
is($t->sql('SELECT count(*) FROM truust.orders WHERE id = 5'), 0, 'ROLLBACK PREPARED leaves nothing');

# A prepared transaction outlives the server.
$t->sql('BEGIN; ' . event(7, 'PUBLISHED') . " PREPARE TRANSACTION 'later'");
$node->restart;
$t->sql("COMMIT PREPARED 'later'");
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 7)'), 'COMMIT PREPARED after a restart');

# ---------------------------------------------------------------- a backlog and restarts

$t->sql("SELECT truust_pause('webhooks', 'a test')");
$t->sql(lives(1000, 2000));
$node->restart;
is($t->sql('SELECT count(*) FROM truust.webhooks'), 6000, 'paused, a backlog stays where it is over a restart');
is($t->sql(q{SELECT state, backlog FROM truust_status() WHERE worker = 'webhooks' AND database = 'postgres'}), 'paused|6000',
	'and truust_status() says that it does');
$t->sql("SELECT truust_resume('webhooks')");
lived(1000, 2000, 'resumed');

$t->sql('ALTER SYSTEM SET truust.batch_size = 50');
$t->sql('SELECT pg_reload_conf()');
my $first = 4000;
for my $mode ('fast', 'immediate')
{
	my $more = $t->sql('SELECT count(*) + 100 FROM truust.events');

	$t->sql(lives($first, 3000));
	ok($t->wait_for("(SELECT count(*) FROM truust.events) > $more"), "in the middle of it: stop -m $mode");
	$node->stop($mode);
	$node->start;
	lived($first, 3000, "stop -m $mode");
	$first += 100_000;
}

$t->sql(lives(8000, 2000));
for (1 .. 3)
{
	$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'truust webhooks'});
}
lived(8000, 2000, 'a worker that is told to end comes back');
$t->sql('ALTER SYSTEM RESET truust.batch_size');
$t->sql('SELECT pg_reload_conf()');

# ---------------------------------------------------------------- an order that is held while a backlog passes by

# Batches of ten: the order's first event is in the first of them, its next in the third; in the second a handler holds the worker
# up until whoever held the order lets it go.
$t->sql($_) for 'ALTER SYSTEM SET truust.batch_size = 10', 'SELECT pg_reload_conf()', event(19_001, 'DRAFT');
$t->sql(<<~'SQL');
	CREATE TABLE gate (open boolean);
	CREATE FUNCTION wait_for_gate(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM public.gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
	END $$;
	SELECT truust_on('order.failed', 'wait_for_gate(truust_event)');
	SQL
ok($t->wait_for($EMPTY), 'an order is known');
{
	my ($said, $complaint) = ('', '');
	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $say, '>', \$said, '2>', \$complaint);

	$say = "BEGIN; SELECT id FROM truust.orders WHERE id = 19001 FOR UPDATE;\n";
	$holder->pump until $said =~ /19001/;
	$t->sql(join '', "SELECT truust_pause('webhooks');", event(19_001, 'PUBLISHED'), (map { event(19_100 + $_, 'PUBLISHED') } 1 .. 14),
		event(19_002, 'FAILURE'), (map { event(19_200 + $_, 'PUBLISHED') } 1 .. 9), event(19_001, 'ACCEPTED'), event(19_001, 'RELEASED'),
		(map { event(19_300 + $_, 'PUBLISHED') } 1 .. 9), "SELECT truust_resume('webhooks');");
	ok($t->wait_for(q{EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'truust webhooks' AND wait_event = 'PgSleep')}), 'the second batch waits');
	$say = "INSERT INTO gate VALUES (true); COMMIT;\n\\q\n";
	$holder->finish;
}
ok($t->wait_for($EMPTY), 'then the order is free, before its later events are reached');
is($t->sql(q{SELECT string_agg(event || ' ' || outcome, ', ' ORDER BY id) FROM truust.events WHERE order_id = 19001}),
	'order.draft applied, order.published applied, order.accepted applied, order.released applied', 'which do not overtake the first');
$t->sql(q{SELECT truust_off('order.failed', 'wait_for_gate(truust_event)')});

# The order's event is in the first batch of a pass, not in its last; whoever held the order wakes nobody.
sub held
{
	my ($order, $others, $name) = @_;
	my ($said, $complaint) = ('', '');
	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $say, '>', \$said, '2>', \$complaint);

	$t->sql(event($order, 'DRAFT'));
	ok($t->wait_for($EMPTY), "$name: an order is known");
	$say = "BEGIN; SELECT id FROM truust.orders WHERE id = $order FOR UPDATE;\n";
	$holder->pump until $said =~ /$order/;
	$t->sql("SELECT truust_pause('webhooks');" . event($order, 'PUBLISHED') . $others . "SELECT truust_resume('webhooks');");
	return sub { $say = "COMMIT;\n\\q\n"; $holder->finish; return; };
}

my $release = held(19_501, join('', map { event(19_510 + $_, 'PUBLISHED') } 1 .. 15), 'idle');
ok($t->wait_for('(SELECT count(*) FROM truust.orders WHERE id BETWEEN 19511 AND 19525) = 15'), 'idle: the others are applied');
$release->();
ok($t->wait_for($EMPTY), 'idle: the first one is looked at again by itself');

# Amid a backlog it need not wait for the end of it, nor need chores.
$t->sql(<<~'SQL');
	CREATE FUNCTION take_time(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); END $$;
	SELECT truust_on('order.failed', 'take_time(truust_event)');
	INSERT INTO truust.events (id, event, outcome, source, applied_at) OVERRIDING SYSTEM VALUE VALUES (0, 'order.old', 'applied', 'webhook', now() - interval '1 year');
	SQL
$release = held(19_601, join('', map { event(60_000 + $_, 'FAILURE') } 1 .. 250), 'busy');
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 60001)'), 'busy: the others are applied');
$release->();
ok($t->wait_for(q{EXISTS (SELECT FROM truust.orders WHERE id = 19601 AND status = 'PUBLISHED')}), 'busy: the first one is looked at again');
cmp_ok($t->sql('SELECT count(*) FROM truust.webhooks'), '>', 0, 'busy: before they are all applied');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.events WHERE event = 'order.old')}), 'busy: old history goes');
cmp_ok($t->sql('SELECT count(*) FROM truust.webhooks'), '>', 0, 'busy: before, too');
ok($t->wait_for($EMPTY), 'busy: then they are');
$t->sql($_) for 'ALTER SYSTEM RESET truust.batch_size', 'SELECT pg_reload_conf()', q{SELECT truust_off('order.failed', 'take_time(truust_event)')};

# ---------------------------------------------------------------- handlers

$t->sql(<<~'SQL');
	CREATE TABLE shop (order_id bigint PRIMARY KEY, status text);
	INSERT INTO shop SELECT i FROM generate_series(20001, 20400) i;
	CREATE FUNCTION follow(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE public.shop SET status = e.status WHERE order_id = e.order_id;
	END $$;
	SELECT truust_on('*', 'follow(truust_event)');
	SQL
my ($locked, $lock_err) = ('', '');
my $blocker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $lock, '>', \$locked, '2>', \$lock_err);
$lock = "BEGIN; SELECT order_id FROM shop WHERE order_id IN (20007, 20300) FOR UPDATE;\n";
$blocker->pump until $locked =~ /20300/;
$t->sql(lives(20001, 400));
ok($t->wait_for(q{(SELECT count(*) FROM shop WHERE status = 'RELEASED') = 398}), 'a handler that waits for a lock holds up its own order');
is($t->sql(q{SELECT string_agg(DISTINCT order_id::text, ',') FROM truust.webhooks}), '20007,20300', 'and no other');
is($t->sql(q{SELECT count(*) FROM truust.orders WHERE id IN (20007, 20300)}), 0, 'of which nothing is applied');
is($t->sql(q{SELECT count(*) FROM truust.webhooks WHERE error ~ 'lock' AND error ~ 'follow'}), 2, 'the first of each says which handler waits for what');
$lock = "COMMIT;\n\\q\n";
$blocker->finish;
lived(20001, 400, 'the lock is gone');
is($t->sql(q{SELECT count(*) FROM shop WHERE status = 'RELEASED'}), 400, 'and the handler saw all of it');
$t->sql(q{SELECT truust_off('*', 'follow(truust_event)')});

# ---------------------------------------------------------------- several workers

$t->sql('ALTER SYSTEM SET truust.workers = 3');
$t->sql('SELECT pg_reload_conf()');
ok($t->wait_for(q{(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'truust webhooks') = 3}), 'truust.workers takes effect at once');
$t->sql(lives(30000, 3000));
lived(30000, 3000, 'three workers');

# A body of orders of two workers, one of whom is busy with another order: nobody goes past what the other has not come to.
$t->sql(<<~'SQL');
	CREATE TABLE door ();
	CREATE FUNCTION wait_for_door(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE to_regclass('public.door') IS NOT NULL LOOP PERFORM pg_sleep(0.02); END LOOP;
	END $$;
	SELECT truust_on('order.failed', 'wait_for_door(truust_event)');
	SQL
for my $case ([ 'the second', 1, 0 ], [ 'the first', 0, 1 ])
{
	my ($which, $first_share, $second_share) = @$case;
	my ($first, $second, $busy, $free) = map {
		my ($share, $offset) = @$_;
		$t->sql("SELECT id FROM generate_series(40000, 41000) id WHERE (hashint8(id) & 2147483647) % 3 = $share ORDER BY id OFFSET $offset LIMIT 1");
	} [ $first_share, 0 ], [ $second_share, 0 ], [ 1, 1 ], [ 0, 1 ];
	my $both = sub {
		my ($one, $other) = @_;
		return qq{SELECT truust_receive_webhook('[{"escrow": {"id": $first, "status": "$one"}}, {"escrow": {"id": $second, "status": "$other"}}]'::text);};
	};

	$t->sql('CREATE TABLE IF NOT EXISTS door ()');
	$t->sql(event($busy, 'FAILURE'));
	ok($t->wait_for(q{EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'truust webhooks' AND wait_event = 'PgSleep')}), "$which is another worker's, who is busy");
	$t->sql(event($second, 'PUBLISHED') . event($first, 'PUBLISHED') . $both->('ACCEPTED', 'ACCEPTED') . event($second, 'PENDING_VALIDATE') . event($first, 'PENDING_VALIDATE'));
	$t->sql(event($free, 'PUBLISHED'));
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $free)"), 'the other goes on');
	is($t->sql("SELECT count(*) FROM truust.events WHERE order_id IN ($first, $second) AND status <> 'PUBLISHED'"), 0, '... but not past what it shares');
	$t->sql('DROP TABLE door');
	ok($t->wait_for($EMPTY), 'until he is free');
	is($t->sql("SELECT string_agg(DISTINCT events, ' and ') FROM (SELECT string_agg(status || ' ' || outcome, ', ' ORDER BY id) AS events FROM truust.events WHERE order_id IN ($first, $second) GROUP BY order_id) o"),
		'PUBLISHED applied, ACCEPTED applied, PENDING_VALIDATE applied', 'each order\'s events are applied in their order');
	$t->sql("DELETE FROM truust.orders; DELETE FROM truust.events");
}
$t->sql(q{SELECT truust_off('order.failed', 'wait_for_door(truust_event)')});
$t->sql('ALTER SYSTEM RESET truust.workers');
$t->sql('SELECT pg_reload_conf()');
ok($t->wait_for(q{(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'truust webhooks') = 1}), 'and so do fewer');

# ---------------------------------------------------------------- the key that it asks with

my $order = $t->sim(POST => 'orders/bulk', { count => 2, status => 'PUBLISHED' });
$t->sql("ALTER SYSTEM SET truust.webhook_trust = 'fetch'");
$t->sql('SELECT pg_reload_conf()');
$t->sql(event($order->{first_id}, 'PUBLISHED'));
ok($t->wait_for($EMPTY), 'trust fetch');
$t->sql("ALTER USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (SET secret_key 'sk_stage_of_the_next_month')");
$t->sql(event($order->{last_id}, 'PUBLISHED'));
ok($t->wait_for($EMPTY), 'after the key has changed');
my @asked = grep { $_->{operation} eq 'getOrder' } @{ $t->sim(GET => 'requests')->{requests} };
is(join(' ', map { $_->{headers}{authorization} } @asked[0, -1]), 'Bearer sk_stage_of_a_made_up_account Bearer sk_stage_of_the_next_month',
	'the running worker uses the new one');
$t->sql('ALTER SYSTEM RESET truust.webhook_trust');
$t->sql('SELECT pg_reload_conf()');

# ---------------------------------------------------------------- a database that goes away

$t->sql('CREATE DATABASE gone');
$t->install('gone');
$t->sql(lives(1, 3000), database => 'gone');
ok($node->poll_query_until('gone', 'SELECT count(*) > 0 FROM truust.events'), 'a worker in the middle of a backlog');
$t->sql('DROP DATABASE gone WITH (FORCE)');
is($t->sql(q{SELECT count(*) FROM pg_database WHERE datname = 'gone'}), 0, 'does not hold up DROP DATABASE');
$t->sql(event(9, 'PUBLISHED'));
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 9)'), 'and the others go on');
$node->stop;

# ---------------------------------------------------------------- a server that does not preload it

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
$t->sql(event(10, 'PUBLISHED'));
is($t->sql('SELECT count(*) FROM truust.webhooks'), 1, 'not preloaded: a webhook waits');
$t->sql('CALL truust_drain()');
is(status(10), 'PUBLISHED', 'CALL truust_drain() applies it');
cmp_ok($t->sql('SELECT truust_start_worker()'), '>=', 1, 'truust_start_worker() starts one');
$t->sql(event(11, 'PUBLISHED'));
ok($t->wait_for('EXISTS (SELECT FROM truust.orders WHERE id = 11)'), 'which is woken by a commit, too');
my $pids = $t->sql(q{SELECT string_agg(pid::text, ', ') FROM truust_status()});
$t->sql("SELECT pg_terminate_backend(p) FROM unnest(ARRAY[$pids]) p");
ok($t->wait_for("(SELECT count(*) FROM truust_status() WHERE pid NOT IN ($pids)) = 2"), 'those that are ended come back');
$t->sql('CREATE DATABASE gone');
$t->install('gone');
is($t->sql('SELECT truust_start_worker()', database => 'gone'), 2, 'there are workers in another database');
for my $statement ('ALTER DATABASE gone RENAME TO going', 'CREATE DATABASE copy TEMPLATE going', 'DROP DATABASE going')
{
	ok($t->wait_for(q{(SELECT count(*) FROM truust_status() WHERE database ~ '^go' AND pid IS NOT NULL) = 2}), $statement =~ s/^(\w+ \w+).*/$1: there are workers/r);
	is($t->error($statement), '', '... they leave by themselves where the session does not know of them');
}
$t->sql('SELECT truust_stop_worker()');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type ~ '^truust (webhooks|requests)')}), 'truust_stop_worker() stops it');

$node->stop;
done_testing;
