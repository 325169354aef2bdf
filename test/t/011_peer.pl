# A peer that misbehaves: what a read and a write say of it, that nothing is sent twice, and that the session goes on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use TruustNode;
use TruustPeer;

my $peer = TruustPeer->start;
my $node = TruustNode->start(base_url => $peer->url, max_retries => 0, request_timeout => 60000);
my $read = $TruustNode::READ;
my $write = $TruustNode::WRITE;

# What the peer does, SQLSTATE, and a part of DETAIL that both kinds of request have.
my @cases = (
	[ drop => '08006', 'Empty reply' ],
	[ reset => '08006', 'reset' ],
	[ half => '08006', 'bytes (?:remaining|missing)' ],
	[ headers_cut => '08006', 'amid the headers' ],
	[ chunk_cut => '08006', 'outstanding read data' ],
	[ bad_chunk => '08P01', '[Cc]hunk' ],
	[ garbage => '08P01', 'HTTP/0.9' ],
	[ bad_gzip => '08P01', 'content encoding|gzip|unknown|incorrect' ],
	[ not_json => '08P01', 'JSON' ],
	[ endless => '08P01', 'over the limit' ],
	[ bomb => '08P01', 'over the limit' ],
	[ header_flood => '08P01', 'headers are over' ],
	[ 'status 301 Location: http://127.0.0.1:1/' => '08P01', 'HTTP status 301' ],
	[ 'status 400' => '22023', 'HTTP status 400: No' ],
	[ 'status 401' => '28000', 'HTTP status 401: No' ],
	[ 'status 403' => '42501', 'HTTP status 403: No' ],
	[ 'status 404' => 'P0002', 'HTTP status 404: No' ],
	[ 'status 408' => '08006', 'HTTP status 408: No' ],
	[ 'status 409' => '55000', 'HTTP status 409: No' ],
	[ 'status 418' => '22023', 'HTTP status 418: No' ],
	[ 'status 422' => '22023', 'HTTP status 422: No' ],
	[ 'status 429' => '53400', 'HTTP status 429: No' ],
	[ 'status 500' => '58000', 'HTTP status 500: No' ],
	[ 'status 503' => '58000', 'HTTP status 503: No' ],
	[ 'status 600' => '08P01', 'HTTP status 600: No' ]);

for my $case (@cases)
{
	my ($what, $sqlstate, $detail) = @$case;

	for my $kind (qw(read write))
	{
		my $before = $peer->requests;
		my $fate = $kind eq 'write' && $sqlstate =~ /^08/ ? 'The request was sent and may have been executed'
		  : $sqlstate eq '08006' ? 'The request was sent; executed or not, it changes nothing\\.' : '';

		# on a new connection, and on one that has served before
		$peer->set($what, 'ok');
		$node->fails_then_works($kind eq 'read' ? $read : $write, $sqlstate, "(?:$detail).*$fate", "$kind: $what");
		# libcurl repeats by itself what died on a kept connection before the first byte: it may do so for a read
		my $repeated = $kind eq 'read' && $what =~ /^(?:drop|reset)$/;
		$peer->set('ok', $what, 'ok');
		my ($out, $err) = $node->run($read, $kind eq 'read' ? $read : $write, $read);
		like($err, $repeated ? qr/^$/ : qr/ERROR:  $sqlstate: /, "$kind: $what on a kept connection");
		is($out, $repeated ? "7\n7\n7" : "7\n7", "$kind: $what on a kept connection: the others work");
		is($peer->requests - $before, $repeated ? 6 : 5, "$kind: $what: nothing is sent twice");
	}
}

# ------------------------------------------------------------------ answers that are fine

$peer->set('interim');
is(($node->run($read))[0], 7, 'an interim answer is not the answer');

# ------------------------------------------------------------------ no answer in time, no connection

for my $case ([ hang => 'timed out' ], [ drip => 'timed out' ])
{
	my ($what, $detail) = @$case;

	$node->option(request_timeout => 300);
	$peer->set($what, 'ok');
	$node->fails_then_works($read, '08006', $detail, "read: $what");
	$peer->set($what, 'ok');
	$node->fails_then_works($write, '08006', "$detail.*The request was sent and may have been executed", "write: $what");
	$node->option(request_timeout => 60000);
}

