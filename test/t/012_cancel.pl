# A call lets go at every stage: cancelled, out of time, or its session ended. Each time with PostgreSQL's own SQLSTATE,
# with the connection dropped, and with the session fit for the next call. How long it took is told, not judged.
use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use TruustNode;
use TruustPeer;

my $peer = TruustPeer->start;
my $node = TruustNode->start(base_url => $peer->url, connect_timeout => 60000, request_timeout => 60000);
my $read = $TruustNode::READ;
my $write = $TruustNode::WRITE;
my $still_answered = 'SELECT id FROM truust_get_order(77)';

# A peer that listens and never accepts, its queue full: connections to it are never made.
my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "listen: $!";
my @queued = map {
	IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $deaf->sockport, Blocking => 0)
} 1 .. 8;
my $deaf_url = 'http://127.0.0.1:' . $deaf->sockport . '/2.0';

# Stage: what the peer does, base_url, whether the request gets that far.
my $order_ids = join ',', 1 .. 20;
my @stages = (
	[ 'connecting', 'ok', $deaf_url, 0 ],
	[ 'TLS handshake', 'ok', 'https://127.0.0.1:' . $peer->port . '/2.0', 0 ],
	[ 'waiting for the answer', 'hang', $peer->url, 1 ],
	[ 'an answer that drips', 'drip', $peer->url, 1 ],
	[ 'the pause before a repeat', 'status 429 Retry-After: 30', $peer->url, 1 ],
	[ 'many at once', 'hang', $peer->url, 8, "SELECT count(*) FROM truust_get_orders('{$order_ids}')" ]);
my $longest = 0;

for my $stage (@stages)
{
	my ($name, $mode, $url, $requests, $only) = @$stage;

	$node->option(base_url => $url);
	for my $statement ($only ? $only : ($read, $write))
	{
		my $kind = $only ? 'reads' : $statement eq $read ? 'read' : 'write';
		my @next = ("ALTER SERVER truust OPTIONS (SET base_url '" . $peer->url . "')", $still_answered);

		$peer->set($mode);
		for my $how (qw(cancel terminate))
		{
			my $before = $peer->requests;
			my ($ms, $out, $err) =
				$node->interrupt($how, sub { $peer->requests - $before >= $requests }, $statement, @next);

			$longest = $ms if $ms > $longest;
			note sprintf '%s, %s, %s: let go after %.1f ms', $name, $kind, $how, $ms;
			if ($how eq 'cancel')
			{
				like($err, qr/ERROR:  57014: canceling statement due to user request/, "$name, $kind: cancelled");
				is($out, 7, "$name, $kind: the next call works");
			}
			else
			{
				like($err, qr/FATAL:  57P01: /, "$name, $kind: ended");
			}
			is($peer->requests - $before, $requests + ($how eq 'cancel'), "$name, $kind: nothing is sent again");
			$node->option(base_url => $url);
		}
		my ($out, $err) = $node->run("SET statement_timeout = '300ms'", $statement, 'RESET statement_timeout', @next);
		like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, "$name, $kind: statement_timeout");
		is($out, 7, "$name, $kind: the next call works");
		$node->option(base_url => $url);
	}
}
diag sprintf 'the longest time until a call let go: %.1f ms', $longest;

done_testing();
