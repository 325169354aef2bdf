# ALTER EXTENSION truust UPDATE: each older version (test/upgrade/truust--VERSION.sql, as it was released), with data in every
# table and with its workers running, becomes what a new installation is, object by object, and loses and repeats nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use File::Copy ();
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $UPGRADE = "$FindBin::RealBin/../upgrade";
my ($CURRENT) = slurp_file("$FindBin::RealBin/../../truust.control") =~ /^default_version = '(.*)'/m;
my @old = sort map { /truust--(.*)\.sql$/ } glob "$UPGRADE/truust--*.sql";

my $t = TruustOutbox->new(name => 'upgrade', bare => 1, conf => <<~CONF);
	truust.webhook_trust = body
	truust.max_attempts = 1
	CONF
my $node = $t->node;

# where this server looks for extensions
my $extensions = $t->sql(q{SELECT setting FROM pg_config WHERE name = 'SHAREDIR'}) . '/extension';
File::Copy::copy("$UPGRADE/truust--$_.sql", "$extensions/truust--$_.sql") or die "truust--$_.sql cannot be installed in $extensions: $!" for @old;

# The roles are the cluster's; what they are granted is each database's.
$t->sql('CREATE ROLE shop');
$t->sql("CREATE ROLE only_$_") for qw(api intake read operate);

sub grant_all
{
	my ($database) = @_;
	$t->sql("SELECT truust_grant('$_', 'only_$_')", database => $database) for qw(api intake read operate);
	return;
}

sub catalog
{
	my ($database, $change) = @_;
	my $sql = slurp_file("$UPGRADE/catalog.sql");
	my ($out, $err) = ('', '');

	$sql = "BEGIN;\n$change;\n$sql\nROLLBACK;\n" if $change;
	$node->psql($database, $sql, stdout => \$out, stderr => \$err, extra_params => ['-q'], on_error_die => 1);
	return { map { $_ => 1 } split /\n/, $out };
}

# Lines of one catalog that the other has not.
sub differences
{
	my ($is, $should) = @_;
	return (map({ "has     $_" } grep { !$should->{$_} } sort keys %$is), map({ "has not $_" } grep { !$is->{$_} } sort keys %$should));
}

# The extension's tables, each with its columns.
sub columns
{
	my ($database) = @_;
	return { map { split /\|/ } split /\n/, $t->sql(q{SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'truust'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1}, database => $database) };
}

# All rows of tables of the extension, by table.
sub rows
{
	my ($database, $columns) = @_;
	return { map { $_ => $t->sql("SELECT to_jsonb(t) FROM (SELECT $columns->{$_} FROM truust.$_) t ORDER BY to_jsonb(t)::text", database => $database) } keys %$columns };
}

# ---------------------------------------------------------------- the comparison sees what there is to see

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$t->install('fresh');
grant_all('fresh');
my $fresh = catalog('fresh');
cmp_ok(scalar keys %$fresh, '>', 1000, scalar(keys %$fresh) . ' facts about a new installation');

