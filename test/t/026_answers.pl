# What counts as the API's word about an order, and whose trouble a failure is: answers that come from something in between,
# orders whose role has no key, a server that is away and nothing left to ask it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TruustOutbox;

# No nap ends before the test does: what happens, happens because something was waited for.
my $t = TruustOutbox->new(name => 'answers', conf => <<~CONF);
	truust.webhook_trust = fetch
	truust.sync_interval = 0
	truust.naptime = 1h
	truust.max_attempts = 1000
	CONF
my $node = $t->node;
my $EMPTY = 'NOT EXISTS (SELECT FROM truust.webhooks)';

sub orders
{
	my ($count, $status) = @_;
	return $t->sim(POST => 'orders/bulk', { count => $count, status => $status })->{first_id};
}

sub move { return $t->sim(POST => "orders/$_[0]/status", { status => $_[1] }) }
sub rule { return $t->sim(POST => 'rules', { times => 0, @_ }) }
sub no_rules { return $t->sim(DELETE => 'rules') }

sub webhook
{
	my ($id, $status, $more, $server) = @_;
	$more //= '';
	$server = $server ? "'$server'" : 'NULL';
	return $t->sql(qq{INSERT INTO truust.webhooks (server, body) VALUES ($server, '{"escrow": {"id": $id, "status": "$status"}$more}')});
}

sub status { return $t->sql("SELECT status FROM truust.orders WHERE id = $_[0]") }
sub outcomes { return $t->sql("SELECT string_agg(event || ' ' || outcome, ', ' ORDER BY id) FROM truust.events WHERE order_id = $_[0]") }
sub last_error { return $t->sql(q{SELECT last_error FROM truust_status() WHERE worker = 'webhooks'}) }

# ---------------------------------------------------------------- answers that are not the API's

my $id = orders(1, 'RELEASED');
webhook($id, 'RELEASED');
ok($t->wait_for($EMPTY), 'an order is released');
for my $case (
	[ 'a gateway that is down for maintenance', { do => 'garbage', body => '{"status":"maintenance","message":"back soon"}' } ],
	[ 'another order', { do => 'garbage', body => '{"data":{"id":' . ($id + 1) . ',"status":"PUBLISHED"}}' } ],
	[ 'an order without a status', { do => 'garbage', body => "{\"data\":{\"id\":$id}}" } ],
	[ 'an order with an empty status', { do => 'garbage', body => "{\"data\":{\"id\":\"$id\",\"status\":\"\"}}" } ],
	[ 'a list', { do => 'garbage', body => '[]' } ],
	[ 'a text', { do => 'garbage', body => '"back soon"' } ],
	[ 'nothing', { do => 'garbage', body => '{"data":null}' } ],
	[ 'a page that is not there', { do => 'status', status => 404, body => '<html>Not Found</html>' } ],
	[ 'an empty 404', { do => 'status', status => 404, body => '' } ])
{
	my ($name, $rule) = @$case;
	my $asked = $t->calls('getOrder');

	rule(operation => 'getOrder', %$rule);
	webhook($id, 'CANCELLED');
	ok($t->wait_until(sub { $t->calls('getOrder') > $asked && (last_error() // '') =~ /left alone for \d+ ms: (?:HTTP status|the answer is not a resource)/ }), "$name: no answer, and the server is left alone")
	  or diag last_error();
	is($t->sql('SELECT count(*), sum(attempts) FROM truust.webhooks WHERE state = ' . q{'new'}), '1|0', "$name: the webhook waits");
	is(status($id), 'RELEASED', "$name: the order is where it was");
	no_rules();
	ok($t->wait_for($EMPTY), "$name: applied when it is over");
	is(status($id), 'RELEASED', "$name: as the API says");
	unlike(last_error() // '', qr/null/, "$name: no error without words");
}
unlike(outcomes($id), qr/maintenance/, 'nothing of it is in the history');
$t->sim(POST => 'settings', { ids_as_string => JSON::PP::true() });
$id = orders(1, 'PUBLISHED');
webhook($id, 'PUBLISHED');
ok($t->wait_for($EMPTY), 'an id as a string is an id');
is(status($id), 'PUBLISHED', 'of this order');
$t->sim(POST => 'settings', { ids_as_string => JSON::PP::false() });
webhook(999_999_999, 'RELEASED');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters WHERE reason ~ 'does not know order')}), "the API's own 404 is its word");
$t->sql(q{SELECT truust_discard_webhook(id, 'a test') FROM truust.dead_letters});

# The same of what belongs to an order.
$id = $t->sql(q{SELECT id FROM truust_create_order(name => 'Paid', value => 1)});
$t->sim(POST => "orders/$id/pay", { outcome => 'confirmed' });
my $payin = $t->sim(GET => 'rows?kind=payins')->{rows}[-1]{id};
my $name = 'a payin';
for my $body ('<html>', '{"status":"maintenance"}', "{\"data\":{\"id\":$payin,\"status\":\"CONFIRMED\",\"escrow_id\":1}}")
{
	rule(operation => 'getOrderPayin', $body eq '<html>' ? (do => 'status', status => 404) : (do => 'garbage'), body => $body);
	$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $id}, "payin": {"id": $payin, "status": "CONFIRMED"}}', 'payin.confirmed')});
	ok($t->wait_for('EXISTS (SELECT FROM truust.webhooks WHERE error IS NOT NULL)'), "$name: what is not its answer is none");
	is($t->sql(qq{SELECT count(*) FROM truust.events WHERE event = 'payin.confirmed' AND order_id = $id}), 0, "$name: nothing is made of it");
	no_rules();
	ok($t->wait_for($EMPTY), "$name: the event waits for it");
	is($t->sql(qq{SELECT string_agg(outcome, ' ') FROM truust.events WHERE event = 'payin.confirmed' AND order_id = $id}), 'applied', "$name: and is applied");
	$t->sql("DELETE FROM truust.events WHERE event = 'payin.confirmed'; UPDATE truust.orders SET digests = '' WHERE id = $id");
}

