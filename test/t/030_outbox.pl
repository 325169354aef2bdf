# The outbox with a worker: what is committed is sent, once, in order, by the role that asked; what ends calls on_done.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Test::More;
use Time::Piece;
use TruustOutbox;

my $t = TruustOutbox->new;
my $node = $t->node;

# ---------------------------------------------------------------- commit and rollback

$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Bicycle", "value": 120.50}')});
ok($t->settled, 'a committed request ends');
is($t->sql(q{SELECT state, attempts, http_status, response ->> 'status', error IS NULL FROM truust.requests}),
	'done|1|200|DRAFT|t', 'it is done, with the answer');
is($t->sql(q{SELECT o.status, o.name, o.role FROM truust.orders o JOIN truust.requests r ON (r.response ->> 'id')::bigint = o.id}),
	'DRAFT|Bicycle|' . $t->sql('SELECT current_user'), 'its order is noted');

$t->sql(q{BEGIN; SELECT truust_enqueue('create_order', '{"name": "Never", "value": 1}'); ROLLBACK});
$t->sql(q{BEGIN; SAVEPOINT s; SELECT truust_enqueue('create_order', '{"name": "Never", "value": 1}'); ROLLBACK TO s;
	SELECT truust_enqueue('create_order', '{"name": "Second", "value": 2}'); COMMIT});
ok($t->settled, 'the second ends');
is($t->effects('createOrder'), 2, 'a rolled-back request is never sent');

$t->sql(q{BEGIN; SELECT truust_enqueue('create_order', '{"name": "Prepared", "value": 3}'); PREPARE TRANSACTION 'p'});
is($t->sql('SELECT count(*) FROM truust.requests'), 2, 'a prepared transaction is not there yet');
$t->sql(q{COMMIT PREPARED 'p'});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' = 'Prepared' AND state = 'done')}),
	'a request of a prepared transaction is sent after COMMIT PREPARED');

# ---------------------------------------------------------------- the marker

my ($marker) = $t->sql(q{SELECT marker FROM truust.requests WHERE args ->> 'name' = 'Bicycle'});
$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Tagged", "value": 4, "tag": "shop-4711", "metadata": {"cart": 7}}')});
ok($t->settled, 'the tagged one ends');
my @orders = values %{ $t->orders };
my ($bicycle) = grep { $_->{name} eq 'Bicycle' } @orders;
my ($tagged) = grep { $_->{name} eq 'Tagged' } @orders;
is($bicycle->{tag}, "truust:$marker", 'an order without a tag carries the marker as its tag');
is($bicycle->{metadata}{truust_request}, $marker, 'and in its metadata');
is($tagged->{tag}, 'shop-4711', 'a tag of the merchant is not touched');
is($tagged->{metadata}{cart}, 7, 'nor is his metadata');
like($tagged->{metadata}{truust_request}, qr/^[0-9a-f-]{36}$/, 'which has the marker beside it');

# ---------------------------------------------------------------- on_done

$t->sql(<<~'SQL');
	CREATE TABLE ended (id bigint, state text, who text, response jsonb);
	CREATE ROLE shop;
	GRANT INSERT ON ended TO shop;
	GRANT USAGE, CREATE ON SCHEMA public TO shop;
	GRANT USAGE ON FOREIGN SERVER truust TO shop;
	CREATE USER MAPPING FOR shop SERVER truust OPTIONS (secret_key 'sk_stage_of_the_shop');
	SELECT truust_grant('api', 'shop');
	SET ROLE shop;
	CREATE FUNCTION at_end(r truust.requests) RETURNS void LANGUAGE sql
		AS 'INSERT INTO ended VALUES ((r).id, (r).state, current_user, (r).response)';
	CREATE FUNCTION fails(r truust.requests) RETURNS void LANGUAGE plpgsql
		AS 'BEGIN RAISE EXCEPTION ''not today''; END';
	SQL
my $id = $t->sql(q{SET ROLE shop; SELECT truust_enqueue('create_customer', '{"email": "a@example.test", "name": "A"}', on_done => 'at_end(truust.requests)')});
ok($t->settled, 'the request with on_done ends');
is($t->sql("SELECT state, who, response ->> 'email' FROM ended WHERE id = $id"), 'done|shop|a@example.test',
	'on_done ran once, as the role that enqueued, with the row as it ended');

$id = $t->sql(q{SET ROLE shop; SELECT truust_enqueue('create_order', jsonb_build_object('name', repeat('x', 121), 'value', 1), on_done => 'at_end(truust.requests)')});
ok($t->settled, 'a refused request ends');
is($t->sql("SELECT state, attempts, http_status FROM truust.requests WHERE id = $id"), 'failed|1|422', 'as failed, at once');
like($t->sql("SELECT error FROM truust.requests WHERE id = $id"), qr/name: /, 'with the field errors');
is($t->sql("SELECT state FROM ended WHERE id = $id"), 'failed', 'and calls on_done too');

