# Requests that are sent again: how long the pauses are, by the simulator's own clock, that they grow and differ, what ends
# them, and that a write whose connection was closed meanwhile goes out once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Time::Piece ();
use Truust;

my $FIRST_PAUSE = 0.1;    # s, and each one after it is up to twice as long: half of it is chance
my $BUSY = 3;             # s that a busy machine may take longer for a pause

my $sim = Truust->simulator;
my $node = $sim->node(max_retries => 4);
my $create = q{SELECT status FROM truust_create_order(name => 'Bicycle', value => 1)};
my $order = $node->safe_psql('postgres', q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 1)});
my $read = "SELECT id FROM truust_get_order($order)";

# The time of day of a request, 2026-01-31T12:00:00.123456Z, in seconds since 1970.
sub seconds
{
	my ($day, $second) = $_[0] =~ /^(\S+):(\d\d\.\d+)Z$/ or die "no time: $_[0]";
	return Time::Piece->strptime($day, '%Y-%m-%dT%H:%M')->epoch + $second;
}

# Statements in one session under a rule for all requests; their output and errors, and the seconds between the requests.
sub repeated
{
	my ($rule, @statements) = @_;

	$sim->no_rules;
	$sim->rule(operation => '*', times => 0, %$rule) if $rule;
	$sim->clear;
	my ($out, $err) = $node->run(@statements);
	my @at = map { seconds($_->{at}) } $sim->requests;
	return ($out, $err, map { $at[$_] - $at[ $_ - 1 ] } 1 .. $#at);
}

# ------------------------------------------------------------------ the pauses grow, and no two sessions have the same

for my $case (
	[ 'a read after 503', { do => 'status', status => 503 }, $read, '58000' ],
	[ 'a read after no answer', { do => 'drop' }, $read, '08006' ],
	[ 'a write after 429', { do => 'status', status => 429 }, $create, '53400' ])
{
	my ($what, $rule, $statement, $sqlstate) = @$case;
	my ($out, $err, @pauses) = repeated($rule, $statement);

	like($err, qr/ERROR:  $sqlstate: /, "$what: fails in the end");
	is(scalar @pauses, 4, "$what: after max_retries repeats") or next;
	for my $i (0 .. $#pauses)
	{
		my $longest = $FIRST_PAUSE * 2**$i;

		cmp_ok($pauses[$i], '>=', $longest / 2 - 0.001, "$what: pause $i is long enough");
		cmp_ok($pauses[$i], '<=', $longest + $BUSY, "$what: pause $i is not too long");
	}
}

# What many sessions have in common is the failure, not the moment when they come back.
my %first;
for (1 .. 8)
{
	my ($out, $err, @pauses) = repeated({ do => 'status', status => 503, times => 1 }, $read);
	is($out, $order, 'a read is repeated until it is answered');
	$first{ sprintf '%.4f', $pauses[0] // -1 }++;
}
cmp_ok(scalar keys %first, '>', 1, 'pauses differ');

# ------------------------------------------------------------------ Retry-After, and the end of the time

my ($out, $err, @pauses) = repeated({ do => 'status', status => 429, times => 2, headers => { 'Retry-After' => '1' } }, $create);
is($out, 'DRAFT', 'a write is repeated after 429');
is(scalar @pauses, 2, '... as often as it is turned away');
cmp_ok($_, '>=', 0.99, '... each time after Retry-After') for @pauses;

$node->option(max_retries => 10, request_timeout => 1500);
for my $case (
	[ 'a read that fails again and again', { do => 'status', status => 500 }, $read, '58000' ],
	[ 'a write that is turned away again and again', { do => 'status', status => 429 }, $create, '53400' ],
	[ 'Retry-After beyond the time', { do => 'status', status => 503, headers => { 'Retry-After' => '2' } }, $read, '58000', 1 ],
	[ 'a read without an answer', { do => 'hang' }, $read, '08006', 1 ],
	[ 'a read with a late failure', { do => 'status', status => 500, ms => 10 }, $read, '58000' ])
{
	my ($what, $rule, $statement, $sqlstate, $requests) = @$case;
	my $started = Time::HiRes::time();
	my ($ignored, $error, @gaps) = repeated($rule, $statement);
	my $took = Time::HiRes::time() - $started;
	my $total = 0;

	$total += $_ for @gaps;
	like($error, qr/ERROR:  $sqlstate: /, "$what: fails");
	cmp_ok($took, '<', 1.5 + $BUSY, "$what: within request_timeout");
	# ten pauses would be 20 s; a busy machine may be late with what was sent in time
	cmp_ok($total, '<', 1.5 + $BUSY, "$what: nothing is sent after request_timeout");
	defined $requests
		? is(@gaps + 1, $requests, "$what: is sent once")
		: cmp_ok(scalar @gaps, '>=', 2, "$what: is repeated meanwhile");
}
$node->option(max_retries => 4, request_timeout => 30000);

# ------------------------------------------------------------------ what is not repeated

for my $case ([ 404 => 'P0002' ], [ 422 => '22023' ], [ 401 => '28000' ], [ 409 => '55000' ])
{
	my ($status, $sqlstate) = @$case;
	my ($ignored, $error, @gaps) = repeated({ do => 'status', status => $status }, $read);

	like($error, qr/ERROR:  $sqlstate: /, "$status is the answer");
	is(scalar @gaps, 0, '... at once');
}
for my $rule ({ do => 'drop' }, { do => 'status', status => 500 }, { do => 'truncate' })
{
	my ($before) = ($sim->count('createOrder'))[1];
	my ($ignored, $error, @gaps) = repeated({ %$rule, when => 'after' }, $create);

	like($error, qr/ERROR:  (08006|58000): /, "a write that may have been executed fails ($rule->{do})");
	is(scalar @gaps, 0, '... and is not repeated');
	is(($sim->count('createOrder'))[1], 1, '... nor done twice');
}

# ------------------------------------------------------------------ a kept connection that is gone

# The other end stops and starts again between two calls of a session: nothing of the second was sent on the old connection.
$sim->no_rules;
my $session = $node->background_psql('postgres', on_error_stop => 0);
for my $statement ($create, $read)
{
	is($session->query($read), $order, 'a connection is kept');
	$sim->stop('KILL');
	$sim->start;
	$sim->call(POST => '/orders/bulk', { count => 1, status => 'DRAFT' });
	is($session->query($statement), $statement eq $create ? 'DRAFT' : $order, 'the other end is another now, and the call works');
	is(($sim->count)[0], 1, '... sent once');
}
$session->quit;

done_testing();
