# The README is held to what it describes: its table of settings to pg_settings, its statements to a server, a simulator
# and a buyer who pays.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file('README.md');

# ------------------------------------------------------------------ a simulator and a server

my $dir = PostgreSQL::Test::Utils::tempdir;
my $out = "$dir/simulator.out";
my $simulator = fork // die "fork: $!";
if ($simulator == 0)
{
    open STDOUT, '>', $out or die;
    open STDERR, '>&', \*STDOUT or die;
    exec 'test/simulator/truust-simulator', '--port', '0' or die "exec: $!";
}

# END may run before the simulator has printed anything, and must not change the outcome.
END
{
    if ($simulator)
    {
        local $?;
        kill 'TERM', $simulator;
        waitpid $simulator, 0;
    }
}

# Polls until code answers true, for at most as long as PostgreSQL's own tests wait.
sub wait_until
{
    my ($code, $what) = @_;
    for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
    {
        my $answer = $code->();
        return $answer if $answer;
        select undef, undef, undef, 0.1;
    }
    die "timed out: $what";
}

my $port = wait_until(sub { -s $out && slurp_file($out) =~ /^port (\d+)$/m ? $1 : 0 }, 'the simulator starts');

sub control
{
    my ($method, $path, $body) = @_;
    my @data = defined $body ? ('--data', $body) : ();
    my ($stdout, $stderr);
    IPC::Run::run([ 'curl', '-sS', '--noproxy', '*', '--fail', '-X', $method, @data, $path =~ /^http/ ? $path : "http://127.0.0.1:$port$path" ],
        '>', \$stdout, '2>', \$stderr)
        or die "$method $path: $stderr";
    return $stdout;
}

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'truust'\n");
$node->start;

# ------------------------------------------------------------------ the table of settings

my ($settings) = $readme =~ /^### Settings\n(.*?)^## /ms;
my %documented = $settings =~ /^\| `(truust\.\w+)` \| `([^`]*)` \|/mg;
my %existing = map { split /\|/, $_, 2 } split /\n/,
    $node->safe_psql('postgres', "LOAD 'truust'; SELECT name || '|' || current_setting(name) FROM pg_settings WHERE name LIKE 'truust.%'");
is_deeply([ sort keys %documented ], [ sort keys %existing ], 'the README lists the settings that exist');
for my $name (sort keys %existing)
{
    is($documented{$name}, $existing{$name}, "default of $name");
}

# ------------------------------------------------------------------ the statements

# block AFTER: the first block of SQL after these words.
sub block
{
    my ($after) = @_;
    my ($block) = $readme =~ /\Q$after\E.*?^```sql\n(.*?)^```/ms;
    return $block;
}

my $first = block("make check    #");
$first =~ s/environment 'sandbox'/base_url 'http:\/\/127.0.0.1:$port\/2.0'/ or die 'no environment in the first statements';
my $status;
my ($stdout, $stderr) = ('', '');
$status = $node->psql('postgres', $first, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);
is($status, 0, 'the first statements run') or diag $stderr;
like($stdout, qr/^\d+\|DRAFT\|http/m, 'and create an order');

# The pieces between the comments are what happens elsewhere.
my $tour = block('## A tour');
my @pieces = split /^--[^\n]*\n/m, $tour;
is(scalar @pieces, 3, 'the tour has a buyer and a release in it');
my $session = $node->connstr('postgres');
my $state = "$dir/order";
my $say = "\\t on\n\\a\n\\o $state\nSELECT :order_id || ' ' || :'buyer_link';\n\\o\n";

my $psql = IPC::Run::start([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $session ], '<', \my $in, '>', \my $shown, '2>', \my $wrong);
$in .= $pieces[0] . $say . "\\echo paid-now\n";
wait_until(sub { $psql->pump_nb; $wrong || $shown =~ /paid-now/ }, 'the first piece of the tour');
is($wrong, '', 'the tour up to the payment');
my ($order, $link) = split ' ', slurp_file($state);

# arrived EVENT STATUS: the webhook, as a receiver would hand it in, and the order as the worker leaves it.
sub arrived
{
    my ($event, $want) = @_;
    my $body = qq([{"escrow": {"id": "$order", "status": "$want"}}]);
    $node->safe_psql('postgres', "SELECT truust_receive_webhook(\$body\$$body\$body\$, '$event')");
    $node->poll_query_until('postgres', "SELECT status = '$want' FROM truust.orders WHERE id = $order")
        or die "the order does not become $want";
    return;
}

control('POST', '/_sim/settings', '{"auto_release_ms": 1}');
control('POST', $link);
arrived('order.published', 'PUBLISHED');
$in .= $pieces[1] . "\\echo validated-now\n";
wait_until(sub { $psql->pump_nb; $wrong || $shown =~ /validated-now/ }, 'the second piece of the tour');
is($wrong, '', 'the tour up to the release');
wait_until(sub { control('GET', "/_sim/orders/$order") =~ /"status": ?"RELEASED"/ }, 'the release');
arrived('order.released', 'RELEASED');
$in .= $pieces[2] . "\\q\n";
$psql->finish;
is($wrong, '', 'the tour to its end');
like($shown, qr/RELEASED\|t/, 'the order is released and finished');

# ------------------------------------------------------------------ an attached table, a handler, a role for the receiver

$node->safe_psql('postgres',
    'CREATE SCHEMA shop; CREATE TABLE shop.orders (id bigint PRIMARY KEY, title text, total numeric, buyer bigint, seller bigint,
     truust_id bigint, payment_status text, payment_url text);
     CREATE FUNCTION shop.ship(truust_event) RETURNS void LANGUAGE sql AS $$ SELECT $$');
for my $after ('From your own table', '## Webhooks', 'Your code runs by')
{
    my ($ignored, $error);
    is($node->psql('postgres', block($after), stdout => \$ignored, stderr => \$error, on_error_stop => 1), 0, "statements after: $after") or diag $error;
}

$node->stop;
done_testing();
