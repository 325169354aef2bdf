# Ten thousand calls that fail, and thousands that are cancelled, in one session: its memory and its descriptors stay
# what they were.
use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use TruustNode;
use TruustPeer;

plan skip_all => 'needs /proc' unless -r "/proc/$$/status";

my $peer = TruustPeer->start;
my $node = TruustNode->start(base_url => $peer->url, max_retries => 0, request_timeout => 60000);

# Memory is never given back to the byte; a leak of a single small piece for each call would be over this.
my $tolerance_kb = 1024;

$node->safe_psql('postgres', <<~'SQL');
	-- Calls that fail, each caught where it was made; returns how many did.
	CREATE FUNCTION fail_often(n int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		failed int := 0;
	BEGIN
		FOR i IN 1 .. n LOOP
			BEGIN
				IF i % 2 = 0 THEN
					PERFORM truust_get_order(7);
				ELSE
					PERFORM truust_create_order(name => 'Bicycle', value => 1, buyer_id => 1, seller_id => 2);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				failed := failed + 1;
			END;
		END LOOP;
		RETURN failed;
	END $$;
	SQL

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');

sub memory
{
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $kb;
}

sub descriptors
{
	my @all = glob "/proc/$pid/fd/*";
	return scalar @all;
}

# Descriptors that do not come and go with the server's own files.
sub sockets
{
	return scalar grep { (readlink($_) // '') =~ /^(?:socket|anon_inode|pipe):/ } glob "/proc/$pid/fd/*";
}

# A call that works: libcurl then has closed what it found to be of no use.
sub call_once
{
	$node->option(base_url => $peer->url);
	$peer->set('ok');
	is($session->query($TruustNode::READ), 7, 'after that, a call works');
	return;
}

sub stays_flat
{
	my ($name, $warm_up, $work) = @_;

	$warm_up->();
	call_once();
	my ($memory, $sockets) = (memory(), sockets());
	$work->();
	call_once();
	my $more = memory() - $memory;
	note "$name: memory $memory kB, then $more kB more; ", descriptors(), ' descriptors';
	cmp_ok($more, '<', $tolerance_kb, "$name: memory stays flat");
	cmp_ok(sockets(), '<=', $sockets, "$name: descriptors stay the same");
	return;
}

my @misdeeds = ('drop', 'reset', 'half', 'headers_cut', 'chunk_cut', 'bad_chunk', 'garbage', 'bad_gzip', 'not_json', 'status 401', 'status 422', 'status 500');

sub fail_often
{
	my ($n) = @_;

	$peer->set(@misdeeds, 'again');
	is($session->query("SELECT fail_often($n)"), $n, "$n fail");
	return;
}

stays_flat('calls that fail', sub { fail_often(1000) }, sub { fail_often(10_000) });

# Cancelled while they wait for an answer, and while they try to connect.
my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "listen: $!";
my @queued = map {
	IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $deaf->sockport, Blocking => 0)
} 1 .. 8;

sub cancel_often
{
	my ($n, $where) = @_;
	my $statements = join ";\n", ("SET statement_timeout = '2ms'", ($TruustNode::READ, $TruustNode::WRITE, "SELECT count(*) FROM truust_get_orders('{1,2,3,4}')") x ($n / 3), 'RESET statement_timeout');

	$peer->set('hang');
	$node->option(base_url => $where);
	$session->query($statements);
	my $cancelled = () = $session->{stderr} =~ /canceling statement due to statement timeout/g;
	$session->{stderr} = '';
	is($cancelled, $n, "$n are cancelled");
	return;
}

my $unanswered = $peer->url;
my $unaccepted = 'http://127.0.0.1:' . $deaf->sockport . '/2.0';
stays_flat('calls that are cancelled as they wait', sub { cancel_often(300, $unanswered) }, sub { cancel_often(1500, $unanswered) });
stays_flat('calls that are cancelled as they connect', sub { cancel_often(300, $unaccepted) }, sub { cancel_often(1500, $unaccepted) });
$session->quit;

done_testing();
