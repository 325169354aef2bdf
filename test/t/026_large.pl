# A backlog of large bodies: the worker's memory is bounded by bytes and not by rows, and all of it is applied.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

use constant BODIES => 300;
use constant LIMIT_KB => 250 * 1024;    # less than the bodies alone

my $t = TruustOutbox->new(name => 'large', conf => <<~CONF);
	truust.webhook_trust = body
	truust.sync_interval = 0
	truust.naptime = 1h
	shared_buffers = 32MB
	CONF

# Each as large as may be, and small ones among them.
$t->sql(q{SELECT truust_pause('webhooks')});
$t->sql(sprintf q{INSERT INTO truust.webhooks (event, body) SELECT 'order.published', convert_to(format(
	'{"escrow": {"id": %%s, "status": "PUBLISHED", "name": "%%s"}}', i, CASE WHEN i %% 10 <> 0 THEN repeat('x', 1000000) ELSE 'small' END), 'UTF8')
	FROM generate_series(1, %d) i}, BODIES);
my $pid = $t->sql(q{SELECT pid FROM truust_status() WHERE worker = 'webhooks'});

# The most that a process ever had, in kB.
sub peak
{
	return slurp_file("/proc/$pid/status") =~ /^VmHWM:\s*(\d+)/m ? $1 : die 'no VmHWM';
}

$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.webhooks)}), 'without a nap, all are dealt with');
is($t->sql(q{SELECT count(*) FROM truust.orders WHERE status = 'PUBLISHED'}), BODIES, 'and applied');
is($t->sql(q{SELECT string_agg(order_id::text, ',' ORDER BY id) = string_agg(order_id::text, ',' ORDER BY order_id) FROM truust.events}), 't',
	'in the order of their arrival');
is($t->sql(q{SELECT pid FROM truust_status() WHERE worker = 'webhooks'}), $pid, 'by one process');
cmp_ok(peak(), '<', LIMIT_KB, 'whose memory did not grow with the backlog');

$t->node->stop;
done_testing;
