# Roles that are renamed, dropped, made anew under the same name or swap their names where truust cannot see it, in another
# database: what is theirs stays theirs and is sent with their key, and what was a dropped role's is nobody's. And the same data
# in another cluster, where roles have other OIDs.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'roles', conf => "truust.max_attempts = 2\n");
my $node = $t->node;

$t->sql('CREATE DATABASE elsewhere');
$t->sql(<<~'SQL');
	CREATE ROLE sellers;
	SELECT truust_grant(p, 'sellers') FROM unnest(ARRAY['api', 'read']) p;
	GRANT EXECUTE ON FUNCTION truust_on(text, regprocedure), truust_attach(regclass, jsonb, name, name, name), truust.attached() TO sellers;
	GRANT USAGE ON FOREIGN SERVER truust TO sellers;
	CREATE TABLE ended (request bigint, role name);
	CREATE TABLE heard (order_id bigint, role name, handler text);
	GRANT ALL ON ended, heard TO sellers;
	CREATE FUNCTION note_end(r truust.requests) RETURNS void LANGUAGE sql AS 'INSERT INTO public.ended VALUES (r.id, CURRENT_USER)';
	SQL

my $keys = 0;

# A role with a key of its own.
sub make_role
{
	my ($role) = @_;

	$t->sql("CREATE ROLE $role IN ROLE sellers", database => 'elsewhere');
	$t->sql("CREATE USER MAPPING FOR $role SERVER truust OPTIONS (secret_key 'sk_stage_of_${role}_" . ++$keys . q{')});
	return "sk_stage_of_${role}_$keys";
}

sub enqueue
{
	my ($role, $name, $key) = @_;
	return $t->sql(qq{SET ROLE $role; SELECT truust_enqueue('create_order', '{"name": "$name", "value": 1}', '$key', 'note_end(truust.requests)')});
}

# A table that a role attaches, and a handler that it registers.
sub attach
{
	my ($role, $table) = @_;

	$t->sql(<<~SQL);
		CREATE TABLE $table (id int PRIMARY KEY, title text, total numeric, truust_id bigint, written_by name);
		CREATE FUNCTION written_$table() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.written_by := CURRENT_USER; RETURN NEW; END';
		CREATE TRIGGER written BEFORE UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION written_$table();
		CREATE FUNCTION hear_$table(e truust_event) RETURNS void LANGUAGE sql AS 'INSERT INTO public.heard VALUES (e.order_id, CURRENT_USER, ''$table'')';
		GRANT ALL ON $table TO sellers;
		SET ROLE $role;
		SELECT truust_attach('$table', '{"name": "title", "value": "total"}', 'truust_id');
		SELECT truust_on('order.published', 'hear_$table(truust_event)');
		SQL
	return;
}

sub pause { return $t->sql(q{SELECT truust_pause('requests', 'a test'), truust_pause('webhooks', 'a test')}) }
sub resume { return $t->sql(q{SELECT truust_resume('requests'), truust_resume('webhooks')}) }

# The keys that an order of this name was asked for with.
sub keys_of
{
	my ($name) = @_;
	return join ' ', map { $_->{headers}{authorization} =~ s/^Bearer //r }
	  grep { ($_->{operation} // '') eq 'createOrder' && ref $_->{body} && $_->{body}{name} eq $name } @{ $t->sim(GET => 'requests?limit=100000')->{requests} };
}

# The last key that an order was looked at with.
sub looked_with
{
	my ($id) = @_;
	my @with = map { $_->{headers}{authorization} =~ s/^Bearer //r }
	  grep { ($_->{operation} // '') eq 'getOrder' && $_->{path} =~ m{/orders/$id$} } @{ $t->sim(GET => 'requests?limit=100000')->{requests} };
	return $with[-1] // 'none';
}

# An order becomes PUBLISHED, and its webhook comes.
sub publish
{
	my ($id) = @_;

	$t->sim(POST => "orders/$id/status", { status => 'PUBLISHED' });
	return $t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $id, "status": "PUBLISHED"}}', 'order.published')});
}

# What a role sees of requests: names of orders.
sub seen
{
	my ($role) = @_;
	return $t->sql("SET ROLE $role; SELECT string_agg(args ->> 'name', ', ' ORDER BY id) FROM truust.requests");
}

# How many requests it sees in the views.
sub seen_in_views
{
	my ($role) = @_;
	return $t->sql("SET ROLE $role; SELECT (SELECT count(*) FROM truust.pending WHERE kind <> 'webhook') + (SELECT count(*) FROM truust.dead_letters WHERE kind <> 'webhook')");
}

# ---------------------------------------------------------------- renamed, and the name given to another

{
	my $key = make_role('anna');
	attach('anna', 'annas');
	my $called = $t->sql(q{SET ROLE anna; SELECT id FROM truust_create_order(name => 'Called', value => 1)});
	my $past = enqueue('anna', 'Past', 'past');
	ok($t->settled, 'a role has a history');
	pause();
	my $waiting = enqueue('anna', 'Waiting', 'waiting');
	$t->sql(q{INSERT INTO annas VALUES (1, 'First row', 1)});
	$t->sql('ALTER ROLE anna RENAME TO berta', database => 'elsewhere');
	my $other = make_role('anna');

	is(seen('anna'), '', 'who gets its name sees nothing of that');
	is(seen_in_views('anna'), 0, 'nor in the views');
	is(seen('berta'), 'Past, Waiting, First row', 'who had the name sees all of it');
	is(seen_in_views('berta'), 2, 'in the views, too');
	like($t->error("SET ROLE anna; SELECT truust_cancel_request($waiting)"), qr/P0002/, 'the new one cannot cancel what was enqueued');
	is(enqueue('berta', 'Waiting', 'waiting'), $waiting, 'a key stays the key of a request under the new name');
	is(enqueue('berta', 'Past', 'past'), $past, 'also of one that has ended');
	my $mine = enqueue('anna', 'Mine', 'waiting');
	isnt($mine, $waiting, 'and is free for the other');
	$t->sql(q{SET ROLE anna; INSERT INTO annas VALUES (2, 'Second row', 1)});
	is(seen('anna'), 'Mine', 'a row that it inserts into the table of the first one is not its own request');

	resume();
	ok($t->settled, 'all are sent');
	is(keys_of($_), $key, "$_: with the key of the first one") for 'Waiting', 'First row', 'Second row';
	is(keys_of('Mine'), $other, 'Mine: with the key of the other');
	is($t->sql("SELECT string_agg(role, ' ' ORDER BY request) FROM ended WHERE request IN ($past, $waiting, $mine)"), 'anna berta anna', 'on_done runs as who enqueued');
	is($t->sql(q{SELECT string_agg(written_by || ' ' || (truust_id > 0), ', ') FROM annas}), 'berta true, berta true', 'attached rows are written as who attached them');
	publish($called);
	ok($t->wait_for(qq{EXISTS (SELECT FROM heard WHERE order_id = $called)}), 'a webhook is applied');
	is($t->sql("SELECT role FROM heard WHERE order_id = $called"), 'berta', 'a handler runs as who registered it');
	is(looked_with($called), $key, 'with the key of who noted the order');
	ok($t->wait_for(<<~SQL), 'in the end everything has the new name');
		(SELECT array_agg(DISTINCT role) FROM (SELECT role FROM truust.requests WHERE id <> $mine UNION ALL SELECT role FROM truust.orders WHERE name <> 'Mine'
			UNION ALL SELECT role FROM truust.handlers UNION ALL SELECT role FROM truust.attachments) x) = '{berta}'
		SQL
	is($t->sql("SELECT role FROM truust.requests WHERE id = $mine"), 'anna', 'and what is of the other, the other');
}

# ---------------------------------------------------------------- dropped, and made anew

{
	my $key = make_role('carla');
	attach('carla', 'carlas');
	my $called = $t->sql(q{SET ROLE carla; SELECT id FROM truust_create_order(name => 'Of carla', value => 1)});
	enqueue('carla', 'Ended', 'ended');
	ok($t->settled, 'another one has a history');
	pause();
	my $orphan = enqueue('carla', 'Orphan', 'orphan');
	$t->sql('DROP USER MAPPING FOR carla SERVER truust');
	$t->sql('DROP ROLE carla', database => 'elsewhere');
	my $new_key = make_role('carla');

	is(seen('carla') . seen_in_views('carla'), '0', 'the next of its name sees nothing');
	like($t->error("SET ROLE carla; SELECT truust_cancel_request($orphan)"), qr/P0002/, 'and cannot cancel it');
	isnt(enqueue('carla', 'New', 'orphan'), $orphan, 'nor is its key taken');
	enqueue('carla', 'Newer', 'ended');
	is(seen('carla'), 'New, Newer', 'it has its own requests');
	$t->sql(q{SET ROLE carla; INSERT INTO carlas VALUES (1, 'Unsent row', 1)});
	is(seen('carla'), 'New, Newer', 'but not for the table that the dropped one attached');

	resume();
	ok($t->wait_for(q{(SELECT count(*) = 2 FROM truust.requests WHERE args ->> 'name' IN ('New', 'Newer') AND state = 'done')}), 'its own are sent');
	is(keys_of($_), $new_key, "$_: with its key") for 'New', 'Newer';
	ok($t->wait_for(q{(SELECT count(*) = 2 AND bool_and(state = 'queued' AND role ~ '^pg_dropped_\d+_carla$') FROM truust.requests WHERE args ->> 'name' IN ('Orphan', 'Unsent row'))
		AND EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' IN ('Orphan', 'Unsent row') AND error ~ 'role "pg_dropped_\d+_carla" does not exist')}),
		'those of the dropped one wait and say why') or diag $t->sql('SELECT id, role, role_oid, state, error FROM truust.requests');
	publish($called);
	ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters WHERE reason ~ 'role ".*carla" does not exist')}, 30), 'its handler is an error')
	  or diag $t->sql('SELECT * FROM truust.webhooks');
	is($t->sql("SELECT count(*) FROM heard WHERE order_id = $called"), 0, 'which nobody else runs');
	isnt(looked_with($called), $new_key, 'the order is not looked at with the new key');
	is(looked_with($called), 'sk_stage_of_a_made_up_account', 'but as one that nobody noted');
	$t->sql(q{SELECT truust_off('order.published', 'hear_carlas(truust_event)'); SELECT truust_retry_webhook(id) FROM truust.webhooks});
	ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.webhooks)}), 'without the handler the event is applied');
	ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.requests WHERE role = 'carla' AND args ->> 'name' = 'Ended') AND (SELECT role ~ '^pg_dropped_\d+_carla$' FROM truust.orders WHERE name = 'Of carla')
		AND EXISTS (SELECT FROM truust.attachments WHERE role ~ '^pg_dropped_\d+_carla$')}), 'what has ended is put away, too');
	is(keys_of($_), '', "$_: was never sent") for 'Orphan', 'Unsent row';
	$t->sql(q{SELECT truust_cancel_request(id) FROM truust.requests WHERE args ->> 'name' = 'Unsent row'; SELECT truust_detach('carlas')});
	$t->sql("UPDATE truust.requests SET role = 'berta' WHERE id = $orphan");
	ok($t->settled, 'an operator takes one back and gives the other to another role');
	like(keys_of('Orphan'), qr/^sk_stage_of_anna_\d$/, 'which it is sent for');
	is($t->sql("SELECT role FROM ended WHERE request = $orphan"), 'berta', 'then that is whose it is');
}