# truust_sync_orders() takes nothing else either.
$t->sql("UPDATE truust.orders SET noted_at = now() - interval '3 days'");
my $unfinished = $t->sql(q{SELECT min(id) FROM truust.orders WHERE NOT finished});
for my $case (
	[ '08P01', operation => 'getOrder', do => 'garbage', body => '{"status":"maintenance"}' ],
	[ '08P01', operation => 'getOrder', do => 'garbage', body => '{"data":{"id":1,"status":"DRAFT"}}' ],
	[ '08P01', operation => 'listOrders', do => 'garbage', body => '{"data":[{"status":"maintenance"}]}' ],
	[ 'P0002', operation => 'getOrder', do => 'status', status => 404, body => '<html>' ])
{
	my ($code, %rule) = @$case;
	rule(%rule);
	like($t->error(q{SELECT * FROM truust_sync_orders(now() + interval '2 days')}), qr/ERROR:  $code/, "truust_sync_orders(): $rule{operation} $rule{body}");
	no_rules();
}
is($t->sql('SELECT count(*) FROM truust.webhooks'), 0, 'and leaves nothing');

# ---------------------------------------------------------------- what happens again

$t->sim(POST => 'settings', { auto_release_ms => -1 });
$id = orders(1, 'PENDING_RELEASE');
for my $status ('PENDING_RELEASE', 'BLOCKED_RELEASE', 'PENDING_RELEASE', 'BLOCKED_RELEASE')
{
	move($id, $status);
	webhook($id, $status);
	ok($t->wait_for("$EMPTY AND EXISTS (SELECT FROM truust.orders WHERE id = $id AND status = '$status')"), "an order is $status");
}
is(outcomes($id), join(', ', map { "order.${_}_release applied" } qw(pending blocked pending blocked)), 'as often as it happens');
webhook($id, 'PENDING_RELEASE');
webhook($id, 'BLOCKED_RELEASE');
ok($t->wait_for($EMPTY), 'copies that come late');
is(status($id), 'BLOCKED_RELEASE', 'are known as such');
is(outcomes($id), join(', ', map { "order.${_}_release applied" } qw(pending blocked pending blocked)), 'and leave nothing');

# ---------------------------------------------------------------- a body with many events

$t->sim(DELETE => 'requests');
$t->sql(q{SELECT truust_receive_webhook('[' || string_agg(format('{"escrow": {"id": %s}, "payin": {}}', i), ',') || ']') FROM generate_series(1, 5000) i});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters WHERE reason ~ 'array of 5000 events')}), 'a body with thousands of events is a dead letter');
is($t->sim(GET => 'requests/count')->{count}, 0, 'the API hears nothing of it');
$t->sql(q{SELECT truust_discard_webhook(id, 'a test') FROM truust.dead_letters});

