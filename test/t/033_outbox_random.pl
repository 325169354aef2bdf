# Faults by chance: requests of every kind in transactions of every kind, hundreds of them in flight, an API that misbehaves,
# and kill -9 of the worker, the postmaster and the simulator. Afterwards each committed request took effect exactly
# once, a rolled-back one never, and only what cannot be looked up is left to a person.
#
# Each run has a seed, which is in its name: TRUUST_SEED (1) is the first one's, TRUUST_RUNS (10) how many there are.
# `make check-faults` makes two hundred.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Test::More;
use Time::HiRes qw(sleep);
use TruustAudit;
use TruustFaults;
use TruustOutbox;

my ($runs, $first_seed) = TruustFaults::runs(10);
my $t = TruustOutbox->new(conf => "truust.max_in_flight = 250\n");
my $f = TruustAudit->new($t);

# Transactions that enqueue; returns how many requests were committed.
sub enqueue_by_chance
{
	my ($run) = @_;
	my $committed = 0;

	for my $i (1 .. 6 + int rand 4)
	{
		my $n = 60 + int rand 80;
		my $call = $f->order_sql($n, "run $run.$i");
		my $kind = int rand 4;
		my $sql = $kind == 0 ? "BEGIN; $call; ROLLBACK"
		  : $kind == 1 ? "BEGIN; SAVEPOINT s; $call; ROLLBACK TO s; $call; COMMIT"
		  : $kind == 2 ? "BEGIN; $call; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'" : $call;

		$t->sql($sql);
		$committed += $n if $kind > 0;
	}
	return $committed + $f->enqueue_mixture;
}

sub misbehave
{
	my ($seed) = @_;

	$t->sim(POST => 'settings', { delay_ms => int rand 60 });
	for my $do (qw(drop reset truncate garbage delay hang))
	{
		next if rand() < 0.5;
		$t->sim(POST => 'rules', {
			operation => rand() < 0.5 ? 'createOrder' : '*', do => $do, when => rand() < 0.5 ? 'before' : 'after',
			probability => 0.02 + 0.05 * rand(), times => $do eq 'hang' ? 1 : 0, ms => 50, seed => $seed });
	}
	return;
}

sub strike
{
	my $victim = rand;

	if ($victim < 0.5)
	{
		$t->kill_worker;
	}
	elsif ($victim < 0.75)
	{
		$t->kill_postmaster;
	}
	else
	{
		$t->kill_simulator;
		sleep 0.2 * rand;
		$t->start_simulator;
	}
	return;
}

# Hundreds are in flight, at an API that is slow and nothing else.
sub wait_for_many
{
	my ($seed) = @_;

	ok($t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE state = 'sending') >= 200}), "seed $seed: hundreds are in flight");
	return;
}

for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	my $calm = $seed % 2;	# when it begins; where there is trouble, the worker sends with care

	srand $seed;
	$f->start_over;
	$t->sim(POST => 'settings', { delay_ms => 1500 });
	misbehave($seed) unless $calm;
	my $committed = enqueue_by_chance($seed);
	wait_for_many($seed) if $calm;
	for my $n (1 .. 1 + int rand 3)
	{
		sleep 0.3 * rand unless $calm && $n == 1;
		strike();
		misbehave($seed) if $calm && $n == 1;
	}
	$t->sim(DELETE => 'rules');
	$t->sim(POST => 'settings', { delay_ms => 0 });
	$f->audit("seed $seed", $committed);
}

done_testing();
