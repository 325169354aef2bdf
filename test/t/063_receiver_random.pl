# The whole way of a webhook, under load and while the receiver, workers and the server are killed at random: every
# event answered 200 is applied exactly once, in its order's sequence, and what cannot be understood is a dead letter.
#
# Senders do as Truust's does: one event of an order after the other, the same body again until it is answered 200.
# TRUUST_RUNS runs (5), seeded with TRUUST_SEED (1) and up; `make check-faults` makes two hundred.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TruustFaults;
use TruustReceiver;

use constant SENDERS => 5;

# The life of an order: what is sent, in this order, and the status that it tells.
my @LIFE = (
	[ 'EscrowPublished', 'order.published', 'PUBLISHED' ],
	[ 'order.accepted', 'order.accepted', 'ACCEPTED' ],
	[ 'payout.created', 'payout.created', 'PENDING_VALIDATE' ],
	[ 'order.released', 'order.released', 'RELEASED' ]);

my ($runs, $first_seed) = TruustFaults::runs(5);
my $node = TruustReceiver::new_node('random', workers => 1, conf => <<~CONF);
	restart_after_crash = on
	fsync = off
	truust.workers = 2
	truust.naptime = 500ms
	truust.retry_delay = 50ms
	truust.max_retry_delay = 500ms
	CONF
# Small segments and batches, so that they change all the time.
my $receiver = TruustReceiver->start(node => $node, args => [ '--spool-limit', '1M', '--batch-rows', '20' ]);

$node->safe_psql('postgres', <<~'SQL');
	CREATE TABLE heard (order_id bigint, event text);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.heard VALUES (e.order_id, e.event) $$;
	SELECT truust_on('*', 'hear(truust_event)');
	SQL

# ---------------------------------------------------------------- senders

sub body_of
{
	my ($order, $status) = @_;
	return qq([{"escrow": {"id": "$order", "status": "$status", "name": ") . 'x' x rand(800) . qq("}, "platform": "test"}]);
}

# The same body until it is answered; false where the end came first.
sub insist
{
	my ($http, $stop, $event, $body) = @_;

	until ($$stop)
	{
		my $answer = $http->request('POST', $receiver->url("/hooks/$TruustReceiver::TOKEN/$event"), { content => $body });

		return 1 if $answer->{status} == 200;
		sleep 0.01;
	}
	return 0;
}