# ---------------------------------------------------------------- the trouble of one role

my $url = $t->url;
$t->sql(<<~SQL);
	CREATE ROLE owns; CREATE ROLE has_key; CREATE ROLE lost_key; CREATE ROLE old_key;
	GRANT USAGE ON FOREIGN DATA WRAPPER truust TO owns;
	CREATE SERVER theirs FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url '$url');
	GRANT USAGE ON FOREIGN SERVER theirs, truust TO has_key, lost_key, old_key;
	CREATE USER MAPPING FOR has_key SERVER theirs OPTIONS (secret_key 'sk_stage_of_has_key');
	CREATE USER MAPPING FOR old_key SERVER theirs OPTIONS (secret_key 'sk_stage_of_old_key');
	CREATE USER MAPPING FOR lost_key SERVER theirs OPTIONS (secret_key_file '/nowhere/key');
	CREATE USER MAPPING FOR lost_key SERVER truust OPTIONS (secret_key_file '/nowhere/key');
	ALTER SERVER theirs OWNER TO owns;
	SQL
my $first = orders(6, 'PUBLISHED');
my @orders = $first .. $first + 5;
my @roles = ('has_key', 'lost_key', 'old_key', 'has_key', 'old_key');
$t->sql(qq{INSERT INTO truust.orders (id, server, role, status, status_at) VALUES ($orders[$_], 'theirs', '$roles[$_]', 'DRAFT', now())}) for 0 .. $#roles;
rule(operation => 'getOrder', path => "/orders/$orders[2]", do => 'status', status => 401);
$t->sql(q{SELECT truust_pause('webhooks')});
webhook($_, 'PUBLISHED', '', 'theirs') for reverse @orders;
$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for("(SELECT count(*) = 2 FROM truust.orders WHERE id IN ($orders[0], $orders[3]) AND status = 'PUBLISHED')"),
	'a role without a key and one whose key is refused are in nobody else\'s way');
is($t->sql('SELECT count(*), sum(attempts) FROM truust.webhooks WHERE state <> ' . q{'dead'} . " AND order_id IN ($orders[1], $orders[2])"), '2|0', 'their own orders wait');
like($t->sql("SELECT string_agg(order_id::text, ',' ORDER BY order_id) FROM truust.webhooks"), qr/$orders[5]$/, 'and so does one of nobody, as nobody\'s key is there for it');
like(slurp_file($node->logfile), qr/looking at orders of server "theirs" with the key of role "old_key" failed: HTTP status 401/, 'the log says whose key it is');
webhook($orders[0], 'PUBLISHED', ', "payin": {}', 'theirs');
ok($t->wait_for("NOT EXISTS (SELECT FROM truust.webhooks WHERE order_id = $orders[0])"), 'the others go on');
no_rules();
$t->sql(q{ALTER USER MAPPING FOR lost_key SERVER theirs OPTIONS (DROP secret_key_file, ADD secret_key 'sk_stage_of_lost_key')});
$t->sql(q{CREATE USER MAPPING FOR owns SERVER theirs OPTIONS (secret_key 'sk_stage_of_owns')});
ok($t->wait_for($EMPTY), 'and theirs when they have a key');
is($t->sql("SELECT count(*) FROM truust.orders WHERE id BETWEEN $orders[0] AND $orders[5] AND status = 'PUBLISHED'"), 6, 'all as the API says');

# Where the server's owner has a key it is as good.
$id = orders(1, 'PUBLISHED');
$t->sql(qq{INSERT INTO truust.orders (id, server, role, status, status_at) VALUES ($id, 'truust', 'lost_key', 'DRAFT', now())});
webhook($id, 'PUBLISHED');
ok($t->wait_for($EMPTY), "an order whose role has lost its key is looked at with the key of the server's owner");
is(status($id), 'PUBLISHED', 'which is of the same account');

# A backlog that is due and waits for a key stands before nobody.
$t->sql(qq{CREATE ROLE poor; CREATE ROLE rich; CREATE ROLE keeper;
	CREATE SERVER shared FOREIGN DATA WRAPPER truust OPTIONS (base_url '$url');
	ALTER SERVER shared OWNER TO keeper; GRANT USAGE ON FOREIGN SERVER shared TO poor, rich;
	CREATE USER MAPPING FOR poor SERVER shared OPTIONS (secret_key 'sk_stage_of_poor');
	CREATE USER MAPPING FOR rich SERVER shared OPTIONS (secret_key 'sk_stage_of_a_made_up_account')});
