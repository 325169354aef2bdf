# Orders without news: the worker looks at them by itself (truust.sync_interval), and what webhooks missed is applied like one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'sync', conf => "truust.sync_interval = 1s\n");
my $node = $t->node;

$t->sql(<<~'SQL');
	CREATE TABLE heard (order_id bigint, event text, source text, status text);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS 'INSERT INTO public.heard VALUES (e.order_id, e.event, e.source, e.status)';
	SELECT truust_on('*', 'hear(truust_event)');
	SQL

# How often the API was asked about an order.
sub about
{
	my ($order) = @_;
	return scalar grep { $_->{path} =~ m{/orders/$order$} && $_->{method} eq 'GET' } @{ $t->sim(GET => 'requests')->{requests} };
}

sub make { return $t->sql(qq{SELECT id FROM truust_create_order(name => '$_[0]', value => 1)}) }

# An order is paid, and no webhook says so.
my $paid = make('Paid');
my $still = make('Still');
$t->sim(POST => "orders/$paid/pay", { outcome => 'confirmed' });
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $paid AND status = 'PUBLISHED')"), 'what a webhook missed is found');
is($t->sql("SELECT string_agg(event || ' ' || source || ' ' || status, ', ') FROM heard WHERE order_id = $paid"), 'order.published sync PUBLISHED', 'and handled, once');
is($t->sql("SELECT string_agg(status || ' ' || outcome || ' ' || source, ', ' ORDER BY id) FROM truust.events WHERE order_id = $paid"),
	'DRAFT applied call, PUBLISHED applied sync', 'and in the history');
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $still AND looked_at IS NOT NULL)"), 'one that has no news is looked at too');
is($t->sql("SELECT count(*) FROM truust.events WHERE order_id = $still"), 1, 'which leaves nothing');

# A webhook that comes late adds nothing.
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $paid, "status": "PUBLISHED"}}', 'order.published')});
ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)'), 'the webhook comes late');
is($t->sql("SELECT count(*) FROM heard WHERE order_id = $paid AND event = 'order.published'"), 1, 'and is known');

# The API is away meanwhile, and then not.
$t->sim(POST => 'rules', { operation => 'getOrder', do => 'status', status => 503, times => 0 });
my $later = make('Later');
$t->sim(POST => "orders/$later/pay", { outcome => 'confirmed' });
my $calls = $t->calls('getOrder');
ok($t->wait_until(sub { $t->calls('getOrder') > $calls }), 'the API is away');
is($t->sql("SELECT status FROM truust.orders WHERE id = $later"), 'DRAFT', 'nothing is made of that');
$t->sim(DELETE => 'rules');
$t->sql("UPDATE truust.orders SET watch_from = now() - interval '1 hour' WHERE id = $later");
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $later AND status = 'PUBLISHED')"), 'and when it is back, what was missed is found');

# One that the API does not know (any more) stays as it is, and the others go on.
$t->sql(q{INSERT INTO truust.orders (id, server, status, status_at, watch_from) VALUES (424242, 'truust', 'PUBLISHED', now() - interval '1 day', now() - interval '1 day')});
my $last = make('Last');
$t->sim(POST => "orders/$last/pay", { outcome => 'confirmed' });
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $last AND status = 'PUBLISHED')"), 'one that the API does not know keeps no other from being found');
is($t->sql('SELECT status FROM truust.orders WHERE id = 424242'), 'PUBLISHED', 'and stays as it was');

# Webhooks do not wait for all orders that are overdue, where the API is slow.
my $bulk = $t->sim(POST => 'orders/bulk', { count => 80, status => 'ACCEPTED' });
$t->sim(POST => 'rules', { operation => 'getOrder', do => 'delay', ms => 400, times => 0 });
$t->sim(DELETE => 'requests');
$t->sql(qq{INSERT INTO truust.orders (id, server, status, status_at, watch_from)
	SELECT i, 'truust', 'DRAFT', now() - interval '1 day', now() - interval '1 day' FROM generate_series($bulk->{first_id}, $bulk->{last_id} - 1) i});
