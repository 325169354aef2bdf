# Every misbehaviour of the simulator, to a read and to a write, before and after the work is done: what the call says,
# what it changed at the other end, and that the next call of the session works. And the requests as they go out.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Truust;

my $sim = Truust->simulator;
my $node = $sim->node(max_retries => 0);
my ($buyer) = $node->safe_psql('postgres', q{SELECT id FROM truust_create_customer(name => 'Ada', email => 'ada@example.test')});
my ($seller) = $node->safe_psql('postgres', q{SELECT id FROM truust_create_customer(name => 'Bob', email => 'bob@example.test')});
my $create = "truust_create_order(name => 'Bicycle', value => 120.50, buyer_id => $buyer, seller_id => $seller)";
my ($order) = $node->safe_psql('postgres', "SELECT id FROM $create");

my $read = "SELECT id FROM truust_get_order($order)";
my $write = "SELECT 'created' FROM $create";
my $next = "SELECT $buyer FROM truust_get_account()";
my $unsure = 'The request was sent and may have been executed';

# What is done, its members, SQLSTATE, what DETAIL has in common, whether DETAIL of a write says that it is unsure.
my @cases = (
	[ 'drop', {}, '08006', 'Empty reply', 1 ],
	[ 'reset', {}, '08006', 'reset', 1 ],
	[ 'truncate', {}, '08006', '(?:remaining|missing)', 1 ],
	[ 'garbage', {}, '08P01', '(?:HTTP|status line)', 1 ],
	[ 'garbage', { body => '{"data":' }, '08P01', 'JSON', 1 ],
	[ 'hang', {}, '08006', 'timed out', 1 ],
	[ 'drip', { ms => 50 }, '08006', 'timed out', 1 ],
	[ 'slow_headers', { ms => 50 }, '08006', 'timed out', 1 ],
	[ 'status', { status => 500 }, '58000', 'HTTP status 500', 0 ],
	[ 'status', { status => 502, body => '<html>Bad gateway</html>' }, '58000', 'HTTP status 502', 0 ],
	[ 'status', { status => 429 }, '53400', 'HTTP status 429', 0 ],
	[ 'status', { status => 422, body => '{"message":"The given data was invalid.","errors":{"name":["Too long."]}}' },
		'22023', 'HTTP status 422: The given data was invalid\..name: Too long\.', 0 ]);

sub check
{
	my ($operation, $statement, $when, $case) = @_;
	my ($do, $members, $sqlstate, $detail, $unsure_write) = @$case;
	my $kind = $operation eq 'getOrder' ? 'read' : 'write';
	my $name = join ' ', $kind, $do, (map { "$_=$members->{$_}" } sort keys %$members), "$when the work";
	my ($arrived, $effects) = $sim->count($operation);

	$node->option(request_timeout => $detail eq 'timed out' ? 400 : 60000);
	$sim->no_rules;
	$sim->rule(operation => $operation, do => $do, when => $when, %$members);
	my ($out, $err) = $node->run("SET truust.max_response_size = '64kB'", $next, $statement, $next);
	my ($arrived_now, $effects_now) = $sim->count($operation);

	# a connection that was kept says nothing of how it ended
	$detail = "(?:$detail|closed the kept connection)" if $do =~ /^(?:drop|reset)$/;
	# who answers, however badly, has done the work
	my $done = $when eq 'after' || $do =~ /^(?:truncate|drip|slow_headers)$/;

	# on a kept connection, where libcurl repeats by itself what died before its first byte: it may do so for a read
	my $repeated = $kind eq 'read' && $do =~ /^(?:drop|reset)$/;
	if ($repeated)
	{
		is($err, '', "$name: repeated");
		is($out, "$buyer\n$order\n$buyer", "$name: ... and answered");
	}
	else
	{
		my $fate = $unsure_write && $kind eq 'write' ? ".*$unsure" : '';
		like($err, qr/ERROR:  $sqlstate: /, "$name: SQLSTATE");
		like($err, qr/DETAIL:  .*$detail$fate/s, "$name: DETAIL");
		is($out, "$buyer\n$buyer", "$name: the next call works");
	}
	is($arrived_now - $arrived, $repeated ? 2 : 1, "$name: how often it was sent");
	is($effects_now - $effects, $kind eq 'write' && $done ? 1 : 0, "$name: what it changed");
	return;
}

for my $case (@cases)
{
	for my $when (qw(before after))
	{
		check('getOrder', $read, $when, $case);
		check('createOrder', $write, $when, $case);
	}
}
$sim->no_rules;
$node->option(request_timeout => 60000);

# A late answer is an answer.
$sim->rule(operation => '*', do => 'delay', ms => 300, times => 0);
my ($out, $err) = $node->run($read, $write);
is($out, "$order\ncreated", 'late answers are taken');
$sim->no_rules;

# ------------------------------------------------------------------ what goes over the wire

my %headers = (
	read => { authorization => 'Bearer sk_stage_of_a_made_up_account', accept => 'application/json',
		'content-type' => undef, 'content-length' => undef },
	write => { authorization => 'Bearer sk_stage_of_a_made_up_account', accept => 'application/json',
		'content-type' => 'application/json' },
	bodyless => { authorization => 'Bearer sk_stage_of_a_made_up_account', accept => 'application/json',
		'content-type' => undef, 'content-length' => '0' });
my %statements = (read => $read, write => $write, bodyless => "SELECT truust_cancel_order($order)");

for my $kind (sort keys %statements)
{
	$sim->clear;
	$node->run($statements{$kind});
	my ($request, @more) = $sim->requests;
	is(scalar @more, 0, "$kind: one request");
	for my $header (sort keys %{ $headers{$kind} })
	{
		is($request->{headers}{$header}, $headers{$kind}{$header}, "$kind: $header");
	}
	like($request->{headers}{'user-agent'}, qr{^truust/[0-9.]+$}, "$kind: user-agent");
	is($request->{headers}{expect}, undef, "$kind: expects nothing first");
	like($request->{headers}{'accept-encoding'}, qr/gzip/, "$kind: takes compressed answers");
}

# ------------------------------------------------------------------ one connection for a session, a few for many at once

# The environment of the server decides nothing: a proxy that is not there would be asked.
{
	local %ENV = (%ENV, http_proxy => 'http://127.0.0.1:9', https_proxy => 'http://127.0.0.1:9', all_proxy => 'http://127.0.0.1:9');
	$node->restart;
}
is(($node->run($read))[0], $order, 'no proxy of the environment is used');

done_testing();