$id = orders(4, 'PUBLISHED');
rule(operation => 'getOrder', path => "/orders/" . ($id + $_), do => 'status', status => 401) for 0 .. 2;
$t->sql('ALTER SYSTEM SET truust.batch_size = 2');
$t->sql('SELECT pg_reload_conf()');
$t->sql(qq{SELECT truust_pause('webhooks', 'a test');
	INSERT INTO truust.orders (id, server, role, status, status_at) SELECT $id + i, 'shared', CASE i WHEN 3 THEN 'rich' ELSE 'poor' END, 'DRAFT', now() FROM generate_series(0, 3) i;
	INSERT INTO truust.webhooks (server, order_id, state, attempts, next_attempt_at, body)
		SELECT 'shared', $id + i, 'retry', 1, now() - interval '1 hour', convert_to(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', $id + i), 'UTF8') FROM generate_series(0, 3) i;
	SELECT truust_resume('webhooks')});
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $id + 3 AND status = 'PUBLISHED')"), 'what is due and has a key goes past what has none');
is($t->sql("SELECT count(*), max(attempts) FROM truust.webhooks WHERE order_id BETWEEN $id AND $id + 2"), '3|1', 'which waits');
no_rules();
$t->sql('TRUNCATE truust.webhooks');
$t->sql('ALTER SYSTEM RESET truust.batch_size');
$t->sql('SELECT pg_reload_conf()');

# An order's event does not depend on what the API says of a payment that the body speaks of.
for my $none ('[]', '{}', '{"data":[]}', '{"data":null}', '{"data":{"id":5,"status":"CONFIRMED","escrow_id":4}}')
{
	$id = orders(1, 'PUBLISHED');
	rule(operation => 'getOrderPayin', do => 'status', status => 200, body => $none);
	webhook($id, 'PUBLISHED', ', "payin": {"id": 5, "status": "CONFIRMED"}');
	ok($t->wait_for($EMPTY), "$none instead of a payin") or diag last_error();
	is(status($id), 'PUBLISHED', '... the order is where the API has it');
	no_rules();
}

for my $case ([ 403, '{"message":"No."}', 'is refused' ], [ 422, '{"message":"No."}', 'is refused' ])
{
	my ($status, $body, $name) = @$case;

	$id = orders(1, 'PUBLISHED');
	rule(operation => 'getOrderPayin', do => 'status', status => $status, body => $body);
	webhook($id, 'PUBLISHED', ', "payin": {"id": 5, "status": "CONFIRMED"}');
	ok($t->wait_for("$EMPTY OR EXISTS (SELECT FROM truust.webhooks WHERE attempts > 0)"), "a payin that $name ($status)");
	is(status($id), 'PUBLISHED', '... the order is where the API has it');
	no_rules();
	$t->sql('TRUNCATE truust.webhooks');
}

# ---------------------------------------------------------------- a body of two orders, one of which cannot be looked at

$id = orders(2, 'PUBLISHED');
move($_, 'ACCEPTED') for $id, $id + 1;
rule(operation => 'getOrder', path => '/orders/' . ($id + 1), do => 'status', status => 403);
$t->sql("SELECT truust_pause('webhooks')");
$t->sql(sprintf q{INSERT INTO truust.webhooks (body) VALUES ('[{"escrow": {"id": %d, "status": "PUBLISHED"}}, {"escrow": {"id": %d, "status": "PUBLISHED"}}]')}, $id, $id + 1);
webhook($id, 'ACCEPTED');
$t->sql("SELECT truust_resume('webhooks')");
ok($t->wait_for('EXISTS (SELECT FROM truust.webhooks WHERE attempts > 0)'), 'a body of two orders, one of which cannot be looked at');
is($t->sql("SELECT string_agg(state || ' ' || attempts::bool, ', ' ORDER BY id) FROM truust.webhooks"), 'retry true, retry false', '... waits, and an event of the other order behind it');
no_rules();
ok($t->wait_for($EMPTY), '... until it can be');
is(outcomes($id), 'order.published applied, order.accepted applied', '... and in their order they are applied');

