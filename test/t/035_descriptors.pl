# A server that may open few files: what wants many connections at once makes do with those that there are.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'descriptors', conf => <<~CONF);
	max_files_per_process = 120
	truust.max_in_flight = 250
	truust.max_connections = 64
	CONF
my $node = $t->node;

$t->sim(POST => 'settings', { delay_ms => 100 });
$t->sql(q{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', 'Order ' || i, 'value', i))) FROM generate_series(1, 300) i});
ok($t->settled, 'more requests than there can be connections: all end');
is($t->effects('createOrder'), 300, 'and each took effect once');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE attempts > 1 OR state <> 'done'}), 0, 'at the first attempt');
is($t->sql(q{SELECT count(id) FROM truust_get_orders((SELECT array_agg(id) FROM truust.orders))}), 300, 'many orders at once');

$t->sql(q{ALTER SYSTEM SET truust.webhook_trust = 'fetch'});
$t->sql('SELECT pg_reload_conf()');
$t->sql(q{SELECT count(truust_receive_webhook(format('{"escrow": {"id": %s}}', id), 'order.updated')) FROM truust.orders});
ok($node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM truust.webhooks)'), 'webhooks of many orders, which the worker asks about');
is($t->sql(q{SELECT count(*) FROM truust.orders WHERE looked_at IS NULL}), 0, 'all of them were asked about');
unlike(slurp_file($node->logfile), qr/too many open files/, 'and nobody ran out of files');

$node->stop;
done_testing;
