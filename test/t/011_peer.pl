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
	[ half => '08006', 'bytes remaining' ],
	[ headers_cut => '08006', 'amid the headers' ],
	[ chunk_cut => '08006', 'outstanding read data' ],
	[ bad_chunk => '08P01', 'chunk' ],
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
	[ 'status 409' => '55000', 'HTTP status 409: No' ],
	[ 'status 418' => '22023', 'HTTP status 418: No' ],
	[ 'status 422' => '22023', 'HTTP status 422: No' ],
	[ 'status 429' => '53400', 'HTTP status 429: No' ],
	[ 'status 500' => '58000', 'HTTP status 500: No' ],
	[ 'status 503' => '58000', 'HTTP status 503: No' ]);

for my $case (@cases)
{
	my ($what, $sqlstate, $detail) = @$case;

	for my $kind (qw(read write))
	{
		my $before = $peer->requests;
		my $fate = $kind eq 'write' && $sqlstate =~ /^08/ ? 'The request was sent and may have been executed' : '';

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

done_testing();