# ---------------------------------------------------------------- a server that is there and says nothing

$t->sql(qq{CREATE SERVER silent FOREIGN DATA WRAPPER truust OPTIONS (base_url '$url', request_timeout '1000');
	CREATE USER MAPPING FOR CURRENT_USER SERVER silent OPTIONS (secret_key 'sk_stage_of_another_account')});
$first = orders(40, 'PUBLISHED');
my $silence = 'looking at orders of server "silent" failed';
rule(operation => 'getOrder', path => "/orders/" . ($first + $_), do => 'hang') for 0 .. 9;
webhook($first + $_, 'PUBLISHED', '', 'silent') for 0 .. 9;
ok($t->wait_until(sub { slurp_file($node->logfile) =~ /$silence/ }), 'a server does not answer');
# From now on each request would take longer than this test.
$t->sql(q{ALTER SERVER silent OPTIONS (SET request_timeout '3600000')});
my $said = () = slurp_file($node->logfile) =~ /$silence/g;
my $asked = $t->calls('getOrder');
ok($t->wait_until(sub { $t->calls('getOrder') > $asked }), 'it is asked again');
for my $i (10 .. 19)
{
	webhook($first + $i, 'PUBLISHED');
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $first + $i)"), 'and meanwhile others are looked at');
}
is($t->sql(q{SELECT count(*), sum(attempts) FROM truust.webhooks WHERE server = 'silent'}), '10|0', 'its webhooks wait');
no_rules();
ok($t->wait_for($EMPTY), 'when it answers, they are applied');
is($t->sql(q{SELECT count(*) FROM truust.orders WHERE server = 'silent' AND status = 'PUBLISHED'}), 10, 'as it says');

# One order that it cannot show does not make it silent.
$t->sql(q{ALTER SERVER silent OPTIONS (SET request_timeout '1000')});
rule(operation => 'getOrder', do => 'hang');
webhook($first + $_, 'PUBLISHED', '', 'silent') for 20 .. 29;
$said = () = slurp_file($node->logfile) =~ /$silence/g;
ok($t->wait_until(sub { (() = slurp_file($node->logfile) =~ /$silence/g) > $said }), 'it does not answer again');
no_rules();
rule(operation => 'getOrder', path => "/orders/" . ($first + $_), do => 'status', status => 500) for 20 .. 28;
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $first + 29)"), 'it answers, with errors for nearly all of its orders');
no_rules();
ok($t->wait_for($EMPTY), 'and then for all');

# ---------------------------------------------------------------- nothing to do

$t->sql(q{CREATE SERVER nowhere FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://127.0.0.1:1/2.0', connect_timeout '500');
	CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (secret_key 'sk_stage_x')});
webhook(1, 'PUBLISHED', '', 'nowhere');
ok($t->wait_until(sub { (last_error() // '') =~ /server "nowhere" is left alone/ }), 'a server is away');
$t->sql(q{SELECT truust_discard_webhook(id, 'a test') FROM truust.webhooks});
sleep 1.5;
my $commits = q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'};
my $before = $t->sql($commits);
sleep 3;
cmp_ok($t->sql($commits) - $before, '<', 20, 'with nothing to ask it the worker rests when its pause is over');

# A backlog of a server that is away is not read again and again, and is in nobody's way.
$t->sql(q{INSERT INTO truust.webhooks (server, body) SELECT 'nowhere', convert_to(format('{"escrow": {"id": %s}}', i), 'UTF8') FROM generate_series(1, 3000) i});
ok($t->wait_until(sub { (last_error() // '') =~ /server "nowhere" is left alone for (\d+) ms/ && $1 > 6000 }), 'a server is away for longer') or diag last_error();
sleep 1;
my $batches = q{SELECT count FROM truust.stats WHERE name = 'batches'};
$before = $t->sql($batches);
sleep 2;
is($t->sql($batches) - $before, 0, 'its backlog is left alone meanwhile');
$id = orders(1, 'PUBLISHED');
webhook($id, 'PUBLISHED');
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $id)"), 'others go on');
cmp_ok($t->sql($batches) - $before, '<=', 2, 'without a look at it');
$t->sql("ALTER SERVER nowhere OPTIONS (SET base_url '$url')");
is($t->sql('SELECT count(*) FROM truust.webhooks'), 3000, 'nothing is lost');

$node->stop;
done_testing;
