# What a write returns is noted in truust.orders in the caller's own transaction, whatever somebody has done to the table,
# and whoever else writes to it at the same time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Truust;

my $sim = Truust->simulator;
my $node = $sim->node(max_retries => 0);
my $create = q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 120.50, tag => 'b', metadata => '{"a": 1}')};

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# The row of an order, and its history.
sub noted
{
	my ($id) = @_;
	return value("SELECT status, previous_status, finished, name, value, currency, tag, metadata, buyer_link IS NOT NULL, role FROM truust.orders WHERE id = $id")
		. ' / ' . value("SELECT string_agg(concat_ws(' ', event, previous_status, status, outcome, source), ', ' ORDER BY id) FROM truust.events WHERE order_id = $id");
}

my $role = value('SELECT current_user');
my $row = qq(||f|Bicycle|120.50|EUR|b|{"a": 1}|t|$role);
my $drafted = "DRAFT$row / order.draft DRAFT applied call";

my $order = value($create);
is(noted($order), $drafted, 'a new order');
value("SELECT truust_create_payin($order, 'REDSYS_V2')");
$sim->call(POST => "/orders/$order/pay", { outcome => 'confirmed' });
value("SELECT truust_accept_order($order)");
like(noted($order), qr{^ACCEPTED\|DRAFT\|f\|.* / order.draft DRAFT applied call, order.accepted DRAFT ACCEPTED applied call$}, 'one that is known moves on');
is(value("SELECT status FROM truust.payins WHERE order_id = $order"), 'CREATED', 'a payin');

my ($out, $err) = $node->run('BEGIN', $create, 'ROLLBACK', 'SELECT count(*) FROM truust.orders');
like($out, qr/^\d+\n1$/, 'a transaction that is rolled back has noted nothing');
($out, $err) = $node->run('BEGIN', $create, q{SELECT count(*) FROM truust.orders}, 'SAVEPOINT a', $create, 'ROLLBACK TO a', $create, 'COMMIT', 'SELECT count(*) FROM truust.orders');
like($out, qr/^\d+\n2\n\d+\n\d+\n3$/, 'what follows in the transaction sees it; a savepoint takes it back');
for my $how ("BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN ISOLATION LEVEL REPEATABLE READ")
{
	($out, $err) = $node->run($how, $create, 'COMMIT');
	like($out, qr/^\d+$/, "$how: the order is made");
	is(value("SELECT count(*) FROM truust.orders WHERE id = $out"), 1, "$how: and noted");
}
my $made = value('SELECT count(*) FROM truust_list_orders()');
($out, $err) = $node->run('BEGIN READ ONLY', 'SELECT count(*) FROM truust_list_orders(max_rows => 1)', $create, 'ROLLBACK', 'BEGIN READ ONLY', 'SELECT truust_charge_direct_link(1)', 'ROLLBACK');
is($out, 1, 'BEGIN READ ONLY: reads are possible');
like($err, qr/ERROR:  25006: cannot execute truust_create_order\(\) in a read-only transaction.*25006: cannot execute truust_charge_direct_link\(\)/s, '... and a write is refused');
is(value('SELECT count(*) FROM truust_list_orders()'), $made, '... before it is made');
is(value("SELECT count(*) FROM generate_series(1, 300) i, LATERAL truust_create_order(name => 'Bicycle', value => i) o WHERE o.value = i"), 300, 'many in one statement');
# The page for a row is looked for by the size of the row before.
($out, $err) = $node->run($create, q{SELECT id FROM truust_create_order(name => 'Large', value => 301, metadata => (SELECT jsonb_object_agg(i, md5(i::text)) FROM generate_series(1, 3000) i))}, $create);
like($out, qr/^\d+\n\d+\n\d+$/, 'an order after a large one') or diag($err);
is(value("SELECT count(*), count(DISTINCT e.id) FROM truust.orders o JOIN truust.events e ON e.order_id = o.id AND e.status = o.status WHERE o.value <= 300 AND o.tag IS NULL"),
	'300|300', '... each is noted, with its history');

# ------------------------------------------------------------------ tables that are not as they were