my $refusing = TruustPeer->start;
my $refusing_url = $refusing->url;
$refusing->stop;
for my $statement ($read, $write)
{
	my ($out, $err) = $node->run(
		"ALTER SERVER truust OPTIONS (SET base_url '$refusing_url')", $statement,
		"ALTER SERVER truust OPTIONS (SET base_url '" . $peer->url . "')", $read);

	like($err, qr/ERROR:  08001: .*DETAIL:  .*onnect.* The request was not sent\./s, 'nobody listens');
	is($out, 7, 'nobody listens: the next call works');
}

# ------------------------------------------------------------------ kept connections that are not what they were

# Closed by the peer while nobody used it: a write neither fails nor goes out twice.
$peer->set('ok_close', 'ok');
my $before = $peer->requests;
my ($out, $err) = $node->run(map { ($_, 'SELECT pg_sleep(0.2)') } $read, $write, $write);
is($err, '', 'a connection that was closed while idle fails no write');
is($peer->requests - $before, 3, '... nor sends it twice');

# What lies on a connection before the request is not the answer to it.
$peer->set('ok');
$before = $peer->connections;
my $session = $node->background_psql('postgres', on_error_stop => 0);
is($session->query($TruustNode::READ), 7, 'a connection is kept');
is($session->query($TruustNode::READ), 7, 'a connection is used again');
is($peer->connections - $before, 1, '... one for both');
for my $statement ($read, $write)
{
	$peer->say_unasked;
	is($session->query($statement), 7, 'an answer that came before its request is not taken for its answer');
}
$session->quit;

# ------------------------------------------------------------------ what is sent again, and when

$node->option(max_retries => 3);

$peer->set('drop', 'half', 'ok');
$before = $peer->requests;
is(($node->run($read))[0], 7, 'a read is sent again');
is($peer->requests - $before, 3, '... until it is answered');

$peer->set('status 408', 'ok');
$before = $peer->requests;
is(($node->run($read))[0], 7, 'a read is sent again that did not reach the API in time (408)');
is($peer->requests - $before, 2, '... once');

for my $what ('drop', 'status 408', 'status 600', 'not_json')
{
	$peer->set($what, 'ok');
	$before = $peer->requests;
	$node->fails_then_works($write, '08006|08P01', 'may have been executed', "$what: a write is not sent again");
	is($peer->requests - $before, 2, '... and was sent once');
}

sub seconds_between_last_two
{
	my ($first, $second) = map { (split)[3] } ($peer->requests)[ -2, -1 ];
	return $second - $first;
}

$peer->set('status 429 Retry-After: 1', 'ok');
is(($node->run($write))[0], 7, 'a write that was turned away (429) is sent again');
cmp_ok(seconds_between_last_two(), '>=', 0.99, '... after the seconds of Retry-After');

$peer->set('status 503 Retry-After: Wed, 01 Jan 2020 00:00:02 GMT; Date: Wed, 01 Jan 2020 00:00:01 GMT', 'ok');
is(($node->run($read))[0], 7, 'a read is sent again after 503');
cmp_ok(seconds_between_last_two(), '>=', 0.99, '... after the date of Retry-After, by the clock of the peer');

for my $value ('3600', '99999999999999999999', 'Wed, 01 Jan 2020 01:00:00 GMT; Date: Wed, 01 Jan 2020 00:00:00 GMT')
{
	$peer->set("status 429 Retry-After: $value", 'ok');
	$before = $peer->requests;
	$node->fails_then_works($write, '53400', '429', "Retry-After: $value is not waited for");
	is($peer->requests - $before, 2, '... and nothing is sent before');
}

for my $value ('-1', 'soon', '', '1.5', 'Wed, 01 Jan 2020 00:00:00 GMT')
{
	$peer->set("status 429 Retry-After: $value", 'ok');
	is(($node->run($write))[0], 7, "Retry-After: '$value' is not waited for for long");
}

# ------------------------------------------------------------------ secrets

$peer->set('status 401 X: y');
($out, $err) = $node->run($read, $write);
unlike($err, qr/made_up_account/, 'no error has the key');
my $log = join "\n", grep { !/CREATE USER MAPPING/ } split /\n/, slurp_file($node->logfile);
unlike($log, qr/made_up_account|Bearer/, 'nor has the log');

done_testing();