$node->append_conf('postgresql.conf', 'truust.max_attempts = 3');
$node->reload;
$id = $t->sql(q{SET ROLE shop; SELECT truust_enqueue('create_order', '{"name": "Kept", "value": 5}', on_done => 'fails(truust.requests)')});
ok($t->wait_for("(SELECT done_state = 'dead' FROM truust.requests WHERE id = $id)"), 'an on_done that fails becomes a dead letter');
is($t->sql("SELECT state, response ->> 'name', done_attempts, done_error ~ 'not today' FROM truust.requests WHERE id = $id"),
	'done|Kept|3|t', 'and loses nothing of the answer');
is($t->sql(q{SELECT count(*) FROM truust.orders WHERE name = 'Kept'}), 0, 'nothing of what follows is half done');
$t->sql(q{CREATE OR REPLACE FUNCTION fails(r truust.requests) RETURNS void LANGUAGE sql AS 'SELECT'});
$t->sql("SELECT truust_retry_request($id)");
ok($t->wait_for("(SELECT done_state = 'done' FROM truust.requests WHERE id = $id)"), 'after the fix it is repeated');
is($t->effects('createOrder'), 5, 'without sending anything again');

# ---------------------------------------------------------------- whose rows

is($t->sql(q{SET ROLE shop; SELECT count(*) FROM truust.requests WHERE role <> 'shop'}), 0, 'a role sees its own rows');
cmp_ok($t->sql(q{SET ROLE shop; SELECT count(*) FROM truust.requests}), '>', 2, 'all of them');
like($t->error(q{SET ROLE shop; SELECT truust_cancel_request(1)}), qr/P0002/, 'and cancels no others');

# ---------------------------------------------------------------- order

$t->sim(DELETE => 'requests');
$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Grouped", "value": 6}')});
ok($t->settled, 'an order to work on');
my $order = $t->sql(q{SELECT response ->> 'id' FROM truust.requests WHERE args ->> 'name' = 'Grouped'});
$t->sql(qq{SELECT truust_enqueue('update_order', jsonb_build_object('order_id', $order, 'name', 'step ' || i)) FROM generate_series(1, 40) i});
ok($t->settled, 'forty requests of one order end');
my @names = map { $_->{body}{name} } @{ $t->sim(GET => 'requests?operation=updateOrder')->{requests} };
is_deeply(\@names, [ map { "step $_" } 1 .. 40 ], 'they went out one after the other, in order');

$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'status', status => 422, times => 1 });
$t->sql(qq{SELECT truust_enqueue('update_order', jsonb_build_object('order_id', $order, 'name', 'after ' || i)) FROM generate_series(1, 2) i});
ok($t->settled, 'a refusal');
is($t->sql(q{SELECT string_agg(state, ',' ORDER BY id) FROM truust.requests WHERE args ->> 'name' LIKE 'after%'}), 'failed,done',
	'a failed request lets the next of its group go');

$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', do => 'drop', when => 'after', times => 1 });
my $receipt = $t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $order}')});
$t->sql(qq{SELECT truust_enqueue('update_order', '{"order_id": $order, "name": "held"}')});
ok($t->wait_for("(SELECT state = 'uncertain' FROM truust.requests WHERE id = $receipt)"), 'an outcome that cannot be found out is uncertain');
ok($t->wait_for(q{(SELECT next_attempt_at = 'infinity' AND state = 'queued' FROM truust.requests WHERE args ->> 'name' = 'held')}),
	'and holds its group back');
$t->sql(qq{SELECT truust_resolve_request($receipt, '{"id": $order}')});
ok($t->settled, 'until it is resolved');
is($t->sql(q{SELECT state FROM truust.requests WHERE args ->> 'name' = 'held'}), 'done', 'then the next one goes');
is($t->effects('sendOrderReceipt') + 0, $t->calls('sendOrderReceipt') + 0, 'nothing uncertain was sent again');

# ---------------------------------------------------------------- trouble on the way