# ---------------------------------------------------------------- two that swap their names

{
	my %key = map { $_ => make_role($_) } 'dora', 'emma';
	pause();
	my %id = map { $_ => enqueue($_, "Swap of $_", 'swap') } 'dora', 'emma';
	$t->sql('ALTER ROLE dora RENAME TO between; ALTER ROLE emma RENAME TO dora; ALTER ROLE between RENAME TO emma', database => 'elsewhere');
	is(seen('emma'), 'Swap of dora', 'each sees its own');
	is(seen('dora'), 'Swap of emma', 'under the other name');
	is(enqueue('emma', 'Swap of dora', 'swap'), $id{dora}, 'with its key');
	resume();
	ok($t->settled, 'both are sent');
	is(keys_of("Swap of $_"), $key{$_}, "$_: with its own key") for 'dora', 'emma';
	is($t->sql("SELECT string_agg(role, ' ' ORDER BY request) FROM ended WHERE request IN ($id{dora}, $id{emma})"), 'emma dora', 'and their on_done run as they are called now');
	ok($t->wait_for("(SELECT string_agg(role, ' ' ORDER BY id) = 'emma dora' FROM truust.requests WHERE id IN ($id{dora}, $id{emma}))"), 'and so say the rows');
}

# ---------------------------------------------------------------- a row that somebody has locked

