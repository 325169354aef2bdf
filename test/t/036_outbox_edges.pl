# Where the protocol has an edge: late sends, customers that Truust cannot tell apart, ends that somebody undid, an outage of
# many kinds, other people's locks, and answers that are not the API's.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(conf => "truust.max_attempts = 3\ntruust.settle_time = 300ms\n");
my $node = $t->node;

sub reload
{
	my (@settings) = @_;
	$t->sql("ALTER SYSTEM $_") for @settings;
	$t->sql('SELECT pg_reload_conf()');
	return;
}

sub enqueue
{
	my ($operation, $args, $more) = @_;
	return $t->sql("SELECT truust_enqueue('$operation', '$args'" . ($more ? ", $more" : '') . ')');
}

sub row
{
	my ($id, $columns) = @_;
	return $t->sql("SELECT $columns FROM truust.requests WHERE id = $id");
}

sub ends
{
	my ($id, $state, $what) = @_;
	ok($t->wait_for("(SELECT state = '$state' FROM truust.requests WHERE id = $id)", 30), $what)
	  or diag row($id, 'state, attempts, looks, error, next_attempt_at');
	return;
}

my $order = $t->sql(q{SELECT id FROM truust_create_order('Bicycle', 10)});

# ---------------------------------------------------------------- what is claimed is sent soon, or goes back

reload('SET truust.max_in_flight = 2', 'SET truust.batch_size = 1000');
# answers are quick, so that the claims grow; then they are slow
$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'quick ' || i, 'value', 1)) FROM generate_series(1, 600) i});
$t->sim(POST => 'rules', { operation => 'createOrder', after => 300, do => 'delay', ms => 700, times => 0 });
ok($t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE state = 'sending') > 6}, 30), 'many are claimed, few can be sent');
ok($t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE state = 'sending' AND sent_at < clock_timestamp() - interval '2500 ms') = 0
	AND (SELECT count(*) FROM truust.requests WHERE state = 'sending') BETWEEN 1 AND 4}, 30), 'those that cannot be sent are taken back');
is($t->sql(q{SELECT max(attempts) FROM truust.requests}), 1, 'which is no attempt');
$t->sim(DELETE => 'rules');
ok($t->settled(60), 'all are sent in the end');
is(scalar(grep { $_->{name} =~ /^quick / } values %{ $t->orders }), 600, 'once each');
reload('RESET truust.max_in_flight', 'RESET truust.batch_size');

# ---------------------------------------------------------------- a customer without email and phone

for my $case ([ '{"name": "A. Nonym"}', 1 ], [ '{"name": "B", "email": "b@example.test"}', 0 ],
	[ '{"name": "C", "extra": {"phone": "+34600000001"}}', 0 ])
{
	my ($args, $nameless) = @$case;
	my $before = $t->effects('createCustomer');
	my $rule = $t->sim(POST => 'rules', { operation => 'createCustomer', do => 'drop', when => 'after' });
	my $id = $t->sql("SELECT truust_enqueue('create_customer', '$args')");
	ends($id, $nameless ? 'uncertain' : 'done', "$args: " . ($nameless ? 'a person decides' : 'repeated'));
	is($t->effects('createCustomer') - $before, 1, '... and made once') if $nameless;
	$t->sim(DELETE => 'rules');
}
{
	$t->sim(POST => 'rules', { operation => 'createCustomer', do => 'hang', when => 'after', times => 0 });
	my $id = enqueue('create_customer', '{"name": "E"}');
	ok($t->wait_until(sub { $t->sim(GET => 'rules')->{rules}[0]{hits} > 0 }), 'one is under way');
	$t->kill_worker;
	$t->sim(DELETE => 'rules');
	ends($id, 'uncertain', 'the worker died: a person decides');
}

# ---------------------------------------------------------------- what was taken back stays so