for my $case (
	[ 'a trigger on the orders', 'CREATE TRIGGER upper BEFORE INSERT ON truust.orders FOR EACH ROW EXECUTE FUNCTION upper_name()',
		'DROP TRIGGER upper ON truust.orders', 'BICYCLE' ],
	[ 'a trigger on the history', 'CREATE TRIGGER silent BEFORE INSERT ON truust.events FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
		'DROP TRIGGER silent ON truust.events', undef ],
	[ 'a column with a default', q{ALTER TABLE truust.orders ADD COLUMN mine text NOT NULL DEFAULT 'x'}, 'ALTER TABLE truust.orders DROP COLUMN mine', 'Bicycle' ],
	[ 'a constraint', q{ALTER TABLE truust.events ADD CONSTRAINT known CHECK (source IN ('call', 'webhook'))}, 'ALTER TABLE truust.events DROP CONSTRAINT known', 'Bicycle' ],
	[ 'a rule', 'CREATE RULE also AS ON INSERT TO truust.events DO ALSO SELECT 1', 'DROP RULE also ON truust.events', 'Bicycle' ],
	[ 'another owner', "CREATE ROLE keeper; GRANT USAGE, CREATE ON SCHEMA truust TO keeper; ALTER TABLE truust.orders OWNER TO keeper; GRANT ALL ON truust.events TO keeper", 'ALTER TABLE truust.orders OWNER TO CURRENT_USER', 'Bicycle' ],
	[ 'another index', 'CREATE INDEX mine ON truust.orders (name) WHERE length(name) > 3', 'DROP INDEX truust.mine', 'Bicycle' ])
{
	my ($name, $change, $back, $wanted) = @$case;

	value('CREATE OR REPLACE FUNCTION upper_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$');
	# in one session, so that it has to notice
	my ($out, $err) = $node->run($create, (split /; /, $change), $create, $back, $create);
	my @ids = split /\n/, $out;
	if (!defined $wanted)
	{
		like($err, qr/ERROR:  39P01: /, "$name: an error of it is an error of the call");
		is(scalar @ids, 2, "$name: the others work");
		next;
	}
	is($err, '', "$name: no error");
	is(value("SELECT string_agg(name, ' ' ORDER BY id) FROM truust.orders WHERE id IN (" . join(',', @ids) . ')'), "Bicycle $wanted Bicycle", "$name: noted");
	is(value('SELECT count(*) FROM truust.events WHERE order_id IN (' . join(',', @ids) . ')'), 3, "$name: and its history");
}

($out, $err) = $node->run($create, 'DROP EXTENSION truust CASCADE', 'CREATE EXTENSION truust',
	"CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '@{[ $sim->base_url ]}')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account')", $create);
my @ids = split /\n/, $out;
is(noted($ids[1]), $drafted, 'an extension that was dropped and made again within the session');

# The tables are open while the API is at work on a new order: closed again, whatever it says, and so free for whatever follows.
for my $case (
	[ 'refused', { do => 'status', status => 422 } ],
	[ 'of no status', { do => 'garbage', body => '{"data": {"id": 77}}' } ],
	[ 'of an empty status', { do => 'garbage', body => '{"data": {"id": 77, "status": ""}}' } ],
	[ 'of no use', { do => 'garbage', body => '{"data": []}' } ])
{
	my ($name, $rule) = @$case;

	$sim->rule(operation => 'createOrder', times => 1, %$rule);
	my ($out, $err) = $node->run('BEGIN', "DO \$\$ BEGIN PERFORM truust_create_order(name => 'Bicycle', value => 1); EXCEPTION WHEN OTHERS THEN NULL; END \$\$",
		q{SELECT count(*) FROM pg_locks WHERE locktype = 'spectoken'},
		'ALTER TABLE truust.orders ADD COLUMN mine text', 'ALTER TABLE truust.events ADD COLUMN mine text', $create, 'ROLLBACK', $create);
	is($err, '', "an order that is $name leaves nothing open");
	like($out, qr/^0\n\d+\n\d+$/, '... nor locked, and the next ones are made');
	$sim->no_rules;
}

# An empty status is none: what is known stays.
{
	my $known = value($create);
	my $payin = value("SELECT id FROM truust_create_payin($known, 'REDSYS_V2')");
	my $before = noted($known);

	$sim->rule(operation => 'updateOrder', times => 1, do => 'status', status => 200, body => qq({"data": {"id": $known, "status": ""}}));
	value("SELECT truust_update_order($known, tag => 'c')");
	is(noted($known), $before, 'an answer with an empty status moves no order');
	is(value('SELECT count(*) FROM truust.orders WHERE id = 77'), 0, '... and makes none known');
	$sim->rule(operation => 'syncPayin', times => 1, do => 'status', status => 200, body => qq({"data": {"id": $payin, "status": ""}}));
	value("SELECT truust_sync_payin($payin)");
	is(value("SELECT status FROM truust.payins WHERE id = $payin"), 'CREATED', '... and no payin');
	$sim->no_rules;
}

# ------------------------------------------------------------------ a trigger that calls by itself

# By another account: what is noted is of the account that was called.
{
	my $url = $sim->base_url;
	my ($known) = value($create);

	value(<<~SQL);
		CREATE SERVER another_account FOREIGN DATA WRAPPER truust OPTIONS (base_url '$url');
		CREATE USER MAPPING FOR CURRENT_USER SERVER another_account OPTIONS (secret_key 'sk_stage_of_another_account');
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql SET truust.server = 'another_account' AS
			\$\$ BEGIN PERFORM public.truust_get_order($known); RETURN NULL; END \$\$;
		CREATE TRIGGER look AFTER INSERT ON truust.orders FOR EACH ROW EXECUTE FUNCTION look();
		SQL
	my $called = value($create);
	is(value("SELECT o.server, e.server FROM truust.orders o JOIN truust.events e ON e.order_id = o.id WHERE o.id = $called"), 'truust|truust',
		'a trigger that calls another account does not change whose order is noted');
	value('DROP TRIGGER look ON truust.orders');
}