{
	make_role('frida');
	my $id = enqueue('frida', 'Locked', 'locked');
	ok($t->settled, 'a request has ended');
	my ($said, $complaint) = ('', '');
	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $say, '>', \$said, '2>', \$complaint);
	$say = "BEGIN; SELECT 'locked' FROM truust.requests WHERE id = $id FOR UPDATE;\n";
	$holder->pump until $said =~ /locked/;
	$t->sql('ALTER ROLE frida RENAME TO gerda', database => 'elsewhere');
	$t->sql('CALL truust_drain()');
	is($t->sql("SELECT role FROM truust.requests WHERE id = $id"), 'frida', 'its name cannot be brought up to date');
	my $order = $t->sql(q{SELECT id FROM truust_create_order(name => 'Meanwhile', value => 1)});
	publish($order);
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $order AND status = 'PUBLISHED')"), 'which holds up nobody');
	is($t->sql(q{SELECT count(*) FROM truust_status() WHERE state = 'failing' OR last_error IS NOT NULL}), 0, 'and is no failure');
	$say .= "COMMIT;\n\\q\n";
	$holder->finish;
	ok($t->wait_for("(SELECT role = 'gerda' FROM truust.requests WHERE id = $id)"), 'it is come back to');
}

# ---------------------------------------------------------------- nobody makes itself another

