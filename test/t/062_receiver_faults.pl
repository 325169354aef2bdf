# truust-receiver under load while it is killed and its database is torn down, at random: every body that was answered
# 200 is in the table at the end.  TRUUST_SEED repeats a run's choices, TRUUST_ROUNDS makes it longer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TruustReceiver;

use constant SENDERS => 6;

my $seed = $ENV{TRUUST_SEED} || time;
my $rounds = $ENV{TRUUST_ROUNDS} || 12;
note "TRUUST_SEED=$seed";
srand $seed;

my $node = TruustReceiver::new_node('faults');
# Two receivers' worth of life: small segments, so that they rotate and are removed while all this goes on.
my $receiver = TruustReceiver->start(node => $node, args => [ '--spool-limit', '1M', '--batch-rows', '20' ]);

# Sends numbered bodies until told to stop; what was answered 200 is written down.
sub sender
{
    my ($id) = @_;
    my $stop = 0;
    my $http = HTTP::Tiny->new(timeout => 20);

    local $SIG{TERM} = sub { $stop = 1 };
    srand $seed + $id;
    open my $file, '>', "$receiver->{dir}/answered.$id" or die;
    for (my $i = 1; !$stop; $i++)
    {
        my $answer = $http->request('POST', $receiver->url("/hooks/$TruustReceiver::TOKEN/order.published"),
            { content => "$id.$i " . 'x' x rand 3000 });
        if ($answer->{status} == 200)
        {
            syswrite $file, "$id.$i\n";
        }
        else
        {
            sleep 0.01;
        }
    }
    POSIX::_exit(0);
}

sub answered
{
    return map { split /\n/, slurp_file("$receiver->{dir}/answered.$_") } grep { -e "$receiver->{dir}/answered.$_" } 1 .. SENDERS;
}

my @senders;
for my $id (1 .. SENDERS)
{
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    sender($id) if $pid == 0;
    push @senders, $pid;
}

my %faults = (
    receiver => sub { $receiver->end_by('KILL'); sleep rand 0.2; $receiver->run },
    database => sub { $node->stop('immediate'); sleep rand 0.5; $node->start },
    both => sub { $node->stop('immediate'); $receiver->end_by('KILL'); $receiver->run; sleep rand 0.3; $node->start },
    backends => sub {
        $node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hook'});
    },
    restart => sub { is($receiver->stop, 0, 'a stop in the middle of it'); $receiver->run },
);

for my $round (1 .. $rounds)
{
    my $name = (sort keys %faults)[ int rand keys %faults ];
    my $before = () = answered();
    my $more = 20 + int rand 200;

    note "round $round: $name";
    ok(TruustReceiver::wait_for(sub { answered() >= $before + $more }), "round $round: webhooks are taken");
    $faults{$name}->();
}
kill 'TERM', @senders;
waitpid $_, 0 for @senders;
ok($receiver->wait_until_drained, 'the spool is empty in the end');

my %stored = map { $_ => 1 } split /\n/, $node->safe_psql('postgres',
    "SELECT DISTINCT split_part(convert_from(body, 'UTF8'), ' ', 1) FROM truust.webhooks");
my @answered = answered();
my @missing = grep { !$stored{$_} } @answered;
cmp_ok(scalar @answered, '>', 20 * $rounds, 'there was load: ' . scalar(@answered) . ' webhooks');
is("@missing", '', 'nothing that was answered 200 is missing');
note $node->safe_psql('postgres', 'SELECT count(*) FROM truust.webhooks') - keys(%stored), ' came twice';
is($receiver->stop, 0, 'a clean stop');
$node->stop;
done_testing;
