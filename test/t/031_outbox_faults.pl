# Faults at each step of the protocol: whatever is killed when, each committed request takes effect exactly once, a
# rolled-back one never, and only what cannot be looked up is left to a person. By chance: 033_outbox_random.pl.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Test::More;
use TruustAudit;
use TruustOutbox;

my $t = TruustOutbox->new(conf => "truust.max_in_flight = 50\ntruust.settle_time = 1s\n");
my $node = $t->node;
my $f = TruustAudit->new($t);

my %kill = (
	worker => sub { $t->kill_worker },
	postmaster => sub { $t->kill_postmaster },
	simulator => sub { $t->kill_simulator; $t->start_simulator });

# ---------------------------------------------------------------- one step at a time

# How many requests a rule has caught.
sub hits
{
	my $n = 0;
	$n += $_->{hits} for @{ $t->sim(GET => 'rules')->{rules} };
	return $n;
}

sub enqueue_all
{
	return $f->create_orders(20, 'step') + $f->enqueue_mixture;
}

# Each brings the outbox to a step and returns how many requests there are; the second undoes what held it there.
my @steps = (
	[ 'before the claim',
		sub { $t->sql(q{SELECT truust_pause('requests', 'test')}); return enqueue_all() },
		sub { $t->sql(q{SELECT truust_resume('requests')}) } ],
	[ 'claimed and not sent',
		# the batch has grown while answers were quick; then few are sent and many are claimed
		sub {
			$t->sql('ALTER SYSTEM SET truust.max_in_flight = 4');
			$t->sql('SELECT pg_reload_conf()');
			$t->sim(POST => 'rules', { operation => 'createOrder', after => 200, do => 'hang', times => 0 });
			my $n = $f->create_orders(500, 'step');
			ok($t->wait_until(sub { hits() >= 4 }), 'claimed and not sent: some are sent');
			cmp_ok($t->sql(q{SELECT count(*) FROM truust.requests WHERE state = 'sending'}), '>', 4, 'claimed and not sent: more are claimed');
			return $n;
		},
		sub {
			$t->sql('ALTER SYSTEM RESET truust.max_in_flight');
			$t->sql('SELECT pg_reload_conf()');
		} ],
	[ 'sent, not done by the API',
		sub {
			$t->sim(POST => 'rules', { operation => '*', do => 'hang', when => 'before', times => 0 });
			my $n = enqueue_all();
			ok($t->wait_until(sub { hits() >= 40 }), 'sent, not done by the API: under way');
			return $n;
		} ],
	[ 'done by the API, not answered',
		sub {
			$t->sim(POST => 'rules', { operation => '*', do => 'hang', when => 'after', times => 0 });
			my $n = enqueue_all();
			ok($t->wait_until(sub { hits() >= 40 }), 'done by the API, not answered: it is done there');
			return $n;
		} ],
	[ 'answered, not recorded',
		sub {
			my $locker = $node->background_psql('postgres');
			$t->sim(POST => 'settings', { delay_ms => 300 });
			my $n = enqueue_all();
			ok($t->wait_until(sub { $t->calls('createOrder') > 0 }), 'answered, not recorded: under way');
			$locker->query_safe('BEGIN; LOCK TABLE truust.requests IN SHARE MODE');
			ok($t->wait_for(q{EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
				WHERE NOT l.granted AND a.backend_type = 'truust requests')}), 'answered, not recorded: it waits to record');
			push @{ $f->{sessions} }, $locker;
			return $n;
		},
		sub {
			eval { $_->quit } for splice @{ $f->{sessions} };
			$t->sim(POST => 'settings', { delay_ms => 0 });
		} ],
	[ 'being looked up',
		sub {
			$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after', times => 0 });
			$t->sim(POST => 'rules', { operation => $_, do => 'drop', when => 'after', times => 0 }) for qw(acceptOrder createPayin refundPayin);
			$t->sim(POST => 'rules', { operation => $_, do => 'hang', times => 0 }) for qw(listOrders getOrder getOrderPayin listRefunds);
			my $n = enqueue_all();
			ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'sending' AND error IS NOT NULL)}), 'being looked up: unknown')
			  or diag $t->sql('SELECT operation, state, count(*), max(error) FROM truust.requests GROUP BY 1, 2');
			ok($t->wait_until(sub { grep { $t->calls($_) > 0 } qw(listOrders getOrder getOrderPayin listRefunds) }), 'being looked up: under way');
			return $n;
		} ]);