$t->sql(q{CREATE TABLE told (id bigint, state text);
	CREATE FUNCTION tell(r truust.requests) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF r.key = 'broken' AND NOT EXISTS (SELECT FROM told WHERE state = 'mended') THEN RAISE 'broken'; END IF;
		INSERT INTO told VALUES (r.id, r.state);
	END $$});
{
	$t->sql(q{SELECT truust_pause('requests', 'test')});
	my $id = enqueue('create_payin', qq({"order_id": $order, "type": "REDSYS_V2"}), q{'broken', 'tell(truust.requests)'});
	$t->sql("SELECT truust_cancel_request($id)");
	$t->sql(q{SELECT truust_resume('requests')});
	ok($t->wait_for("(SELECT done_state = 'dead' FROM truust.requests WHERE id = $id)", 30), 'its on_done fails for good');
	$t->sql(q{INSERT INTO told VALUES (0, 'mended')});
	$t->sql("SELECT truust_retry_request($id)");
	ok($t->wait_for("EXISTS (SELECT FROM told WHERE id = $id)", 30), 'on_done is repeated');
	is(row($id, 'state'), 'failed', 'a request that was cancelled is not sent for that');
	is($t->calls('createPayin'), 0, 'nothing was sent');
	$t->sql("SELECT truust_retry_request($id)");
	ends($id, 'done', 'once that is through, a retry sends it');
}

# ---------------------------------------------------------------- an outage is no attempt

{
	$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'status', status => 503, times => 6, body => '{"message": "maintenance"}' });
	my $id = enqueue('update_order', qq({"order_id": $order, "name": "Mended"}));
	ends($id, 'done', 'six times 503 with three attempts: done');
	is(row($id, 'attempts'), 1, 'attempts that the API did not get to see do not count');
}
{
	my $id;
	$t->kill_simulator;
	$id = enqueue('create_order', '{"name": "After the outage", "value": 3}');
	ok($t->wait_for("(SELECT error IS NOT NULL FROM truust.requests WHERE id = $id)", 30), 'nobody listens');
	$t->start_simulator;
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 502 });
	ends($id, 'done', 'and then 502: done');
	is(scalar(grep { $_->{name} eq 'After the outage' } values %{ $t->orders }), 1, 'once');
	$t->sim(DELETE => 'rules');
}
{
	$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'drop', when => 'after', times => 0 });
	my $id = enqueue('update_order', qq({"order_id": $order, "name": "Never told"}));
	ends($id, 'uncertain', 'a write whose answers are all lost is not called refused');
	$t->sim(DELETE => 'rules');
	$t->sql("SELECT truust_retry_request($id)");
	ends($id, 'done', 'a person has it sent again');
}

# ---------------------------------------------------------------- nobody's lock stops the others

