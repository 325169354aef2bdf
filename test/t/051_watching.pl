# What an operator sees: what a worker or a call does now (pg_stat_activity and its wait events), truust_status(), truust.stats,
# and lines of the log that name the request, the webhook and the order, and what to do.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'watching', conf => "truust.max_attempts = 2\ntruust.sync_interval = 0\n");
my $node = $t->node;
my $NAMED = $t->sql(q{SELECT current_setting('server_version_num')::int >= 170000}) eq 't';

# Since the last time: lines of the log.
my $read = 0;
sub logged
{
	my ($like, $name) = @_;
	my $text = '';

	ok($t->wait_until(sub { $text = substr slurp_file($node->logfile), $read; $text =~ $like }), $name) or diag $text;
	return;
}

sub activity
{
	my ($type, $query, $name, $state) = @_;
	ok($t->wait_for(qq{EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'truust $type' AND application_name = 'truust $type'
		AND query = '$query' AND state = '} . ($state // 'active') . q{')}), $name)
		or diag $t->sql(q{SELECT backend_type, application_name, state, query, wait_event_type, wait_event FROM pg_stat_activity});
	return;
}

sub status
{
	my ($type, $condition, $name) = @_;
	ok($t->wait_for("EXISTS (SELECT FROM truust_status() WHERE database = 'postgres' AND worker = '$type' AND $condition)"), $name)
		or diag $t->sql('SELECT * FROM truust_status()');
	return;
}

my ($order) = $t->sql(q{SELECT id FROM truust_create_order(name => 'Watched', value => 1)});

# ---------------------------------------------------------------- now

$t->sim(POST => 'rules', { operation => '*', do => 'hang', times => 0 });
{
	my ($out, $err) = ('', '');
	local $ENV{PGAPPNAME} = 'caller';
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT status FROM truust_get_order($order)" ], '<', \undef, '>', \$out, '2>', \$err);
	delete $ENV{PGAPPNAME};
	my $event = $NAMED ? 'TruustHttp' : 'Extension';
	ok($t->wait_for(qq{EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'caller' AND wait_event_type = 'Extension' AND wait_event = '$event')}), 'a call that waits for the API says so');
	$t->sim(DELETE => 'rules');
	$session->finish;
	is($out, "DRAFT\n", 'and goes on');
}
$t->sim(POST => 'rules', { operation => 'acceptOrder', do => 'hang', times => 1 });
$t->sql(qq{SELECT truust_enqueue('accept_order', '{"order_id": $order}')});
activity('requests', 'sending requests', 'a worker says that it sends');
status('requests', q{state = 'working' AND pid IS NOT NULL AND backlog = 1 AND oldest_pending IS NOT NULL}, 'and truust_status() has what waits, and since when');
$read = -s $node->logfile;
$t->sim(DELETE => 'rules');
ok($t->settled, 'it ends');
logged(qr/LOG:  request \d+ \(accept_order of order $order\) was refused: .*/, 'the API refuses it: the log names request, operation, order and reason');
status('requests', q{state = 'idle' AND backlog = 0}, 'then it is idle');
$t->sim(POST => 'rules', { operation => 'getOrder', do => 'hang', times => 0 });
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "PUBLISHED"}}', 'order.published')});
activity('webhooks', 'asking the API about orders', 'a worker says that it asks the API');
$t->sim(DELETE => 'rules');
ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)'), 'it ends');
$t->sql(q{SELECT truust_pause('webhooks', 'a test'), truust_pause('requests', 'a test')});
status($_, q{state = 'paused'}, "$_ are paused") for 'webhooks', 'requests';
$t->sql(q{SELECT truust_resume('webhooks'), truust_resume('requests')});
is($t->sql(q{SELECT string_agg(backend_type, ', ' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'truust%'}),
	'truust launcher, truust requests, truust webhooks', 'each process by its name');

# ---------------------------------------------------------------- what needs a person

$read = -s $node->logfile;
$t->sql(q{SELECT truust_receive_webhook('poison', 'order.published')});
logged(qr/LOG:  webhook (\d+) is a dead letter: .*\n.*HINT:  Use truust_retry_webhook\(\1\) when its cause is gone, or truust_discard_webhook\(\1, reason\)\./, 'a body that cannot be read');
$t->sql(q{SELECT truust_receive_webhook('{"escrow": {"id": 123456, "status": "PUBLISHED"}}', 'order.published')});
logged(qr/LOG:  webhook \d+ of order 123456 is a dead letter: .*/, 'an order that nobody knows');
$t->sql(q{CREATE FUNCTION fail(e truust_event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'handler of order % fails', e.order_id; END $$;
	SELECT truust_on('*', 'fail(truust_event)')});
$t->sim(POST => "orders/$order/pay", { outcome => 'confirmed' });
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "PUBLISHED"}}', 'order.published')});
logged(qr/LOG:  webhook \d+ of order $order is a dead letter: .*handler of order $order fails/, 'a handler that fails');
my $dead = $t->sql("SELECT id FROM truust.dead_letters WHERE order_id = $order");
$t->sql("SELECT truust_discard_webhook($dead, 'seen')");
logged(qr/LOG:  webhook $dead of order $order was discarded by role "\S+"\n.*DETAIL:  Reason: seen/, 'who discarded it');

$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', do => 'drop', when => 'after', times => 1 });
my $request = $t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $order}')});
logged(qr/LOG:  request $request \(send_order_receipt of order $order\) is uncertain: .*\n.*HINT:  Look at Truust whether it happened: then truust_resolve_request\($request, response\)/, 'a request that is uncertain');
$t->sql("SELECT truust_resolve_request($request, NULL)");
logged(qr/LOG:  request $request was resolved by role "\S+"/, 'who resolved it');
$t->sql(q{CREATE FUNCTION fail(r truust.requests) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'cannot book %', r.id; END $$});
$request = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Unbooked", "value": 1}', on_done => 'fail(truust.requests)')});
logged(qr/LOG:  request $request \(create_order\) has ended, and what was to follow failed for good: cannot book $request.*\n.*HINT:  Use truust_retry_request\($request\)/, 'an on_done that fails');
status('requests', 'dead_letters = 1 AND uncertain_requests = 0', 'truust_status() counts them');
status('webhooks', 'dead_letters = 2', 'and dead letters');

# The API is away: lines that say so and what becomes of the work.
$t->kill_simulator;
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "ACCEPTED"}}', 'order.accepted')});
logged(qr/LOG:  looking at orders of server "truust" failed: .*\n.*DETAIL:  It is tried again in \d+ ms; nothing is lost meanwhile\./, 'the API is away');
$t->start_simulator;

# ---------------------------------------------------------------- counters

is($t->sql(q{SELECT count || ' ' || errors FROM truust.stats WHERE name = 'create_order' AND kind = 'operation'}), '2 0', 'truust.stats: calls, those of the worker too');
for my $name ('requests_done', 'requests_failed', 'requests_uncertain', 'events_dead', 'events_failed')
{
	ok($t->wait_for(qq{EXISTS (SELECT FROM truust.stats WHERE kind = 'counter' AND name = '$name' AND count > 0)}), "truust.stats: $name")
		or diag $t->sql('SELECT kind, name, count FROM truust.stats WHERE count > 0');
}
done_testing;
