# Bodies of one and of several orders at two servers, handlers that fail by chance, small and large batches, several workers, and
# people who hold orders and webhooks for a moment: each event is applied once, and those of an order in their order.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustFaults;
use TruustOutbox;

my $ROWS = 600;
my $ORDERS = 8;
my ($runs, $first_seed) = TruustFaults::runs(3);

my $t = TruustOutbox->new(name => 'order', conf => <<~CONF);
	truust.webhook_trust = body
	truust.sync_interval = 0
	truust.retry_delay = 5ms
	truust.max_retry_delay = 50ms
	truust.max_attempts = 1000
	CONF
my $node = $t->node;

$t->sql(<<~'SQL');
	CREATE FUNCTION flaky(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF random() < 0.1 THEN RAISE EXCEPTION 'bad luck'; END IF;
	END $$;
	SELECT truust_on('*', 'flaky(truust_event)');
	SQL

# Statements of a session of its own, past errors.
sub begin_session
{
	my ($name, @statements) = @_;
	my $script = $node->basedir . "/$name.sql";

	unlink $script;
	append_to_file($script, join '', map { "$_;\n" } @statements);
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ], '<', \undef, '>', \my $out, '2>', \my $err);
}

# A row for each number, in whose order they are taken in; its events say the number as their status.
sub rows
{
	my $events = 0;
	my @statements;

	for my $n (1 .. $ROWS)
	{
		my %orders = map { (1 + int rand $ORDERS) => 1 } 1 .. (rand() < 0.5 ? 1 : 2 + int rand 3);
		my $server = rand() < 0.5 ? 'truust' : 'another';
		my $body = join ', ', map { sprintf '{"escrow": {"id": %d, "status": "S%05d"}}', $_, $n } sort { rand() <=> 0.5 } keys %orders;

		$events += keys %orders;
		push @statements, "INSERT INTO truust.webhooks (server, body) VALUES ('$server', '[$body]')";
	}
	return ($events, @statements);
}

# Whoever holds an order or a webhook, tries one again, or drains.
sub people
{
	my $some = q{(SELECT id FROM truust.webhooks WHERE state = 'retry' ORDER BY random() LIMIT 1)};

	return map {
		my $order = 1 + int rand $ORDERS;
		(   'BEGIN', "SELECT FROM truust.orders WHERE id = $order FOR UPDATE", 'SELECT pg_sleep(random() * 0.1)', 'COMMIT',
			"SELECT truust_retry_webhook($some)", 'BEGIN', "SELECT truust_retry_webhook($some)", 'SELECT pg_sleep(random() * 0.3)', 'COMMIT',
			$_ % 6 == 0 ? 'CALL truust_drain()' : ())
	} 1 .. 18;
}

for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	srand $seed;
	my $workers = 1 + $seed % 3;
	my $batch = 1 + int rand(rand() < 0.5 ? 20 : 500);
	my $name = "seed $seed ($workers workers, batches of $batch)";
	my ($events, @rows) = rows();

	$t->sql($_) for "ALTER SYSTEM SET truust.workers = $workers", "ALTER SYSTEM SET truust.batch_size = $batch", 'SELECT pg_reload_conf()';
	$t->sql('TRUNCATE truust.webhooks, truust.orders, truust.events RESTART IDENTITY');
	my @sessions = (begin_session('sender', @rows), begin_session('people', people()));
	$_->finish for @sessions;
	ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)', 120), "$name: all are applied");
	is($t->sql('SELECT count(*), count(DISTINCT (order_id, server, status)) FROM truust.events WHERE outcome = ' . q{'applied'}), "$events|$events", "$name: each event once");
	is($t->sql(q{SELECT order_id, server, before, status FROM (
		SELECT order_id, server, status, lag(status) OVER (PARTITION BY order_id, server ORDER BY id) AS before FROM truust.events) e WHERE before >= status}),
		'', "$name: those of an order in their order");
}

$node->stop;
done_testing;