{
	$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'delay', ms => 500 });
	my $first = enqueue('update_order', qq({"order_id": $order, "name": "First"}));
	my $second = enqueue('update_order', qq({"order_id": $order, "name": "Second"}));
	ok($t->wait_for("(SELECT next_attempt_at = 'infinity' FROM truust.requests WHERE id = $second)", 30), 'one waits for another');
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; SELECT truust_cancel_request($second)");
	ends($first, 'done', 'the first is recorded while the second is about to be cancelled');
	my $other = enqueue('create_order', '{"name": "Unheld", "value": 3}');
	ends($other, 'done', 'others go on');
	$session->query_safe('ROLLBACK');
	$session->quit;
	ends($second, 'done', 'the cancel is undone: the second is sent');
}
{
	$t->sql(q{CREATE FUNCTION unlock(r truust.requests) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()'});
	my $id = enqueue('create_order', '{"name": "Unlocking", "value": 3}', q{NULL, 'unlock(truust.requests)'});
	my $slow = $t->sim(POST => 'rules', { operation => 'updateOrder', do => 'hang', times => 0 });
	my $under_way = enqueue('update_order', qq({"order_id": $order, "name": "Under way"}));
	ok($t->wait_for("(SELECT done_state = 'done' FROM truust.requests WHERE id = $id)", 30), 'an on_done gives up all advisory locks');
	ok($t->wait_for("(SELECT state = 'sending' FROM truust.requests WHERE id = $under_way)", 30), 'another request is under way');
	is(own_locks(), 1, 'the worker has its own still') or diag $t->sql(q{SELECT l.* FROM pg_locks l WHERE locktype = 'advisory'});
	$t->sim(DELETE => 'rules');
	ok($t->settled(30), 'all is done');
}

# The worker's own advisory lock.
sub own_locks
{
	return $t->sql(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND a.backend_type = 'truust requests' AND l.objid::bigint & 65535 = 65535});
}

# How often the worker has failed with these words since the log was so long.
sub failures
{
	my ($words, $log) = @_;
	return scalar(() = slurp_file($node->logfile, $log) =~ /truust requests failed: $words/g);
}

# The same, and what comes after it in the same transaction fails.
{
	$t->sql(<<~'SQL');
		CREATE TABLE let_go (yes boolean);
		CREATE FUNCTION keep_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF NOT EXISTS (SELECT FROM public.let_go) THEN RAISE EXCEPTION 'not let go'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER keep_waiting BEFORE UPDATE ON truust.requests FOR EACH ROW
			WHEN (OLD.next_attempt_at = 'infinity' AND NEW.next_attempt_at < 'infinity' AND NEW.state = 'queued')
			EXECUTE FUNCTION keep_waiting();
		SQL
	my $log = -s $node->logfile;
	$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'delay', ms => 700 });
	my $first = enqueue('update_order', qq({"order_id": $order, "name": "Unlocking"}), q{NULL, 'unlock(truust.requests)'});
	my $second = enqueue('update_order', qq({"order_id": $order, "name": "Behind it"}));
	ok($t->wait_until(sub { failures('not let go', $log) >= 3 }), 'an on_done gives up all advisory locks, and its transaction fails');
	is(own_locks(), 1, 'the worker has its own still');
	$t->sql('INSERT INTO let_go VALUES (true)');
	ends($_, 'done', 'and all goes on') for $first, $second;
	$t->sql('DROP TRIGGER keep_waiting ON truust.requests');
}

# ---------------------------------------------------------------- a 404 that is not the API's

{
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after' });
	$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 404, times => 2, body => '<html>no such page</html>' });
	my $id = enqueue('create_order', '{"name": "Behind a proxy", "value": 3}');
	ends($id, 'done', 'the look asks again');
	is(scalar(grep { $_->{name} eq 'Behind a proxy' } values %{ $t->orders }), 1, 'it was made once');
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- what a person says is noted

{
	$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', do => 'drop', when => 'after' });
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after' });
	$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 403, times => 0, body => '{"message": "not yours"}' });
	my $id = enqueue('create_order', '{"name": "Resolved", "value": 3}');
	ends($id, 'uncertain', 'it cannot be looked up');
	my ($made) = grep { $_->{name} eq 'Resolved' } map { @{ $_->{rows} } } $t->sim(GET => 'rows?kind=orders');
	$t->sql("SELECT truust_resolve_request($id, '{\"id\": $made->{id}, \"status\": \"DRAFT\"}')");
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $made->{id})", 30), 'its order is noted');
	$t->sim(DELETE => 'rules');
}

# The answer as the API gives it, for an attached row.
{
	$t->sql(<<~'SQL');
		CREATE TABLE sales (id int PRIMARY KEY, title text, total numeric, truust_id bigint, payment_status text);
		SELECT truust_attach('sales', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'payment_status');
		SQL
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after' });
	$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 403, times => 0, body => '{"message": "not yours"}' });
	$t->sql(q{INSERT INTO sales VALUES (1, 'Pasted', 3)});
	my $id = $t->sql('SELECT max(id) FROM truust.requests');
	ends($id, 'uncertain', 'an attached row\'s order cannot be looked up');
	my ($made) = grep { $_->{name} eq 'Pasted' } @{ $t->sim(GET => 'rows?kind=orders')->{rows} };
	for my $response ('5', '{}', '{"data": {}}', '{"data": {"status": "DRAFT"}}', '[{"id": 1}]')
	{
		like($t->error("SELECT truust_resolve_request($id, '$response')"),
			qr/22023: response is not what create_order returns.*DETAIL:.*"id".*HINT:.*as the API shows it/s, "$response is no order");
	}
	$t->sql("SELECT truust_resolve_request($id, '{\"data\": {\"id\": $made->{id}, \"status\": \"DRAFT\"}}')");
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $made->{id})", 30), 'the order in an answer is noted');
	is($t->sql('SELECT truust_id, payment_status FROM sales WHERE id = 1'), "$made->{id}|DRAFT", 'and its row is filled in');
	is(row($id, q{state, response ->> 'id'}), "done|$made->{id}", 'and is the response');
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- constraints that could wait for the end

