# A primary and its standby: nothing runs on the standby; it is promoted in the middle of load, requests being enqueued and
# sent while webhooks come in through the receiver, and the old primary is gone. Outbox and webhooks together end exactly once:
# with synchronous replication nothing acknowledged is missing; with asynchronous replication what was lost is looked up.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustAudit;
use TruustOutbox;
use TruustReceiver;

use constant LOAD => 400;

my $t = TruustOutbox->new(name => 'first', init => { allows_streaming => 1 }, conf => "truust.settle_time = 1s\ntruust.max_in_flight = 8\n");
my $f = TruustAudit->new($t);
my $primary = $t->node;

$t->sql(<<~'SQL');
	CREATE ROLE hook LOGIN;
	SELECT truust_grant('intake', 'hook');
	CREATE TABLE heard (order_id bigint, event text);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS 'INSERT INTO public.heard VALUES (e.order_id, e.event)';
	SELECT truust_on('*', 'hear(truust_event)');
	CREATE TABLE ended (request bigint);
	CREATE FUNCTION note_end(r truust.requests) RETURNS void LANGUAGE sql AS 'INSERT INTO public.ended VALUES (r.id)';
	SQL

# A standby of what is the primary now.
sub add_standby
{
	my ($name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$primary->backup("for_$name");
	$standby->init_from_backup($primary, "for_$name", has_streaming => 1);
	$standby->start;
	return $standby;
}

# A client that enqueues LOAD requests, each in a transaction of its own, and hears the id of each that is committed.
sub start_client
{
	my ($name) = @_;
	my $script = $primary->basedir . "/$name.sql";
	my %client = (out => '', err => '');

	append_to_file($script, join '', map {
		qq{SELECT truust_enqueue('create_order', '{"name": "$name $_", "value": $_}', on_done => 'note_end(truust.requests)') FROM pg_sleep(0.005);\n} } 1 .. LOAD);
	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres'), '-f', $script ],
		'<', \undef, '>', \$client{out}, '2>', \$client{err});
	return \%client;
}

sub acknowledged
{
	my ($client) = @_;

	eval { $client->{run}->finish };
	return $client->{out} =~ /^(\d+)\n/mg;
}

# Buyers pay all orders that are there and are not paid yet; the simulator sends its webhooks.
my %paid;
sub pay
{
	for my $order (@{ $t->sim(GET => 'rows?kind=orders')->{rows} })
	{
		$t->sim(POST => "orders/$order->{id}/pay", { outcome => 'confirmed' }) unless $paid{ $order->{id} }++;
	}
	return scalar keys %paid;
}

# How many orders the database knows as paid, and how many payments were handled.
sub heard_of
{
	return $t->sql(q{SELECT (SELECT count(*) FROM truust.orders WHERE status = 'PUBLISHED'),
		(SELECT count(*) FROM heard WHERE event = 'order.published'), (SELECT count(*) FROM heard WHERE event = 'payin.confirmed')});
}

# The primary goes, as at a failure, and the standby takes its place.
sub fail_over
{
	my ($standby) = @_;

	$primary->stop('immediate');
	pay();
	$standby->promote;
	$t->{node} = $primary = $standby;
	return;
}

# Requests, by the audit, and webhooks.
sub audit
{
	my ($name, $receiver) = @_;

	ok($t->settled(120), "$name: all requests end");
	pay();
	ok($t->wait_until(sub { $t->sim(GET => 'summary')->{webhooks_pending} == 0 }), "$name: all webhooks are sent");
	is(scalar(grep { !$_->{delivered} } @{ $t->sim(GET => 'webhooks?limit=100000')->{deliveries} }), 0, "$name: and were taken");
	ok($receiver->wait_until_drained, "$name: the receiver has handed in all");
	ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)', 120), "$name: and all are applied")
		or diag $t->sql('SELECT state, count(*), max(error) FROM truust.webhooks GROUP BY 1');
	$f->audit($name, $t->sql('SELECT count(*) FROM truust.requests'));
	is($t->sql('SELECT count(*), count(DISTINCT request) FROM ended'), join('|', ($t->sql('SELECT count(*) FROM truust.requests')) x 2), "$name: on_done ran once for each");
	is($t->sql('SELECT count(*) FROM (SELECT FROM heard GROUP BY order_id, event HAVING count(*) > 1) d'), 0, "$name: no event was handled twice");
	return;
}

# ---------------------------------------------------------------- a standby is quiet

my $standby = add_standby('second');
$t->sql("ALTER SYSTEM SET synchronous_standby_names = 'second'");
$t->sql('SELECT pg_reload_conf()');
ok($t->wait_for(q{EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')}), 'the second server is a synchronous standby');

my $known = $t->sql(q{SELECT id FROM truust_create_order(name => 'Known', value => 1)});
my $calls = $t->calls('createOrder');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'truust%'}), 0, 'standby: nothing runs');
is($standby->safe_psql('postgres', "SELECT id FROM truust_get_order($known)"), $known, 'standby: reads are possible');
is($standby->safe_psql('postgres', "SELECT status FROM truust.orders WHERE id = $known"), 'DRAFT', 'standby: the tables too');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM truust_status() WHERE pid IS NOT NULL'), 0, 'standby: truust_status() says that nothing runs');
my %refused = (
	q{SELECT truust_create_order(name => 'x', value => 1)} => 'truust_create_order\(\)',
	q{SELECT truust_enqueue('create_order', '{"name": "x", "value": 1}')} => 'truust_enqueue\(\)',
	q{SELECT truust_receive_webhook('{}', 'order.published')} => 'INSERT',
	q{SELECT truust_pause('requests', 'x')} => 'INSERT',
	q{CALL truust_drain()} => 'truust_drain\(\)',
	q{SELECT truust_sync_orders(now())} => 'truust_sync_orders\(\)',
	q{SELECT truust_start_worker()} => 'truust_start_worker\(\)');