for my $change (
	q{CREATE OR REPLACE FUNCTION truust_revoke(privilege text, role name) RETURNS void LANGUAGE sql AS 'SELECT'},
	q{ALTER FUNCTION truust_status() RESET search_path},
	q{ALTER FUNCTION truust_status() PARALLEL UNSAFE COST 7},
	q{COMMENT ON FUNCTION truust_status() IS 'another'},
	q{GRANT EXECUTE ON FUNCTION truust_status() TO PUBLIC},
	q{REVOKE SELECT ON truust.orders FROM only_read},
	q{GRANT SELECT (body) ON truust.webhooks TO shop},
	q{ALTER EXTENSION truust DROP FUNCTION truust_status()},
	q{ALTER TABLE truust.orders ADD COLUMN more text},
	q{ALTER TABLE truust.orders ALTER COLUMN noted_at DROP DEFAULT},
	q{ALTER TABLE truust.orders ALTER COLUMN name SET NOT NULL},
	q{ALTER TABLE truust.orders ALTER COLUMN value TYPE float8},
	q{ALTER TABLE truust.webhooks ALTER COLUMN body SET STORAGE MAIN},
	q{COMMENT ON COLUMN truust.webhooks.body IS 'another'},
	q{ALTER TABLE truust.orders ADD CHECK (value > 0)},
	q{ALTER TABLE truust.requests DISABLE ROW LEVEL SECURITY},
	q{CREATE POLICY more ON truust.requests USING (true)},
	q{ALTER TABLE truust.webhooks SET (fillfactor = 50)},
	q{ALTER TABLE truust.webhooks DISABLE TRIGGER USER},
	q{DROP INDEX truust.webhooks_dead},
	q{DO $$ BEGIN EXECUTE format('CREATE OR REPLACE VIEW truust.pending AS SELECT * FROM (%s) v', rtrim(pg_get_viewdef('truust.pending'::regclass), ';')); END $$},
	q{ALTER SEQUENCE truust.events_id_seq CACHE 50},
	q{ALTER TYPE truust_event RENAME ATTRIBUTE body TO text},
	q{UPDATE pg_extension SET extconfig = extconfig[2:], extcondition = extcondition[2:] WHERE extname = 'truust'})
{
	isnt(join("\n", differences(catalog('fresh', $change), $fresh)), '', 'noticed: ' . substr $change, 0, 100);
}

# ---------------------------------------------------------------- each older version

my $ENQUEUE = q{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', '%s ' || i, 'value', i), on_done => 'note_end(truust.requests)')) FROM generate_series(1, %d) i};

# Something in every table, some of it still to be done.
sub fill
{
	my ($database) = @_;
	my $sql = sub { $t->sql($_[0], database => $database) };

	$sql->(<<~'SQL');
		CREATE TABLE ended (request bigint);
		CREATE FUNCTION note_end(r truust.requests) RETURNS void LANGUAGE sql AS 'INSERT INTO public.ended VALUES (r.id)';
		CREATE TABLE heard (order_id bigint, event text);
		CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS 'INSERT INTO public.heard VALUES (e.order_id, e.event)';
		SELECT truust_on('*', 'hear(truust_event)');
		CREATE TABLE shop_orders (id serial PRIMARY KEY, title text, total numeric, truust_id bigint, payment_status text, payment_url text);
		SELECT truust_attach('shop_orders', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'payment_status', link => 'payment_url');
		SQL
	grant_all($database);
	$sql->(sprintf $ENQUEUE, 'done', 5);
	$sql->(q{INSERT INTO shop_orders (title, total) VALUES ('attached 1', 1), ('attached 2', 2)});
	$sql->(q{SELECT truust_receive_webhook('[{"escrow": {"id": "4711", "status": "PUBLISHED"}, "payin": {"id": "4712", "status": "CONFIRMED"}, "payout": {"id": "4713", "status": "CREATED"}}]', 'order.published')});
	$sql->(q{SELECT truust_receive_webhook('poison', 'order.published')});
	$node->poll_query_until($database, q{SELECT (SELECT count(*) FROM truust.requests WHERE state = 'done') = 7 AND (SELECT count(*) FROM truust.orders) = 8
		AND (SELECT count(*) FROM truust.webhooks WHERE state = 'dead') = 1 AND NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')}) or die 'the old version does not work';
	$sql->(q{SELECT truust_pause('requests', 'a test'), truust_pause('webhooks', 'a test')});
	$sql->(sprintf $ENQUEUE, 'queued', 3);
	is($sql->(q{SELECT count(DISTINCT truust_enqueue('create_order', '{"name": "keyed", "value": 1}', 'key')) FROM generate_series(1, 2)}), 1, 'a key works before the update');
	$sql->(q{SELECT truust_cancel_request(id) FROM truust.requests WHERE key = 'key'; DELETE FROM truust.requests WHERE key = 'key'});
	$sql->(q{INSERT INTO shop_orders (title, total) VALUES ('attached 3', 3)});
	$sql->(q{SELECT truust_receive_webhook('[{"escrow": {"id": "4711", "status": "ACCEPTED"}}]', 'order.accepted')});
	return;
}

# Under load: what is enqueued while the version changes takes effect once.
sub update_under_load
{
	my ($from, $database) = @_;
	my $script = $node->basedir . "/$database.sql";
	my ($out, $err) = ('', '');

	append_to_file($script, sprintf("$ENQUEUE;\n", "load of $database", 1) x 300);
	my $before = $t->effects('createOrder');
	my $client = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $script ], '<', \undef, '>', \$out, '2>', \$err);
	ok($t->wait_until(sub { $t->effects('createOrder') > $before + 20 }), "$from: requests are under way");
	$t->sql('ALTER EXTENSION truust UPDATE', database => $database);
	$client->finish;
	is($err, '', "$from: nobody is refused while the version changes");
	ok($node->poll_query_until($database, q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state <> 'done' OR done_state = 'pending')}), "$from: all end");
	is($t->effects('createOrder') - $before, 300, "$from: each took effect once");
	is($t->sql('SELECT count(*), count(DISTINCT request) FROM ended', database => $database), '300|300', "$from: on_done ran once for each");
	return;
}