{
	$t->sql(<<~'SQL');
		CREATE TABLE parents (id bigint PRIMARY KEY);
		CREATE TABLE children (parent bigint REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
		CREATE FUNCTION adopt(r truust.requests) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.parents VALUES (r.id);
			INSERT INTO public.children VALUES (r.id);
		END $$;
		CREATE FUNCTION orphan(r truust.requests) RETURNS void LANGUAGE sql AS 'INSERT INTO public.children VALUES (-r.id)';
		CREATE FUNCTION look_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER look_at AFTER UPDATE ON sales DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look_at();
		SQL
	my $good = enqueue('create_order', '{"name": "Parent", "value": 3}', q{NULL, 'adopt(truust.requests)'});
	my $bad = enqueue('create_order', '{"name": "Orphan", "value": 3}', q{NULL, 'orphan(truust.requests)'});
	$t->sql(q{INSERT INTO sales VALUES (2, 'Deferred', 3)});
	ok($t->wait_for("EXISTS (SELECT FROM children WHERE parent = $good)", 30), 'an on_done writes where a constraint is deferred')
	  or diag row($good, 'done_error');
	ok($t->wait_for("(SELECT done_state = 'dead' FROM truust.requests WHERE id = $bad)", 30), 'which holds for it');
	like(row($bad, 'done_error'), qr/violates foreign key constraint/, 'and is its own error');
	ok($t->wait_for(q{(SELECT payment_status = 'DRAFT' FROM sales WHERE id = 2)}, 30), 'and so is an attached row filled in')
	  or diag $t->sql('SELECT id, state, done_state, done_error FROM truust.requests ORDER BY id DESC LIMIT 1');
}

# ---------------------------------------------------------------- a role that is dropped where its requests cannot be seen

{
	$t->sql(<<~'SQL');
		CREATE ROLE sellers; SELECT truust_grant('api', 'sellers'); GRANT USAGE ON FOREIGN SERVER truust TO sellers;
		CREATE USER MAPPING FOR PUBLIC SERVER truust OPTIONS (secret_key 'sk_stage_of_everybody');
		CREATE ROLE short_lived IN ROLE sellers;
		SQL
	$t->sql('CREATE DATABASE elsewhere');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 700, when => 'after' });
	my $id = $t->sql(q{SET ROLE short_lived; SELECT truust_enqueue('create_order', '{"name": "Outlives", "value": 3}')});
	ok($t->wait_until(sub { grep { $_->{name} eq 'Outlives' } @{ $t->sim(GET => 'rows?kind=orders')->{rows} } }), 'its request is under way');
	$t->sql('DROP ROLE short_lived', database => 'elsewhere');
	ends($id, 'done', 'and ends');
	ok($t->wait_for("(SELECT role ~ '^pg_dropped_[0-9]+_short_lived\$' FROM truust.orders WHERE id = (SELECT (response ->> 'id')::bigint FROM truust.requests WHERE id = $id))", 30),
		'and its order is noted') or diag row($id, 'done_state, done_error');
	$t->sql($_) for 'DROP DATABASE elsewhere', 'DROP USER MAPPING FOR PUBLIC SERVER truust';
}

# ---------------------------------------------------------------- null in extra leaves its place to the marker

for my $extra ('{"tag": null}', '{"metadata": null}', '{"tag": null, "metadata": null}')
{
	my $id = enqueue('create_order', qq({"name": "Nulls", "value": 3, "extra": $extra}));
	ends($id, 'done', "extra $extra is sent");
}

# ---------------------------------------------------------------- rows that are elsewhere, and a table that only SQL writes to

