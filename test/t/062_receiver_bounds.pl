# truust-receiver pressed hard: floods of connections and bodies, strangers, a full disk, a database that turns it away
# for a long time (TRUUST_OUTAGE seconds, 2); and how it gets on with a sender of Truust's kind.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../lib", "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Truust;
use TruustReceiver;

my $node = TruustReceiver::new_node('bounds', workers => 1);
my $token = $TruustReceiver::TOKEN;
my $number = 0;

local $SIG{PIPE} = 'IGNORE';

# Bodies that make an event each; returns the statuses that came, each once, and how many were 200.
sub send_events
{
	my ($receiver, $count, $padding) = @_;
	my (%statuses, $good);

	for (1 .. $count)
	{
		my $body = sprintf '{"escrow": {"id": %d, "status": "PUBLISHED", "name": "%s"}}', ++$number, 'x' x ($padding // 0);
		my $status = $receiver->send_hook('order.published', $body);
		$statuses{$status} = 1;
		$good += $status == 200;
	}
	return (join(' ', sort keys %statuses), $good // 0);
}

sub applied
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM truust.events');
}

# All of the events that were answered 200 are applied in the end.
sub all_applied
{
	my ($receiver, $expected, $name) = @_;

	ok($receiver->wait_until_drained, "$name: the spool is handed in");
	$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM truust.webhooks)');
	is(applied(), $expected, "$name: all that was answered 200 is applied");
	return;
}

sub descriptors
{
	my ($receiver) = @_;
	return scalar(() = glob "/proc/$receiver->{pid}/fd/*");
}

sub resident_kb
{
	my ($receiver) = @_;
	return slurp_file("/proc/$receiver->{pid}/status") =~ /^VmRSS:\s*(\d+)/m ? $1 : die;
}

# ---------------------------------------------------------------- floods

my $receiver = TruustReceiver->start(node => $node,
	args => [ '--max-connections', '40', '--max-connections-per-ip', '0', '--request-timeout', '1s',
		'--max-body', '512k', '--max-memory', '1M' ]);
ok($receiver->wait_until_drained, 'it is ready');
my ($descriptors, $resident) = (descriptors($receiver), resident_kb($receiver));
{
	# more connections than there may be, that say nothing, half a line, or half a request of a stranger
	my @half = ('', 'POST /hooks', "POST /hooks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" . 'x' x 1000);
	my @flood = map { my $socket = $receiver->socket_to; $socket->syswrite($half[ $_ % 3 ]) if $_ % 3; $socket } 1 .. 120;

	is((send_events($receiver, 1))[0], '200', 'a flood of half-open connections: the sender gets through');
	cmp_ok($receiver->metric('connections'), '<=', 40, 'no more connections than allowed');
	ok(TruustReceiver::wait_for(sub {
		my $cut = 0;
		for my $socket (@flood)
		{
			my $ready = '';
			vec($ready, fileno($socket), 1) = 1;
			$cut++ if select($ready, undef, undef, 0) && !sysread($socket, my $bytes, 4096);
		}
		return $cut == @flood;
	}), 'all of them are cut');
}
{
	# bodies announced, of senders that are known: memory is given to as many as there may be
	my $head = "POST /hooks/$token/a HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n";
	my @bodies = map { $receiver->socket_to } 1 .. 6;
	my %answers;

	$_->syswrite($head) for @bodies;
	ok($receiver->wait_for_metric('memory_bytes', sub { $_ >= 800_000 }), 'large bodies are announced');
	cmp_ok($receiver->metric('memory_bytes'), '<=', 1 << 20, 'bodies take no more memory than allowed');
	$_->syswrite('x' x 400_000) for @bodies;
	for my $socket (@bodies)
	{
		my $line = <$socket> // '';
		$answers{ $line =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none' }++;
	}
	is(join(' ', sort keys %answers), '200 503', 'the others are told to try again');
}
{
	# a stranger's bodies take no memory
	my $before = $receiver->metric('auth_failures_total');
	my @strangers = map { $receiver->socket_to } 1 .. 20;
	$_->syswrite("POST /hooks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" . 'x' x 60_000) for @strangers;
	ok($receiver->wait_for_metric('auth_failures_total', sub { $_ == $before + 20 }), 'strangers are refused before their bodies');
	is($receiver->metric('memory_bytes'), 0, 'which take no memory');
}
ok(TruustReceiver::wait_for(sub { descriptors($receiver) <= $descriptors }), 'no descriptor is left open');
cmp_ok(resident_kb($receiver), '<', $resident + 8192, 'memory stays small');
is($receiver->stop, 0, 'a clean stop after all that');
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')});
$node->safe_psql('postgres', q{DELETE FROM truust.webhooks});

# ---------------------------------------------------------------- a full disk

# A disk of its own if there can be one, else a limit for the size of a file; both let nothing more be written.
for my $how ('disk', 'file size')
{
	my @wrap = $how eq 'disk'
		? ('unshare', '-rm', 'sh', '-c', 'mount -t tmpfs -o size=128k,mode=700 none "$0" && exec "$@"', PostgreSQL::Test::Utils::tempdir)
		: ('sh', '-c', 'ulimit -f 256; exec "$@"', 'sh');

  SKIP:
	{
		skip 'no disk can be mounted here', 12 if $how eq 'disk' && system('unshare -rm mount -t tmpfs none /mnt 2>/dev/null') != 0;
		my @spool = $how eq 'disk' ? (spool => 0, args => [ '--spool', $wrap[-1] ]) : ();
		my $full = TruustReceiver->start(node => $node, wrap => \@wrap, @spool);
		my $before = applied();

		ok($full->wait_until_drained, "$how: it is ready");
		$node->stop('fast');
		my ($statuses, $taken) = send_events($full, 200, 2000);
		is($statuses, '200 503', "$how: what cannot be written is answered 503");
		cmp_ok($taken, '>', 10, "$how: after many were taken");
		cmp_ok($full->metric('spool_failures_total'), '>', 0, "$how: the failures are counted");
		is($full->get('/healthz')->{status}, 503, "$how: health says so");
		like($full->log_text, qr/cannot write to the spool in .*: (No space left on device|File too large)/,
			"$how: the log says why");
		$node->start;
		all_applied($full, $before + $taken, $how);
		($statuses, $taken) = send_events($full, 3);
		is($statuses, '200', "$how: it takes more");
		is($full->get('/healthz')->{status}, 200, "$how: health is back");
		is($full->stop, 0, "$how: stop");
		$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM truust.webhooks)');
	}
}