# ------------------------------------------------------------------ tables that somebody has locked

for my $case (
	[ 'truust.orders', $create ],
	[ 'truust.events', $create ],
	[ 'truust.payins', "SELECT truust_create_payin($ids[1], 'REDSYS_V2')" ],
	[ 'truust.payouts', "SELECT truust_create_payout($ids[1], 'ACCOUNT', bankaccount_id => 1)" ])
{
	my ($table, $call) = @$case;
	my $other = $node->background_psql('postgres');

	$other->query_safe("BEGIN; LOCK TABLE $table IN SHARE MODE");
	$sim->clear;
	my ($out, $err) = $node->run(q(SET lock_timeout = '50ms'), $call);
	like($err, qr/ERROR:  55P03: canceling statement due to lock timeout/, "$table is locked: the call fails");
	is(($sim->count)[0], 0, '... before anything is sent');
	$other->quit;
}

# Nor does a row that somebody has locked make a call fail after it was made.
value("SELECT truust_create_payin($ids[1], 'REDSYS_V2')");
my $payin = value("SELECT id FROM truust.payins WHERE order_id = $ids[1]");
for my $case (
	[ "truust.orders WHERE id = $ids[1]", "SELECT truust_update_order($ids[1], tag => 'second')" ],
	[ "truust.payins WHERE id = $payin", "SELECT truust_cancel_pre_auth($payin)" ])
{
	my ($row, $call) = @$case;
	my $other = $node->background_psql('postgres');

	$other->query_safe("BEGIN; SELECT FROM $row FOR UPDATE");
	$sim->clear;
	for my $level ('READ COMMITTED', 'REPEATABLE READ')
	{
		my ($out, $err) = $node->run(q(SET lock_timeout = '50ms'), "BEGIN ISOLATION LEVEL $level", $call, 'ROLLBACK');
		like($err, qr/ERROR:  55P03: canceling statement due to lock timeout/, "a row of $row is locked, $level: the call fails");
		is(($sim->count)[0], 0, '... before anything is sent');
	}
	$other->quit;
}

# ------------------------------------------------------------------ a snapshot that does not show what somebody else has noted

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my $known = value($create);
	my $here = $node->background_psql('postgres', on_error_stop => 0);

	value("DELETE FROM truust.orders WHERE id = $known");
	$here->query("BEGIN ISOLATION LEVEL $level; SET LOCAL statement_timeout = '20s'; SELECT count(*) FROM truust.orders");
	value("SELECT truust_update_order($known, tag => 'theirs')");
	my $size = value(q{SELECT pg_relation_size('truust.orders')});
	is($here->query("SELECT tag FROM truust_update_order($known, tag => 'mine')"), 'mine', "$level: the call of an order that the snapshot lacks is made");
	$here->query('COMMIT');
	$here->quit;
	is(value("SELECT tag FROM truust.orders WHERE id = $known"), 'theirs', '... what is noted of it stays as it was');
	cmp_ok(value(q{SELECT pg_relation_size('truust.orders')}) - $size, '<=', 8192, '... and the table does not grow');
}

# A cancel while the note waits, where isolation has it run in a subtransaction, leaves nothing half open.
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $new = value($create) + 1;
	my $other = $node->background_psql('postgres');

	$other->query_safe("BEGIN; INSERT INTO truust.orders (id, server, status) VALUES ($new, 'truust', 'PUBLISHED')");
	my ($out, $err) = $node->run("SET default_transaction_isolation = '\L$level'", q(SET statement_timeout = '1s'), $create,
		'RESET statement_timeout', 'ROLLBACK', q(SELECT 'works'));
	like($err, qr/ERROR:  57014: /, "$level: a note that waits is cancelled");
	like($out, qr/works/, '... and the session goes on');
	unlike($err, qr/FATAL/, '... as if nothing had been');
	$other->quit;
}

# ------------------------------------------------------------------ somebody else notes the same order

for my $end (qw(COMMIT ROLLBACK))
{
	my $next = value($create) + 1;
	my $other = $node->background_psql('postgres');
	my $here = $node->background_psql('postgres', on_error_stop => 0);

	$other->query_safe("BEGIN; INSERT INTO truust.orders (id, server, status, name) VALUES ($next, 'truust', 'PUBLISHED', 'Theirs')");
	$here->query_until(qr/started/, "\\echo started\n$create;\n\\echo ended\n");
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%truust_create_order%')})
		or die 'it does not wait';
	$other->query_safe($end);
	$here->query('SELECT 1');
	$other->quit;
	$here->quit;
	is(value("SELECT count(*) || ' ' || max(status) || ' ' || max(name) FROM truust.orders WHERE id = $next"),
		$end eq 'COMMIT' ? '1 PUBLISHED Theirs' : '1 DRAFT Bicycle', "somebody else's row, $end: " . ($end eq 'COMMIT' ? 'it does not go back' : 'it is noted'));
}

done_testing();
