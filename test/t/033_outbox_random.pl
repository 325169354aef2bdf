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
my $t = TruustOutbox->new(conf => "truust.max_in_flight = 250\ntruust.settle_time = 3s\n");
my $f = TruustAudit->new($t);
$t->sql(q{ALTER SERVER truust OPTIONS (SET request_timeout '100000')});

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

# Until hundreds are in flight, at an API that says nothing.
sub wait_for_many
{
	my ($seed) = @_;

	ok($t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE state = 'sending') >= 150}), "seed $seed: hundreds are in flight");
	return;
}

for my $seed ($first_seed .. $first_seed + $runs - 1)
{
	my $many = $seed % 2;	# at the first fault; where there is other trouble, the worker sends with care

	srand $seed;
	$f->start_over;
	$many ? $t->sim(POST => 'rules', { operation => 'createOrder', do => 'hang', times => 0 }) : misbehave($seed);
	my $committed = enqueue_by_chance($seed);
	wait_for_many($seed) if $many;
	for my $n (1 .. 1 + int rand 3)
	{
		my $first = $many && $n == 1;

		sleep 0.3 * rand unless $first;
		strike();
		if ($first)
		{
			$t->sim(DELETE => 'rules');
			misbehave($seed);
		}
	}
	$t->sim(DELETE => 'rules');
	$t->sim(POST => 'settings', { delay_ms => 0 });
	$f->audit("seed $seed", $committed);
}

done_testing();