my $overdue = "SELECT count(*) FROM truust.orders WHERE id BETWEEN $bulk->{first_id} AND $bulk->{last_id} - 1 AND looked_at IS NULL";
ok($t->wait_until(sub { $t->calls('getOrder') > 8 && $t->sql($overdue) > 0 }), 'many orders are overdue, and the API is slow');
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $bulk->{last_id}, "status": "ACCEPTED"}}', 'order.accepted')});
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $bulk->{last_id})"), '... a webhook is applied');
cmp_ok($t->sql($overdue), '>', 0, '... before all of them are looked at');
$t->sim(DELETE => 'rules');
ok($t->wait_for("($overdue) = 0"), '... which they are in the end');

# A server that is away is asked once and left alone, however many orders are overdue there.
$t->sql(<<~'SQL');
	CREATE SERVER nowhere FOREIGN DATA WRAPPER truust OPTIONS (base_url 'http://127.0.0.1:1/2.0', connect_timeout '500');
	CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (secret_key 'sk_stage_x');
	INSERT INTO truust.orders (id, server, status, status_at, watch_from)
		SELECT i, 'nowhere', 'PUBLISHED', now() - interval '1 day', now() - interval '1 day' FROM generate_series(1, 2000) i;
	SQL
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.orders WHERE server = 'nowhere' AND watch_from < now() - interval '1 hour')}), 'many orders of a server that is away');
my $tries = () = slurp_file($node->logfile) =~ /looking at orders of server "nowhere" failed/g;
cmp_ok($tries, '<=', 3, '... it is left alone when it does not answer');
$t->sql(q{DELETE FROM truust.orders WHERE server = 'nowhere'});

# One that a session holds waits, is not asked about meanwhile, and keeps no other from being found.
my ($held, $free) = map { make($_) } 'Held', 'Found';
$t->sim(POST => "orders/$_/pay", { outcome => 'confirmed' }) for $held, $free;
{
	my $holder = $node->background_psql('postgres');

	$holder->query_safe("BEGIN; SELECT FROM truust.orders WHERE id = $held FOR NO KEY UPDATE; "
		. "SELECT pg_advisory_lock(1)");
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $free AND status = 'PUBLISHED')"), 'an order that somebody holds keeps no other from being found');
	my ($asked, $others) = (about($held), about($free));
	$t->sql("UPDATE truust.orders SET watch_from = now() - interval '1 hour' WHERE id = $free");
	ok($t->wait_until(sub { about($free) > $others }), 'others are looked at again');
	is(about($held), $asked, '... and it is not, meanwhile');
	unlike($t->sql(q{SELECT last_error FROM truust_status() WHERE worker = 'webhooks'}), qr/lock timeout/, '... which is no error');
	$holder->quit;
}
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $held AND status = 'PUBLISHED')"), 'then it is found as well');

# What truust_sync_orders() lists goes over many pages; an order that was created before is looked at by itself.
$t->sql('ALTER SYSTEM SET truust.sync_interval = 0');
$t->sql('SELECT pg_reload_conf()');
$t->sim(POST => 'orders/bulk', { count => 450, status => 'PUBLISHED' });
my ($found, $warned);
$node->psql('postgres', q{SELECT count(*) >= 450 FROM truust_sync_orders(now() - interval '1 hour')}, stdout => \$found, stderr => \$warned);
is($found, 't', 'truust_sync_orders(): all pages of the list');
like($warned, qr/WARNING:  server "truust" knows no order 424242/, 'truust_sync_orders(): an order that is not there is said, and keeps no other from being found');
ok($t->wait_for(q{(SELECT count(*) FROM truust.orders WHERE status = 'PUBLISHED' AND id <> 424242) = 455}), 'and each is noted');
$t->sql("UPDATE truust.orders SET noted_at = now() - interval '3 days' WHERE id = $still");
$t->sim(POST => "orders/$still/pay", { outcome => 'confirmed' });
$t->sql(q{SELECT count(*) FROM truust_sync_orders(now())});
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $still AND status = 'PUBLISHED')"), 'truust_sync_orders(): unfinished orders that the list does not have');

# The list begins early enough, whatever the session's time zone.
for my $zone ('Pacific/Kiritimati', 'UTC', 'Pacific/Pago_Pago')
{
	$t->sim(DELETE => 'requests');
	$t->sql(qq{SET timezone = '$zone'; SELECT count(*) FROM truust_sync_orders('2026-03-10 12:00:00+00')});
	my @lists = grep { $_->{operation} eq 'listOrders' } @{ $t->sim(GET => 'requests')->{requests} };
	like($lists[0]{query}, qr/date_begin=2026-03-09/, "the day that truust_sync_orders() begins at, in $zone");
}

done_testing;