for my $version (@old)
{
	(my $database = "from_$version") =~ s/\W/_/g;
	my $name = "from $version";
	my $calls;

	$t->sql("CREATE DATABASE $database");
	$t->install($database, $version);
	fill($database);
	ok(scalar(differences(catalog($database), $fresh)), "$name: it is another version");
	my $columns = columns($database);
	my $rows = rows($database, $columns);
	is(join(' ', grep { $rows->{$_} eq '' } sort keys %$rows), '', "$name: there is something in every table");
	$calls = $t->calls('createOrder');

	$t->sql('ALTER EXTENSION truust UPDATE', database => $database);
	is($t->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'truust'}, database => $database), $CURRENT, "$name: updated");
	$t->sql('SELECT truust_renew_privileges()', database => $database);
	is(join("\n", differences(catalog($database), $fresh)), '', "$name: the catalog is that of a new installation (what differs belongs into sql/update/)");
	is_deeply(rows($database, $columns), $rows, "$name: the rows are as they were");
	for my $table (qw(requests orders attachments handlers))
	{
		is($t->sql("SELECT count(*) FILTER (WHERE role_oid IS DISTINCT FROM (SELECT a.oid FROM pg_roles a WHERE a.rolname = t.role)), count(*) > 0 FROM truust.$table t WHERE role IS NOT NULL",
			database => $database), '0|t', "$name: rows of truust.$table belong to their roles");
	}
	is($t->sql(q{SET ROLE only_read; SELECT count(*) > 0 FROM truust.stats}, database => $database), 't', "$name: truust_renew_privileges() gives what a privilege has now");

	is($t->calls('createOrder'), $calls, "$name: what was paused is");
	$t->sql(q{SELECT truust_resume('requests'), truust_resume('webhooks')}, database => $database);
	ok($node->poll_query_until($database, q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state <> 'done') AND NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')}),
		"$name: then all is done");
	is($t->sql('SELECT count(*), count(DISTINCT request) FROM ended', database => $database), '8|8', "$name: with its on_done");
	is($t->sql('SELECT count(truust_id) FROM shop_orders', database => $database), 3, "$name: attached rows too");
	is($t->sql(q{SELECT status FROM truust.orders WHERE id = 4711}, database => $database), 'ACCEPTED', "$name: webhooks are applied");
	is($t->sql(q{SELECT count(*) FROM heard WHERE event = 'order.accepted' AND order_id = 4711}, database => $database), 1, "$name: and handled");

	# what is granted to roles must be in a dump, which leaves out what an extension's script grants
	my $dump = $node->basedir . "/$database.dump";
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr($database) ], "$name: a dump");
	like(slurp_file($dump), qr/GRANT SELECT ON TABLE truust\.orders TO only_read/, "$name: with the roles' rights");
	$t->sql("CREATE DATABASE load_$database");
	$t->install("load_$database", $version);
	$t->sql(q{CREATE TABLE ended (request bigint);
		CREATE FUNCTION note_end(r truust.requests) RETURNS void LANGUAGE sql AS 'INSERT INTO public.ended VALUES (r.id)'}, database => "load_$database");
	update_under_load($name, "load_$database");
}

$node->stop;
done_testing;