for my $case (
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7}', 'drop', 'before' ],
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7}', 'drop', 'after' ],
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7}', 'reset', 'after' ],
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7}', 'truncate', 'after' ],
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7}', 'garbage', 'after' ],
	[ 'createOrder', 'create_order', '{"name": "T", "value": 7, "tag": "mine"}', 'drop', 'after' ],
	[ 'createWallet', 'create_wallet', '{"currency": "EUR"}', 'drop', 'after' ],
	[ 'createBundle', 'create_bundle', '{"name": "B"}', 'drop', 'after' ],
	[ 'createCustomer', 'create_customer', '{"email": "b@example.test"}', 'drop', 'before' ])
{
	my ($api, $operation, $args, $do, $when) = @$case;
	my $before = $t->effects($api);
	$t->sim(POST => 'rules', { operation => $api, do => $do, when => $when, times => 1 });
	my $request = $t->sql("SELECT truust_enqueue('$operation', '$args')");
	ok($t->settled, "$operation, $do $when: it ends");
	is($t->sql("SELECT state FROM truust.requests WHERE id = $request"), 'done', "$operation, $do $when: done");
	is($t->effects($api), $before + 1, "$operation, $do $when: once");
}

$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 429, headers => { 'Retry-After' => '1' }, times => 2 });
my $slowed = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Slowed", "value": 8}')});
ok($t->settled, 'a rate limit is waited out');
is($t->sql("SELECT state FROM truust.requests WHERE id = $slowed"), 'done', 'however often it says so');

# ---------------------------------------------------------------- accepting twice is not an error

$t->sim(POST => "orders/$order/pay", { outcome => 'confirmed' }) if eval {
	$t->sql(qq{SELECT truust_create_payin($order, 'REDSYS_V2')}); 1 };
$t->sim(POST => 'rules', { operation => 'acceptOrder', do => 'drop', when => 'after', times => 1 });
my $accept = $t->sql(qq{SELECT truust_enqueue('accept_order', '{"order_id": $order}')});
ok($t->settled, 'accept, its answer lost');
is($t->sql("SELECT state, response ->> 'status' FROM truust.requests WHERE id = $accept"), 'done|ACCEPTED', 'is found done by the order\'s state');
is($t->sql("SELECT status FROM truust.orders WHERE id = $order"), 'ACCEPTED', 'and the order has moved');
is($t->effects('acceptOrder'), 1, 'once');

# ---------------------------------------------------------------- pause, cancel, outage

$t->sql(q{SELECT truust_pause('requests', 'test')});
my $paused = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Paused", "value": 9}')});
my $taken = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Taken back", "value": 9}')});
my $count = $t->calls('createOrder');
$t->sql("SELECT truust_cancel_request($taken)");
like($t->error("SELECT truust_cancel_request($taken)"), qr/55000.*failed/s, 'only a queued request can be cancelled');
is($t->calls('createOrder'), $count, 'while paused nothing is sent');
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, 'after truust_resume it goes on');
is($t->sql("SELECT string_agg(state, ',' ORDER BY id) FROM truust.requests WHERE id IN ($paused, $taken)"), 'done,failed', 'with what was not taken back');
is($t->calls('createOrder'), $count + 1, 'only');
like($t->error("SELECT truust_cancel_request($paused)"), qr/55000.*request $paused cannot be cancelled: it is done.*Only a queued request/s, 'what is done is not cancelled');
like($t->error("SELECT truust_retry_request($paused)"), qr/55000.*request $paused cannot be retried: it is done.*Only a failed or an uncertain request/s, 'nor sent again');
like($t->error("SELECT truust_resolve_request($paused, '{}')"), qr/55000.*request $paused cannot be resolved: it is done.*Only an uncertain request/s, 'nor resolved');
like($t->error('SELECT truust_retry_request(987654321)'), qr/P0002.*there is no request 987654321/s, 'what is not there is said to be so');
$t->sql("SELECT truust_retry_request($taken)");
ok($t->settled, 'who changes his mind has it sent');
is($t->sql("SELECT state, attempts FROM truust.requests WHERE id = $taken"), 'done|1', 'and it is');

$t->kill_simulator;
$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'Outage', 'value', i)) FROM generate_series(1, 300) i});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' = 'Outage' AND error IS NOT NULL)}), 'an outage is noticed');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' = 'Outage' AND state <> 'queued' AND state <> 'sending'}), 0, 'and ends no request');
cmp_ok($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' = 'Outage' AND error IS NOT NULL}), '<', 100,
	'only a few find out');
$t->start_simulator;
ok($t->settled, 'afterwards all are sent');
is($t->sql(q{SELECT count(DISTINCT response ->> 'id') FROM truust.requests WHERE args ->> 'name' = 'Outage' AND state = 'done'}), 300, 'each once');

# ---------------------------------------------------------------- how many, how fast