# ---------------------------------------------------------------- a database that turns it away

$receiver = TruustReceiver->start(node => $node);
ok($receiver->wait_until_drained, 'it is ready');
{
	my $before = applied();
	my $log = -s $node->logfile;

	$node->safe_psql('postgres', q{ALTER ROLE hook NOLOGIN;
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hook'});
	my ($statuses, $taken) = send_events($receiver, 10);
	is($statuses, '200', 'not permitted to log in: answered through the spool');
	for (my $end = time + ($ENV{TRUUST_OUTAGE} || 2); time < $end; sleep 0.1)
	{
		my ($more, $good) = send_events($receiver, 5);
		$statuses = $more if $more ne '200';
		$taken += $good;
	}
	is($statuses, '200', "and so on, $taken webhooks in all");
	my $refused = sub { return scalar(() = slurp_file($node->logfile, $log) =~ /role "hook" is not permitted to log in/g) };
	ok(TruustReceiver::wait_for(sub { $refused->() >= 8 }), 'it tries again');
	# two connections, with pauses that double from 100 ms: the eighth attempt is after seconds, not at once
	cmp_ok($receiver->metric('spool_oldest_seconds'), '>', 0.5, 'with pauses that grow');
	is(scalar(() = $receiver->log_text =~ /cannot connect to the database/g), 1, 'and says so once, not each time');
	$node->safe_psql('postgres', 'ALTER ROLE hook LOGIN');
	all_applied($receiver, $before + $taken, 'permitted again');
}

# ---------------------------------------------------------------- fewer connections than asked for

{
	$receiver->stop;
	$node->safe_psql('postgres', 'ALTER ROLE hook CONNECTION LIMIT 1');
	my $few = TruustReceiver->start(node => $node, args => [ '--database-timeout', '400ms' ]);
	ok($few->wait_until_drained, 'one of two connections can be had');
	is($few->metric('database_connections'), 1, 'and no other');
	# A wake-up that goes to the thread without a connection would leave a webhook to the spool.
	my ($statuses) = send_events($few, 500);
	is($statuses, '200', 'webhooks are taken');
	is($few->metric('spooled_total'), 0, 'by the one connection, not the spool');
	$node->safe_psql('postgres', 'ALTER ROLE hook CONNECTION LIMIT -1');
	ok($few->wait_for_metric('database_connections', sub { $_ == 2 }), 'permitted again, there are two');
	$few->stop;
	$receiver->run;
}

# ---------------------------------------------------------------- a sender of Truust's kind

my $sim = Truust->simulator;
{
	my $before = applied();
	my $url = $receiver->url("/hooks/$token");

	$sim->set(webhooks => [ { url => $url, events => ['*'], append_event => \1 } ], webhook_duplicate => 1,
		webhook_timeout_ms => 8000, webhook_retry_ms => 200);
	my $first = $sim->call(POST => '/orders/bulk', { count => 30, status => 'PENDING_PUBLISH' })->{first_id};
	for my $id ($first .. $first + 29)
	{
		$sim->call(POST => "/orders/$id/status", { status => 'PUBLISHED', webhook => \1 });
		$sim->call(POST => "/orders/$id/status", { status => 'ACCEPTED', webhook => \1 });
		# in the middle of it the receiver is killed, and the database restarted
		if ($id == $first + 10) { $receiver->end_by('KILL'); $receiver->run; }
		if ($id == $first + 20) { $node->stop('immediate'); $node->start; }
	}
	$sim->call(POST => '/webhooks/wait', { ms => 60_000 });
	my $deliveries = $sim->call(GET => '/webhooks')->{deliveries};
	cmp_ok(scalar(@$deliveries), '>=', 120, 'the simulator sends each event twice');
	is(scalar(grep { !$_->{delivered} } @$deliveries), 0, 'and each is taken');
	all_applied($receiver, $before + 60, 'by the simulator');
	is($node->safe_psql('postgres', "SELECT DISTINCT status FROM truust.orders WHERE id >= $first AND id < $first + 30"),
		'ACCEPTED', 'orders have the last status');
}

is($receiver->stop, 0, 'stop');
$node->stop;
done_testing;
