# Faults at each step of the protocol: whatever is killed when, each committed request takes effect exactly once, a
# rolled-back one never, and only what cannot be looked up is left to a person.
#
# After the directed cases come runs with chance: TRUUST_FAULT_RUNS of them (20), seeded with TRUUST_FAULT_SEED (1) and
# up. For a longer look: TRUUST_FAULT_RUNS=200 TAP_TIMEOUT=3600.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Test::More;
use Time::HiRes qw(sleep);
use TruustOutbox;

my $runs = $ENV{TRUUST_FAULT_RUNS} || 20;
my $first_seed = $ENV{TRUUST_FAULT_SEED} || 1;

my $t = TruustOutbox->new;
my $node = $t->node;

# Each done request has an order of its own, which carries its marker, and there are no other orders.
sub exactly_once
{
	my ($name) = @_;
	my %by_marker;
	my $orders = $t->orders;
	my $doubled = 0;

	for my $order (values %$orders)
	{
		my $marker = $order->{metadata}{truust_request} // 'none';
		$doubled++ if $by_marker{$marker}++;
	}
	is($doubled, 0, "$name: no order twice");
	my @done = split /\n/, $t->sql(q{SELECT marker || ' ' || (response ->> 'id') FROM truust.requests
		WHERE operation = 'create_order' AND state = 'done'});
	my $wrong = grep {
		my ($marker, $id) = split / /;
		!$orders->{$id} || $orders->{$id}{metadata}{truust_request} ne $marker } @done;
	is($wrong, 0, "$name: each request has its own order");
	is(scalar(keys %$orders), scalar(@done), "$name: no order without a request");
	is($t->sql(q{SELECT count(*) FROM truust.requests WHERE operation = 'create_order' AND state <> 'done'}), 0,
		"$name: all are done");
	is($t->sql(q{SELECT count(*) FROM truust.orders o WHERE NOT EXISTS (SELECT FROM truust.requests r
		WHERE (r.response ->> 'id')::bigint = o.id)}), 0, "$name: the table of orders says the same");
	return;
}

sub start_over
{
	$t->sim(POST => 'reset');
	$t->sql('TRUNCATE truust.requests, truust.orders, truust.events');
	return;
}

sub enqueue
{
	my ($n, $name) = @_;
	return $t->sql(qq{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', '$name ' || i, 'value', i))) FROM generate_series(1, $n) i});
}

# ---------------------------------------------------------------- one step at a time

my %killer = (
	worker => sub { $t->kill_worker },
	postmaster => sub { $t->kill_postmaster },
);

for my $who (sort keys %killer)
{
	# before the claim
	start_over();
	$t->sql(q{SELECT truust_pause('requests', 'test')});
	enqueue(20, 'before the claim');
	$killer{$who}->();
	$t->sql(q{SELECT truust_resume('requests')});
	ok($t->settled, "$who killed before the claim: all end");
	exactly_once("$who killed before the claim");

	# claimed and sent, the API has not done it
	start_over();
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'hang', when => 'before', times => 0 });
	enqueue(20, 'before the work');
	ok($t->wait_until(sub { $t->calls('createOrder') > 0 }), "$who, before the work: it is under way");
	$killer{$who}->();
	$t->sim(DELETE => 'rules');
	ok($t->settled, "$who killed before the API did it: all end");
	exactly_once("$who killed before the API did it");

	# the API has done it, the answer has not come
	start_over();
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'hang', when => 'after', times => 0 });
	enqueue(20, 'after the work');
	ok($t->wait_until(sub { $t->effects('createOrder') > 0 }), "$who, after the work: it is done there");
	$killer{$who}->();
	$t->sim(DELETE => 'rules');
	ok($t->settled, "$who killed before the answer: all end");
	exactly_once("$who killed before the answer");

	# answers have come and are not recorded: a lock stands in the way
	start_over();
	my $locker = $node->background_psql('postgres');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 300, when => 'after', times => 0 });
	enqueue(5, 'before the record');
	ok($t->wait_until(sub { $t->effects('createOrder') > 0 }), "$who, before the record: it is done there");
	$locker->query_safe('BEGIN; LOCK TABLE truust.requests IN SHARE MODE');
	ok($t->wait_for(q{EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE NOT l.granted AND a.backend_type = 'truust requests')}), "$who, before the record: it waits");
	$killer{$who}->();
	eval { $locker->quit };
	$t->sim(DELETE => 'rules');
	ok($t->settled, "$who killed before the record: all end");
	exactly_once("$who killed before the record");
}

