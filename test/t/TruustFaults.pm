# Killing things, for the tests of what survives it.
#
#	my ($runs, $first_seed) = TruustFaults::runs(6);	# TRUUST_RUNS and TRUUST_SEED, else 6 from seed 1 on
#	TruustFaults::kill_backend($node, 'truust webhooks');
#	TruustFaults::kill_postmaster($node);
package TruustFaults;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

# How many runs with chance, and the seed of the first; the others' follow.
sub runs
{
	my ($otherwise) = @_;
	return ($ENV{TRUUST_RUNS} || $otherwise, $ENV{TRUUST_SEED} || 1);
}

# Until the condition holds; false where it never did.
sub wait_until
{
	my ($condition, $seconds) = @_;
	my $end = time + ($seconds // 60);

	while (time < $end)
	{
		return 1 if $condition->();
		sleep 0.02;
	}
	return 0;
}

# What a query says, '' while there is nobody to ask.
sub ask
{
	my ($node, $query) = @_;
	my ($out, $err) = ('', '');

	# psql that finds no server may be gone before it was given its input
	eval { $node->psql('postgres', $query, stdout => \$out, stderr => \$err, on_error_stop => 0); 1 }
	  or $@ =~ /Broken pipe/ or die $@;
	return $out // '';
}

# The server takes statements.
sub wait_for_server
{
	my ($node) = @_;
	return wait_until(sub { ask($node, 'SELECT 1') eq '1' });
}

# kill -9 of one process of this backend_type; the server starts itself anew (restart_after_crash), as after any crash.
# False where there was none.
sub kill_backend
{
	my ($node, $type) = @_;
	my $pid = '';

	wait_until(sub {
		$pid = ask($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' ORDER BY random() LIMIT 1");
		return $pid =~ /^\d+$/;
	}) or return 0;
	kill 'KILL', $pid;
	wait_until(sub { !kill 0, $pid }) or die "process $pid stays";
	return wait_for_server($node);
}

# kill -9 of the postmaster, and a new start once its children have noticed.
sub kill_postmaster
{
	my ($node) = @_;
	my @pids = grep { /^\d+$/ } split /\n/, ask($node, 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');

	$node->kill9;
	wait_until(sub { !grep { kill 0, $_ } @pids }) or die 'processes stay behind';
	wait_until(sub { $node->start(fail_ok => 1) }) or die 'the server does not start again';
	return 1;
}

1;