# When requests of an operation came in, in seconds.
sub arrivals
{
	my ($operation) = @_;
	return map {
		my ($whole, $fraction) = $_->{at} =~ /^([^.Z+]+)(\.\d+)?/;
		Time::Piece->strptime($whole, '%Y-%m-%dT%H:%M:%S')->epoch + ($fraction // 0)
	} @{ $t->sim(GET => "requests?operation=$operation")->{requests} };
}

$t->sim(DELETE => 'requests');
$t->sim(POST => 'settings', { delay_ms => 100 });
$node->append_conf('postgresql.conf', 'truust.max_in_flight = 4');
$node->reload;
$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'Bounded', 'value', i)) FROM generate_series(1, 40) i});
ok($t->settled, 'forty requests, each of which takes 100 ms');
my @at = arrivals('createOrder');
is(scalar @at, 40, 'each was sent once');
ok(!(grep { $at[ $_ + 4 ] - $at[$_] < 0.099 } 0 .. 35), 'never more than truust.max_in_flight at once');
cmp_ok($at[39] - $at[0], '<', 3.5, 'and not one after the other');
$t->sim(POST => 'settings', { delay_ms => 0 });

$t->sim(DELETE => 'requests');
$node->append_conf('postgresql.conf', "truust.max_in_flight = 16\ntruust.max_requests_per_second = 20");
$node->reload;
$t->sql(q{SELECT truust_enqueue('create_order', jsonb_build_object('name', 'Rated', 'value', i)) FROM generate_series(1, 60) i});
ok($t->settled, 'sixty requests at twenty a second');
@at = arrivals('createOrder');
cmp_ok($at[59] - $at[0], '>', 1.9, 'take as long as they must, but for the first second\'s worth');
$node->append_conf('postgresql.conf', 'truust.max_requests_per_second = 0');
$node->reload;

# 429 with Retry-After: the worker waits, enqueuing does not.
$t->sim(DELETE => 'requests');
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 429, headers => { 'Retry-After' => '2' }, times => 1 });
$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Limited", "value": 1}')});
ok($t->wait_until(sub { $t->calls('createOrder') == 1 }), 'an answer 429');
$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Limited", "value": 1}') FROM generate_series(1, 5)});
ok($t->settled, 'is waited out');
@at = arrivals('createOrder');
cmp_ok($at[1] - $at[0], '>=', 1.9, 'by all of them for as long as Retry-After says');
is($t->sql(q{SELECT max(attempts) FROM truust.requests WHERE args ->> 'name' = 'Limited' AND state <> 'done'}), '', 'and none fails');

# Without Retry-After the pauses double up to truust.max_retry_delay; the upper half of each is chance.
$t->sim(DELETE => 'requests');
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 429, times => 14 });
$t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Growing", "value": 1}')});
ok($t->settled, 'an API that keeps refusing');
@at = arrivals('createOrder');
is(scalar @at, 15, 'is asked again and again');
my @pauses = map { $at[ $_ + 1 ] - $at[$_] } 0 .. 13;
my @longest = map { my $doubled = 0.05 * 2**$_; $doubled < 0.5 ? $doubled : 0.5 } 0 .. 13;
ok(!(grep { $pauses[$_] < $longest[$_] / 2 - 0.002 } 0 .. 13), 'after pauses that grow') or diag "@pauses";
ok((grep { $pauses[$_] < $longest[$_] } 4 .. 13), 'and have their part of chance') or diag "@pauses";

# ---------------------------------------------------------------- the same key from many at once

$t->sim(DELETE => 'requests');
$node->pgbench('--no-vacuum --client=8 --jobs=2 --transactions=20', 0, [qr/processed: 160\/160/], [qr/^$/], 'one key from eight sessions',
	{ '030_key' => q{\set n random(1, 5)
SELECT truust_enqueue('create_order', '{"name": "Keyed", "value": 1}', key => 'cart-' || :n);} });
ok($t->settled, 'they end');
is($t->sql(q{SELECT count(*), count(DISTINCT key) FROM truust.requests WHERE args ->> 'name' = 'Keyed'}), '5|5', 'and left one request for each key');
is($t->effects('createOrder'), 5, 'which had one effect');

# ---------------------------------------------------------------- history

$t->sql(q{UPDATE truust.requests SET finished_at = now() - interval '100 days' WHERE args ->> 'name' = 'Keyed';
	SELECT truust_enqueue('create_order', '{"name": "Kept waiting", "value": 1}') FROM (SELECT truust_pause('requests', 'test')) p;
	UPDATE truust.requests SET created_at = now() - interval '100 days' WHERE state = 'queued'});
$t->sql('CALL truust_drain()');
ok($t->wait_for(q{NOT EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' = 'Keyed')}), 'what ended before truust.retention is removed');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' IN ('Kept waiting', 'Limited')}), 7, 'what is younger, or has not ended, is not');
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, 'and is sent');

done_testing();