for my $statement ('INSERT INTO truust.requests (operation, role, server) VALUES ($$list_orders$$, $$postgres$$, $$truust$$)',
	'UPDATE truust.requests SET role = $$anna$$', 'UPDATE truust.requests SET role_oid = DEFAULT', 'SELECT truust.role_oid($$anna$$)')
{
	like($t->error("SET ROLE anna; $statement"), qr/42501/, "refused: $statement");
}
like($t->error(q{INSERT INTO truust.requests (operation, role, server, role_oid) VALUES ('list_orders', 'anna', 'truust', 10)}), qr/428C9|42601/, 'whose it is comes of the name alone');

# ---------------------------------------------------------------- another cluster

{
	make_role('late');
	pause();
	enqueue('late', 'Late', 'late');
	$t->sql('DROP USER MAPPING FOR late SERVER truust');
	ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.requests WHERE role_oid IS DISTINCT FROM truust.role_oid(role))}), 'all names are right');
	my @roles = qw(anna berta carla dora emma gerda);
	my %sees = map { $_ => seen($_) } @roles;
	my $dump = $node->basedir . '/dump.sql';
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');

	# roles of the same names, whose OIDs are those of others here
	my $other = PostgreSQL::Test::Cluster->new('other');
	$other->init;
	$other->append_conf('postgresql.conf', "shared_preload_libraries = 'truust'\nfsync = off\ntruust.autostart = off\n");
	$other->start;
	$other->safe_psql('postgres', 'CREATE ROLE sellers');
	$other->safe_psql('postgres', "CREATE ROLE $_ IN ROLE sellers") for reverse @roles;
	$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $other->connstr('postgres') ], 'restored where they have other OIDs');
	is($other->safe_psql('postgres', "SET ROLE $_; SELECT string_agg(args ->> 'name', ', ' ORDER BY id) FROM truust.requests"), $sees{$_}, "$_ sees there what it saw here") for @roles;
	is($other->safe_psql('postgres', q{SELECT count(*) FROM truust.requests r LEFT JOIN pg_roles a ON a.oid = r.role_oid WHERE a.rolname IS DISTINCT FROM CASE WHEN r.role !~ '^pg_dropped_|^late$' THEN r.role END}),
		0, 'whose a row is comes of the names there');
	is($other->safe_psql('postgres', q{SELECT count(*) FROM truust.orders o LEFT JOIN pg_roles a ON a.rolname = o.role WHERE a.oid IS DISTINCT FROM o.role_oid}), 0, 'orders, too');
	$other->safe_psql('postgres', 'CREATE ROLE late IN ROLE sellers');
	$other->safe_psql('postgres', 'CALL truust_drain()');
	is($other->safe_psql('postgres', q{SET ROLE late; SELECT string_agg(args ->> 'name', ', ') FROM truust.requests}), 'Late', 'a role that is made after the restore gets what is its own');
	$other->stop;
	resume();
}

$node->stop;
done_testing;
