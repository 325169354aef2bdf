# pg_upgrade: the cluster that it makes has all that the old one had, as the catalog and the rows say it, and waits for
# truust_resume(), because the old one is still there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Cwd ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'old', conf => "truust.webhook_trust = body\n");
my $old = $t->node;
my $bin = $t->sql(q{SELECT setting FROM pg_config WHERE name = 'BINDIR'});
my $catalog = slurp_file("$FindBin::RealBin/../upgrade/catalog.sql");

$t->sql(<<~'SQL');
	CREATE ROLE short_lived; CREATE ROLE shop; DROP ROLE short_lived; SELECT truust_grant('api', 'shop');
	GRANT USAGE ON FOREIGN SERVER truust TO shop; CREATE USER MAPPING FOR shop SERVER truust OPTIONS (secret_key 'sk_stage_of_the_shop');
	SET ROLE shop; SELECT truust_enqueue('create_order', '{"name": "of the shop", "value": 1}'); RESET ROLE;
	CREATE TABLE shop_orders (id serial PRIMARY KEY, title text, total numeric, truust_id bigint, payment_status text, payment_url text);
	SELECT truust_attach('shop_orders', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
	CREATE TABLE heard (order_id bigint, event text);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS 'INSERT INTO public.heard VALUES (e.order_id, e.event)';
	SELECT truust_on('*', 'hear(truust_event)');
	INSERT INTO shop_orders (title, total) VALUES ('before', 1);
	SQL
ok($t->settled && $t->wait_for(q{(SELECT bool_and(payment_status = 'DRAFT') FROM shop_orders)}), 'before: it works');
# one is being sent, one is queued, and a webhook waits, when the server is stopped
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'hang', when => 'after', times => 1 });
$t->sql(q{INSERT INTO shop_orders (title, total) VALUES ('under way', 2)});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'sending')}) && $t->wait_until(sub { $t->effects('createOrder') == 3 }), 'before: one is under way');
$t->sql(q{SELECT truust_pause('requests', 'a test'), truust_pause('webhooks', 'a test')});
$t->sql(q{INSERT INTO shop_orders (title, total) VALUES ('queued', 3);
	SELECT truust_receive_webhook(format('{"escrow": {"id": %s, "status": "PUBLISHED"}}', truust_id), 'order.published') FROM shop_orders WHERE title = 'before'});
$t->sql('DELETE FROM truust.pauses');	# what keeps the new one quiet is not this
$old->stop;
$t->sim(DELETE => 'rules');
$old->append_conf('postgresql.conf', 'truust.autostart = off');
$old->start;
my $rows = q{SELECT string_agg(r, E'\n' ORDER BY r) FROM (SELECT to_jsonb(q)::text FROM truust.requests q UNION ALL SELECT to_jsonb(w)::text FROM truust.webhooks w
	UNION ALL SELECT to_jsonb(o)::text FROM truust.orders o UNION ALL SELECT to_jsonb(e)::text FROM truust.events e UNION ALL SELECT to_jsonb(h)::text FROM truust.handlers h
	UNION ALL SELECT to_jsonb(a)::text FROM truust.attachments a) x (r)};
my %before = (catalog => $t->sql($catalog), rows => $t->sql($rows));
like($before{rows}, qr/"state": "sending".*/, 'before: what the server was stopped at');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', slurp_file($old->data_dir . '/postgresql.conf') =~ s/^(?:port|unix_socket_directories|listen_addresses|truust\.autostart).*\n//gmr);
{
	my $here = Cwd::getcwd();
	my %dir = map { $_->name => Cwd::abs_path($_->data_dir) } $old, $new;

	# it writes into the directory where it is
	chdir $new->basedir or die;
	command_ok([ 'pg_upgrade', '-b', $bin, '-B', $bin, '-d', $dir{old}, '-D', $dir{new}, '-p', $old->port, '-P', $new->port, '-s', $new->host ], 'pg_upgrade');
	chdir $here or die;
}
$new->start;
$t->{node} = $new;

my %facts = map { $_ => 1 } split /\n/, $t->sql($catalog);
my @missing = grep { !delete $facts{$_} } split /\n/, $before{catalog};
is(join("\n", splice(@missing, 0, 5), splice(@{ [ sort keys %facts ] }, 0, 5)), '', 'after: the same extension');
is($t->sql($rows), $before{rows}, 'after: the same rows');
is($t->sql(q{SELECT count(*) FROM truust.requests r JOIN pg_roles a ON a.oid = r.role_oid WHERE a.rolname = 'shop' AND r.role = 'shop'}), 1, 'after: which belong to the same roles');
ok($t->wait_for(q{(SELECT count(*) = 2 AND bool_and(state = 'restored') FROM truust_status() WHERE database = 'postgres')}), 'after: it waits for truust_resume()');
is($t->effects('createOrder'), 3, 'after: and sends nothing');
$t->sql(q{SELECT truust_resume('requests'), truust_resume('webhooks')});
ok($t->settled && $t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)'), 'after: then all is done');
is($t->sql(q{SELECT string_agg(title || ' ' || payment_status, ', ' ORDER BY id) FROM shop_orders}), 'before PUBLISHED, under way DRAFT, queued DRAFT', 'after: attached rows have theirs');
is($t->effects('createOrder'), 4, 'after: and nothing was sent twice');
is($t->sql(q{SELECT count(*) FROM heard WHERE event = 'order.published'}), 1, 'after: handlers run');

done_testing;