# Sends until told to stop; what was answered 200 is written down.
sub sender
{
	my ($seed, $id) = @_;
	my $stop = 0;
	my $http = HTTP::Tiny->new(timeout => 20);

	local $SIG{TERM} = sub { $stop = 1 };
	srand 1000 * $seed + $id;
	open my $file, '>', "$receiver->{dir}/answered.$id" or die;
	for (my $order = $seed * 1_000_000 + $id * 100_000; !$stop; $order++)
	{
		for my $step (@LIFE)
		{
			my ($sent_as, $event, $status) = @$step;

			insist($http, \$stop, $sent_as, body_of($order, $status)) or last;
			syswrite $file, "$order $event\n";
			# a second delivery, word for word or written anew
			insist($http, \$stop, $sent_as, body_of($order, $status)) if rand() < 0.05;
		}
		if (!$stop && rand() < 0.1)
		{
			insist($http, \$stop, 'order.published', qq({"escrow": poison $order)) and syswrite $file, "$order poison\n";
		}
	}
	POSIX::_exit(0);
}

sub start_senders
{
	my ($seed) = @_;
	my @senders;

	for my $id (1 .. SENDERS)
	{
		unlink "$receiver->{dir}/answered.$id";
		my $pid = fork // die "fork: $!";
		sender($seed, $id) if $pid == 0;
		push @senders, $pid;
	}
	return @senders;
}

sub answered
{
	return map { split /\n/, slurp_file($_) } grep { -e } map { "$receiver->{dir}/answered.$_" } 1 .. SENDERS;
}

# ---------------------------------------------------------------- faults

my %faults = (
	receiver => sub { $receiver->end_by('KILL'); sleep rand 0.1; $receiver->run },
	worker => sub { TruustFaults::kill_backend($node, 'truust webhooks') },
	postmaster => sub { TruustFaults::kill_postmaster($node) },
	outage => sub { $node->stop('immediate'); sleep rand 0.5; $node->start },
	both => sub { $receiver->end_by('KILL'); TruustFaults::kill_postmaster($node); $receiver->run },
	restart => sub { is($receiver->stop, 0, 'a stop in the middle of it'); $receiver->run },
	backends => sub {
		TruustFaults::ask($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hook'});
	});

# ---------------------------------------------------------------- what must hold

sub lines
{
	my ($query) = @_;
	return split /\n/, $node->safe_psql('postgres', $query);
}

sub nothing
{
	my ($name, $query) = @_;
	is(join(', ', lines($query)), '', $name);
	return;
}

sub check_run
{
	my ($run) = @_;
	my @answered = answered();
	my %applied = map { $_ => 1 } lines(q{SELECT order_id || ' ' || event FROM truust.events});
	my %dead = map { $_ => 1 } lines(q{SELECT substring(convert_from(body, 'UTF8') from 'poison (\d+)') || ' poison'
		FROM truust.webhooks WHERE state = 'dead'});
	my @missing = grep { !$applied{$_} && !$dead{$_} } @answered;
	my $life = join ',', map { $_->[1] } @LIFE;

	cmp_ok(scalar @answered, '>=', 20, "$run: there was load, " . scalar(@answered) . ' events');
	is("@missing", '', "$run: all that was answered 200 is applied or a dead letter");
	cmp_ok(keys(%applied) - grep({ !/poison/ } @answered), '<=', SENDERS, "$run: and no more than was under way at the end");
	nothing("$run: nothing twice", 'SELECT order_id, event, count(*) FROM truust.events GROUP BY 1, 2 HAVING count(*) > 1');
	nothing("$run: nothing late", q{SELECT order_id, event, outcome FROM truust.events WHERE outcome <> 'applied'});
	nothing("$run: each order in sequence", qq{SELECT order_id, string_agg(event, ',' ORDER BY id) FROM truust.events
		GROUP BY 1 HAVING NOT starts_with('$life', string_agg(event, ',' ORDER BY id))});
	nothing("$run: the handler heard each event once", q{
		(SELECT order_id, event FROM truust.events EXCEPT ALL SELECT order_id, event FROM heard) UNION ALL
		(SELECT order_id, event FROM heard EXCEPT ALL SELECT order_id, event FROM truust.events)});
	nothing("$run: each order has its last status", q{SELECT o.id FROM truust.orders o LEFT JOIN LATERAL
		(SELECT e.status FROM truust.events e WHERE e.order_id = o.id ORDER BY e.id DESC LIMIT 1) e ON true
		WHERE o.status IS DISTINCT FROM e.status});
	nothing("$run: dead letters are those that cannot be understood",
		q{SELECT id FROM truust.webhooks WHERE state = 'dead' AND strpos(convert_from(body, 'UTF8'), 'poison') = 0});
	return;
}

for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	my $run = "seed $seed";

	$node->safe_psql('postgres', 'TRUNCATE truust.webhooks, truust.events, truust.orders, heard');
	my @senders = start_senders($seed);
	srand $seed;
	for (1 .. 2 + int rand 3)
	{
		my $name = (sort keys %faults)[ int rand keys %faults ];
		my $before = () = answered();
		my $more = 10 + int rand 80;

		note "$run: $name";
		ok(TruustReceiver::wait_for(sub { answered() >= $before + $more }), "$run: webhooks are taken");
		$faults{$name}->();
	}
	kill 'TERM', @senders;
	waitpid $_, 0 for @senders;
	ok($receiver->wait_until_drained, "$run: the spool is handed in");
	ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')}),
		"$run: all are dealt with");
	check_run($run);
}
is($receiver->stop, 0, 'a clean stop');
$node->stop;
done_testing;
