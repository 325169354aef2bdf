# kill -9 of the webhook worker and of the postmaster, at each step of a batch and at random: nothing is lost, and nothing
# is applied twice, neither by the extension nor by a handler.
#
# The handler holds the worker where it is to be killed: in the middle of a batch, and behind its last event, before the
# commit. TRUUST_RUNS (4) is how many rounds with chance there are, TRUUST_SEED (1) the first one's seed.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TruustFaults;
use TruustOutbox;

use constant ORDERS => 500;

my ($runs, $first_seed) = TruustFaults::runs(4);
my $t = TruustOutbox->new(name => 'crash', conf => <<~CONF);
	truust.webhook_trust = body
	truust.sync_interval = 0
	truust.handler_lock_timeout = 0
	truust.handler_timeout = 0
	CONF
my $node = $t->node;
my @LIFE = ('PUBLISHED', 'ACCEPTED', 'PENDING_VALIDATE', 'RELEASED');

$t->sql(<<~'SQL');
	CREATE TABLE heard (order_id bigint, event text, at_id bigint);
	CREATE TABLE gate (order_id bigint PRIMARY KEY);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.heard VALUES (e.order_id, e.status, e.id);
		PERFORM FROM public.gate g WHERE g.order_id = e.order_id FOR UPDATE;
	END $$;
	SELECT truust_on('*', 'hear(truust_event)');
	SQL

sub start_over
{
	$t->sql(q{SELECT truust_pause('webhooks', 'a test')});
	$t->sql('TRUNCATE truust.webhooks, truust.orders, truust.events, heard, gate');
	return;
}

# The events of the lives of ORDERS orders, in the order of the steps; some of them come twice.
sub fill
{
	my $steps = join ', ', map { "'$_'" } @LIFE;

	$t->sql(sprintf <<~'SQL', $steps, ORDERS);
		INSERT INTO truust.webhooks (body)
		SELECT convert_to(format('[{"escrow": {"id": "%%s", "status": "%%s"}}]', i, s.status), 'UTF8')
		FROM unnest(ARRAY[%s]) WITH ORDINALITY s (status, step), generate_series(1, %d) i, generate_series(0, (i %% 50 = 0)::int) again
		ORDER BY step, i
		SQL
	return;
}

# Everything was applied, once and in sequence.
sub audit
{
	my ($name) = @_;
	my $life = join ',', @LIFE;

	ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)', 120), "$name: the intake is empty");
	is($t->sql(qq{SELECT count(*) FROM (SELECT string_agg(status, ',' ORDER BY id) AS life FROM truust.events
		WHERE outcome = 'applied' GROUP BY order_id) o WHERE life = '$life'}), ORDERS, "$name: each order's events once and in sequence");
	is($t->sql(q{SELECT count(*) FROM truust.orders WHERE status = 'RELEASED'}), ORDERS, "$name: each order is where it ended");
	is($t->sql(q{SELECT count(*) FROM (
		(SELECT order_id, status, id FROM truust.events EXCEPT ALL TABLE heard) UNION ALL
		(TABLE heard EXCEPT ALL SELECT order_id, status, id FROM truust.events)) d}), 0, "$name: the handler's own writes are those events");
	return;
}

# A session that holds the gate of an order; the handler waits there.
sub close_gate
{
	my ($order) = @_;
	my ($in, $out, $err) = ("BEGIN; INSERT INTO gate VALUES ($order); COMMIT; BEGIN; SELECT order_id FROM gate FOR UPDATE;\n", '', '');
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);

	$session->pump until $out =~ /^$order$/m;
	return $session;
}

my $AT_GATE = q{EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'truust webhooks' AND wait_event_type = 'Lock')};

# ---------------------------------------------------------------- at a known place

my %kill = (
	worker => sub { TruustFaults::kill_backend($node, 'truust webhooks') },
	postmaster => sub { TruustFaults::kill_postmaster($node) });
# the order at whose gate it waits: in the middle of the first batch, and behind all else of it
my %place = ('in the middle of a batch' => 250, 'behind its last event, before the commit' => 500);

for my $victim (sort keys %kill)
{
	for my $where (sort keys %place)
	{
		my $name = "$victim killed $where";

		start_over();
		$t->sql("ALTER SYSTEM SET truust.batch_size = " . (ORDERS + ORDERS / 50));
		$t->sql('SELECT pg_reload_conf()');
		fill();
		my $gate = close_gate($place{$where});
		$t->sql(q{SELECT truust_resume('webhooks')});
		ok($t->wait_for($AT_GATE), "$name: it is there");
		is($t->sql('SELECT count(*) FROM truust.events') + $t->sql('SELECT count(*) FROM heard'), 0, "$name: nothing is committed");
		# nobody else is to apply it before we have looked
		$t->sql(q{SELECT truust_pause('webhooks', 'a test')});
		$kill{$victim}->();
		$gate->kill_kill;
		is($t->sql('SELECT count(*) FROM truust.webhooks'), (ORDERS + ORDERS / 50) * @LIFE, "$name: all webhooks are still there");
		is($t->sql('SELECT count(*) FROM truust.events') + $t->sql('SELECT count(*) FROM heard'), 0, "$name: nothing is half done");
		$t->sql(q{SELECT truust_resume('webhooks')});
		audit($name);
	}
}

# ---------------------------------------------------------------- at random

$t->sql('ALTER SYSTEM SET truust.batch_size = 40');
$t->sql('ALTER SYSTEM SET truust.workers = 2');
$t->sql('SELECT pg_reload_conf()');
for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	srand $seed;
	start_over();
	fill();
	$t->sql(q{SELECT truust_resume('webhooks')});
	for (1 .. 2 + int rand 3)
	{
		my $victim = (sort keys %kill)[ int rand 2 ];
		my $so_far = TruustFaults::ask($node, 'SELECT count(*) FROM truust.events');

		note "seed $seed: $victim after $so_far";
		$t->wait_for("((SELECT count(*) FROM truust.events) > $so_far OR NOT EXISTS (SELECT FROM truust.webhooks))");
		sleep rand 0.02;
		$kill{$victim}->();
	}
	audit("seed $seed");
}

$node->stop;
done_testing;