# Which request made which order: the answer's name is the request's.
sub mixed_up
{
	return $t->sql(q{SELECT count(*) FROM truust.requests WHERE state = 'done' AND operation = 'create_order' AND response ->> 'name' <> args ->> 'name'});
}

for my $case (
	[ 'rewritten', sub { $t->sql('VACUUM FULL truust.requests') } ],
	[ 'emptied', sub { $t->sql('TRUNCATE truust.requests') } ],
	[ 'emptied and filled', sub {
			$t->sql('TRUNCATE truust.requests');
			$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'later ' || i, 'value', 1)) FROM generate_series(1, 30) i});
		} ],
	[ 'given a constraint', sub { $t->sql('ALTER TABLE truust.requests ADD CONSTRAINT somebodys CHECK (id > 0)') } ])
{
	my ($name, $change) = @$case;

	reload('SET truust.max_in_flight = 10');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', when => 'after', ms => 1000, times => 10 });
	$t->sql(qq{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'then $name ' || i, 'value', 1)) FROM generate_series(1, 20) i});
	ok($t->wait_until(sub { grep { $_->{name} =~ /^then $name / } values %{ $t->orders } }), "under way, then $name");
	$change->();
	$t->sim(DELETE => 'rules');
	ok($t->settled(60), "$name: all end");
	is($t->sql(q{SELECT count(*) FROM truust.requests WHERE state NOT IN ('done', 'uncertain')}), 0, "$name: done");
	is(mixed_up(), 0, "$name: and each has its own answer");
	my %times;
	$times{ $_->{name} }++ for grep { $_->{name} =~ /^(then $name|later) / } values %{ $t->orders };
	is(scalar(grep { $_ > 1 } values %times), 0, "$name: nothing is sent twice");
}
$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'by SQL ' || i, 'value', 1)) FROM generate_series(1, 50) i});
ok($t->settled(60), 'with a constraint of somebody: all end');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE state = 'done' AND args ->> 'name' LIKE 'by SQL %' AND attempts = 1 AND finished_at IS NOT NULL}), 50, 'done');
$t->sql('ALTER TABLE truust.requests DROP CONSTRAINT somebodys');

# ---------------------------------------------------------------- a record whose transaction fails at its end

# What was written is undone with it, and the next attempt begins where this one did.
$t->sql(<<~'SQL');
	CREATE TABLE gate (open boolean);
	CREATE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NOT EXISTS (SELECT FROM public.gate) THEN RAISE EXCEPTION 'held back at the commit'; END IF;
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER hold_back AFTER INSERT ON truust.orders DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION hold_back();
	SQL
{
	my $log = -s $node->logfile;
	my $id = enqueue('create_order', '{"name": "Held back", "value": 3}');
	ok($t->wait_until(sub { failures('held back at the commit', $log) >= 3 }), 'the record fails, and is tried again');
	is(row($id, 'state'), 'sending', 'nothing of it stays');
	$t->sql('INSERT INTO gate VALUES (true)');
	ends($id, 'done', 'until it can be committed');
	is(scalar(grep { $_->{name} eq 'Held back' } values %{ $t->orders }), 1, 'it was sent once');
	$t->sql('DROP TRIGGER hold_back ON truust.orders');
}

# ---------------------------------------------------------------- whose table a name means

# In the foreground a temporary table of the session stands behind all that a search_path names.
$t->sql(<<~'SQL');
	CREATE SCHEMA old_pg_temp;
	CREATE TABLE heard (id bigint);
	CREATE FUNCTION hear(r truust.requests) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO heard VALUES (r.id); END $$;
	SELECT truust_stop_worker();
	SQL
{
	my $id = $t->sql(q{SET search_path = public, old_pg_temp; SELECT truust_enqueue('create_order', '{"name": "Heard", "value": 3}', NULL, 'hear(truust.requests)')});
	$t->sql('CREATE TEMP TABLE heard (id bigint); CALL truust_drain()');
	is($t->sql('SELECT id FROM heard'), $id, 'an on_done writes to the table that its search_path names');
}

done_testing();
