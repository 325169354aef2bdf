# Names are resolved without holding up the session: a resolver that takes a minute is left behind when the call is
# cancelled, when its time is up, and when the session ends; and no signal of the server is handled in its thread.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

use TruustNode;
use TruustPeer;

my $dir = PostgreSQL::Test::Utils::tempdir_short;

# Stands before the C library's own: one name takes a minute, or until a file is there.
append_to_file("$dir/slow.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int			(*real) (const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*) (const char *, const char *, const struct addrinfo *, struct addrinfo **)) dlsym(RTLD_NEXT, "getaddrinfo");

	if (name && strcmp(name, "slow.invalid") == 0)
	{
		for (int i = 0; i < 6000 && access(RELEASE, F_OK) != 0; i++)
			usleep(10000);
		return EAI_NONAME;
	}
	return real(name, service, hints, found);
}
C
my $cc = $ENV{CC} // 'cc';
if (system(qq($cc -shared -fPIC -o $dir/slow.so -DRELEASE='"$dir/release"' $dir/slow.c -ldl >$dir/cc.log 2>&1)) != 0)
{
	plan skip_all => 'needs a C compiler';
}

my $peer = TruustPeer->start;
my $node = TruustNode->start(
	base_url => 'https://slow.invalid/2.0',
	connect_timeout => 50000,
	request_timeout => 50000,
	max_retries => 0,
	env => { LD_PRELOAD => "$dir/slow.so" });
my $here = "ALTER SERVER truust OPTIONS (SET base_url '" . $peer->url . "')";
my $there = "ALTER SERVER truust OPTIONS (SET base_url 'https://slow.invalid/2.0')";

# Threads of the session that waits, except its main one: their masks of blocked signals.
sub masks_of_resolvers
{
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'});
	my @masks;

	for my $task (glob "/proc/$pid/task/*")
	{
		next if $task =~ m{/$pid$};
		my ($mask) = slurp_file("$task/status") =~ /^SigBlk:\s+([0-9a-f]+)/m;
		push @masks, hex $mask;
	}
	return @masks;
}

my @masks;
for my $statement ($TruustNode::READ, $TruustNode::WRITE)
{
	my $kind = $statement eq $TruustNode::READ ? 'read' : 'write';
	my $resolving = sub { @masks = masks_of_resolvers() if -r '/proc/self/status'; 1 };

	my ($ms, $out, $err) = $node->interrupt('cancel', $resolving, $statement, $here, $TruustNode::READ, $there);
	note sprintf 'let go after %.1f ms', $ms;
	cmp_ok($ms, '<', 30000, "$kind: the call does not wait for the resolver");
	like($err, qr/ERROR:  57014: canceling statement due to user request/, "$kind: cancelled");
	is($out, 7, "$kind: the next call works");

	($ms, $out, $err) = $node->interrupt('terminate', sub { 1 }, $statement);
	note sprintf 'ended after %.1f ms', $ms;
	cmp_ok($ms, '<', 30000, "$kind: the end of the session does not wait for the resolver");
	like($err, qr/FATAL:  57P01: /, "$kind: ended");

	($out, $err) = $node->run("SET statement_timeout = '200ms'", $statement, $here, $TruustNode::READ, $there);
	like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, "$kind: statement_timeout");
	is($out, 7, "$kind: the next call works");
}

SKIP:
{
	skip 'no resolver thread was seen', 1 unless @masks;
	my @signals = (1, 2, 10, 14, 15, 23);	# HUP, INT, USR1, ALRM, TERM, URG
	is(scalar(grep { my $mask = $_; grep { !($mask & (1 << ($_ - 1))) } @signals } @masks), 0,
		'a thread of the resolver blocks the signals of the server');
}

$node->option(connect_timeout => 300);
my ($out, $err) = $node->run($TruustNode::READ, $TruustNode::WRITE, $here, $TruustNode::READ, $there);
my $timed_out = () = $err =~ /ERROR:  08001: .*?DETAIL:  Resolving timed out.*? The request was not sent\./sg;
is($timed_out, 2, 'connect_timeout covers the name') or diag($err);
is($out, 7, 'the next call works');

# Left-behind resolvers come to their end without harm; then the name is known not to exist.
append_to_file("$dir/release", '');
$node->option(connect_timeout => 50000);
($out, $err) = $node->run($TruustNode::READ, $TruustNode::WRITE, $here, $TruustNode::READ);
my $unknown = () = $err =~ /ERROR:  08001: .*?DETAIL:  Could not resolve host: slow\.invalid\. The request was not sent\./sg;
is($unknown, 2, 'a name that does not exist');
is($out, 7, 'the next call works');

done_testing();