for my $step (@steps)
{
	my ($name, $reach, $undo) = @$step;

	for my $victim (sort keys %kill)
	{
		$f->start_over;
		my $committed = $reach->();
		$kill{$victim}->();
		$t->sim(DELETE => 'rules');
		$undo->() if $undo;
		$f->audit("$victim killed, $name", $committed);
	}
}

# ---------------------------------------------------------------- what a late one must not do

# A worker that comes back after its request was taken from it.
$f->start_over;
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 1500, when => 'after', times => 1 });
$f->create_orders(1, 'fenced');
ok($t->wait_until(sub { $t->effects('createOrder') > 0 }), 'fence: under way');
$t->sql(q{UPDATE truust.requests SET fence = fence + 1});
$f->audit('fence', 1);
ok($node->log_contains('was not recorded, because another process has taken the request'), 'fence: a late answer is not recorded');

# A write that the API gets to when its sender is long gone, and others have followed.
$f->start_over;
my ($order) = @{ $f->{base}{update} };
$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'delay', ms => 700, times => 1 });
$t->sql(qq{SELECT truust_enqueue('update_order', '{"order_id": $order, "name": "first"}')});
ok($t->wait_until(sub { $t->calls('updateOrder') > 0 }), 'late write: under way');
$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'truust requests'});
$t->sql(qq{SELECT truust_enqueue('update_order', '{"order_id": $order, "name": "second"}')});
ok($t->settled, 'late write: all end');
is($t->sim(GET => "orders/$order")->{name}, 'second', 'late write: does not undo what follows');

# ---------------------------------------------------------------- an outage while it is looked up

$f->start_over;
$t->sql('ALTER SYSTEM SET truust.max_attempts = 3');
$t->sql('SELECT pg_reload_conf()');
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after', times => 1 });
$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 503, times => 3 });
$t->sim(POST => 'rules', { operation => 'listOrders', do => 'drop', times => 3 });
$f->create_orders(1, 'outage');
ok($t->wait_until(sub { $t->calls('listOrders') >= 7 }), 'outage: looked up more often than truust.max_attempts');
$f->audit('an outage while it is looked up', 1);
$t->sql('ALTER SYSTEM RESET truust.max_attempts');
$t->sql('SELECT pg_reload_conf()');

# ---------------------------------------------------------------- what cannot be looked up

$f->start_over;
($order) = @{ $f->{base}{receipt} };
$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', do => 'hang', when => 'after', times => 1 });
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN truust_alert');
my $id = $t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $order}')});
ok($t->wait_until(sub { $t->calls('sendOrderReceipt') > 0 }), 'receipt: under way');
$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'truust requests'});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'uncertain')}), 'receipt: uncertain');
$t->sim(DELETE => 'rules');
like($listener->query('SELECT 1'), qr/notification "truust_alert" with payload "\{.*"kind": "uncertain".*"id": $id\b|"id": $id\b.*"kind": "uncertain"/,
	'receipt: a person is called');
$listener->quit;
is($t->sql(qq{SELECT kind, operation, args ->> 'order_id' FROM truust.dead_letters WHERE id = $id}), "request|send_order_receipt|$order", 'receipt: and finds it');
ok($t->settled, 'receipt: nothing else waits');
is($t->calls('sendOrderReceipt'), 1, 'receipt: never sent again by itself');
$t->sql("SELECT truust_retry_request($id)");
ok($t->settled, 'receipt: a person has it sent again');
is($t->sim(GET => "orders/$order")->{receipts}, 2, 'receipt: and it is');

done_testing();