for my $statement (sort keys %refused)
{
	my ($out, $err);
	$standby->psql('postgres', "\\set VERBOSITY verbose\n$statement", stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($err, qr/ERROR:  25006: cannot execute $refused{$statement} (in a read-only transaction|during recovery)/, "standby: refused: $statement");
}
is($t->calls('createOrder'), $calls, 'standby: nothing was sent');
$t->sim(POST => 'reset');
$t->sql('TRUNCATE truust.orders, truust.events, heard');

# ---------------------------------------------------------------- synchronous: nothing acknowledged is lost

my $receiver = TruustReceiver->start(auth => 0, args => ['--no-auth'], dsn => sprintf "host='%s,%s' port=%d,%d user=hook dbname=postgres",
	$primary->host, $standby->host, $primary->port, $standby->port);
sub send_webhooks
{
	$t->sim(POST => 'settings', { delay_ms => 10, webhooks => [ { url => "http://127.0.0.1:$receiver->{port}/hooks", append_event => JSON::PP::true } ] });
	return;
}
send_webhooks();
# some of the answers are lost, and some never come
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after', times => 0, probability => 0.1 });
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'hang', when => 'after', times => 4, after => 100 });

my $client = start_client('acknowledged');
ok($t->wait_until(sub { pay() >= 120 && $client->{run}->pump_nb }), 'synchronous: in the middle of load');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'sending') AND EXISTS (SELECT FROM heard)}), 'synchronous: requests are under way, and webhooks were applied');
fail_over($standby);
my @committed = acknowledged($client);
cmp_ok(scalar @committed, '>=', 100, 'synchronous: ' . @committed . ' were acknowledged before that');
like($client->{err}, qr/server closed the connection|terminat/, 'synchronous: and the client heard nothing of its next one');
$t->sim(DELETE => 'rules');
$client = start_client('later');
push @committed, acknowledged($client);
is($client->{err}, '', 'synchronous: the promoted server takes requests');
is($t->sql(sprintf 'SELECT count(*) FROM unnest(ARRAY[%s]) a (id) WHERE NOT EXISTS (SELECT FROM truust.requests r WHERE r.id = a.id)',
	join(', ', @committed)), 0, 'synchronous: all that was acknowledged is there');
audit('synchronous', $receiver);
is(heard_of(), join('|', (scalar keys %paid) x 3), 'synchronous: each event was handled, and each order is where it is at the API');
is($t->sql(q{SELECT count(*) FROM truust_status() WHERE state = 'restored'}), 0, 'a promoted standby is no copy: nothing waits for truust_resume()');
is($t->sql(q{SELECT string_agg(DISTINCT backend_type, ', ' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'truust%'}),
	'truust launcher, truust requests, truust webhooks', 'its workers run');

# ---------------------------------------------------------------- asynchronous: what the standby never heard of

$receiver->stop;
$t->sim(POST => 'reset');
$t->sql('TRUNCATE truust.requests, truust.orders, truust.payins, truust.events, heard, ended');
%paid = ();
$standby = add_standby('third');
$receiver = TruustReceiver->start(auth => 0, args => ['--no-auth'], dsn => sprintf "host='%s,%s' port=%d,%d user=hook dbname=postgres",
	$primary->host, $standby->host, $primary->port, $standby->port);
send_webhooks();
$t->sql(q{SELECT truust_pause('requests', 'a test')});
start_client('queued')->{run}->finish;
# so slow that not all are made before the standby is cut off
$t->sim(POST => 'settings', { delay_ms => 150 });
$t->sql(q{SELECT truust_resume('requests')});
$t->wait_until(sub { pay() >= 20 }) or die 'nothing is sent';
# the standby gets no further, and what it does not hear of goes on
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'});
$standby->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for('NOT EXISTS (SELECT FROM pg_stat_replication)'), 'asynchronous: the standby is cut off');
my $made = pay();
ok($t->wait_until(sub { pay() >= $made + 60 }), 'asynchronous: and orders are made that it does not hear of');
ok($t->wait_for('(SELECT count(*) FROM heard) > 60'), 'asynchronous: webhooks are applied');
my $known_there = $standby->safe_psql('postgres', q{SELECT count(*) FROM truust.requests WHERE state <> 'queued'});
cmp_ok(pay(), '>', $known_there, 'asynchronous: requests that are queued there are done');
fail_over($standby);
$t->sim(POST => 'settings', { delay_ms => 10 });
audit('asynchronous', $receiver);
unlike(heard_of(), qr/\|400\|/, 'asynchronous: webhooks that only the old primary had are lost');
$t->sql(q{SELECT count(*) FROM truust_sync_orders(now() - interval '1 hour')});
like(heard_of(), qr/^400\|/, 'asynchronous: truust_sync_orders() finds what they told');

$receiver->stop;
$primary->stop;
done_testing;