# ---------------------------------------------------------------- the other side

start_over();
enqueue(200, 'simulator killed');
$t->wait_until(sub { $t->effects('createOrder') > 20 });
$t->kill_simulator;
sleep 0.2;
$t->start_simulator;
ok($t->settled, 'simulator killed: all end');
exactly_once('simulator killed');

# ---------------------------------------------------------------- the fence

start_over();
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 1500, when => 'after', times => 1 });
enqueue(1, 'fenced');
ok($t->wait_until(sub { $t->effects('createOrder') > 0 }), 'fence: under way');
$t->sql(q{UPDATE truust.requests SET fence = fence + 1});
ok($t->settled, 'fence: it ends');
exactly_once('fence');
ok($node->log_contains('was not recorded, because another process has taken the request'), 'fence: a late answer is not recorded');

# ---------------------------------------------------------------- what cannot be looked up

start_over();
enqueue(1, 'receipt');
ok($t->settled, 'an order for a receipt');
my $order = $t->sql(q{SELECT id FROM truust.orders});
$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', do => 'hang', when => 'after', times => 1 });
$node->psql('postgres', 'LISTEN truust_alert');
$t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $order}')});
ok($t->wait_until(sub { $t->calls('sendOrderReceipt') > 0 }), 'receipt: under way');
$t->kill_worker;
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'uncertain')}), 'receipt: uncertain');
$t->sim(DELETE => 'rules');
is($t->calls('sendOrderReceipt'), 1, 'receipt: never sent again by itself');

# ---------------------------------------------------------------- chance

# Enqueue in transactions of every kind; returns the number that were committed.
sub enqueue_by_chance
{
	my ($run) = @_;
	my $committed = 0;

	for my $i (1 .. 4 + int rand 4)
	{
		my $n = 1 + int rand 60;
		my $call = qq{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', 'run $run.$i.' || i, 'value', i))) FROM generate_series(1, $n) i};
		my $kind = int rand 4;
		my $sql = $kind == 0 ? "BEGIN; $call; ROLLBACK"
		  : $kind == 1 ? "BEGIN; SAVEPOINT s; $call; ROLLBACK TO s; $call; COMMIT"
		  : $kind == 2 ? "BEGIN; $call; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'" : $call;

		$t->sql($sql);
		$committed += $n if $kind > 0;
	}
	return $committed;
}

sub misbehave
{
	my ($seed) = @_;

	for my $do (qw(drop reset truncate garbage delay hang))
	{
		next if rand() < 0.5;
		$t->sim(POST => 'rules', {
			operation => rand() < 0.8 ? 'createOrder' : '*', do => $do, when => rand() < 0.5 ? 'before' : 'after',
			probability => 0.03 + 0.07 * rand(), times => $do eq 'hang' ? 1 : 0, ms => 50, seed => $seed });
	}
	return;
}

for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	srand $seed;
	start_over();
	misbehave($seed);
	my $committed = enqueue_by_chance($seed);
	for (1 .. 1 + int rand 3)
	{
		sleep 0.3 * rand;
		my $victim = rand;
		if ($victim < 0.5)
		{
			$t->kill_worker;
		}
		elsif ($victim < 0.75)
		{
			$t->kill_postmaster;
		}
		else
		{
			$t->kill_simulator;
			sleep 0.2 * rand;
			$t->start_simulator;
		}
	}
	$t->sim(DELETE => 'rules');
	ok($t->settled(120), "run with seed $seed: all end");
	is($t->sql('SELECT count(*) FROM truust.requests'), $committed, "run with seed $seed: all that was committed");
	exactly_once("run with seed $seed");
}

done_testing();
