# What the API says and not what a body says: one look for each order of a batch, many at once and never inside a
# transaction; an API that is away, slow or refuses delays and drops nothing; what webhooks missed is found by looking.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'fetch', conf => <<~CONF);
	truust.webhook_trust = fetch
	truust.sync_interval = 0
	truust.max_connections = 8
	CONF
my $node = $t->node;
my $EMPTY = q{NOT EXISTS (SELECT FROM truust.webhooks WHERE state <> 'dead')};

$t->sql(<<~'SQL');
	CREATE TABLE heard (order_id bigint, event text, status text);
	CREATE FUNCTION hear(e truust_event) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.heard VALUES (e.order_id, e.event, e.status) $$;
	SELECT truust_on('*', 'hear(truust_event)');
	SQL

# So many orders there, of which nobody tells; returns the first and the last.
sub orders
{
	my ($count, $status) = @_;
	my $made = $t->sim(POST => 'orders/bulk', { count => $count, status => $status });
	return ($made->{first_id}, $made->{last_id});
}

# An order moves at Truust, and no webhook says so.
sub move
{
	my ($status, @ids) = @_;
	$t->sim(POST => "orders/$_/status", { status => $status }) for @ids;
	return;
}

# A webhook for each of these orders; what it claims is in the event's name and the status.
sub webhooks
{
	my ($first, $last, $event, $status) = @_;
	$t->sql(qq{SELECT count(truust_receive_webhook(format('[{"escrow": {"id": "%s", "status": "$status"}}]', i), '$event'))
		FROM generate_series($first, $last) i});
	return;
}

sub statuses
{
	my ($first, $last) = @_;
	return $t->sql("SELECT string_agg(DISTINCT status, ' ') || ' ' || count(*) FROM truust.orders WHERE id BETWEEN $first AND $last");
}

sub clear { return $t->sim(DELETE => 'requests') }
sub no_rules { return $t->sim(DELETE => 'rules') }

# ---------------------------------------------------------------- once for each order, many at once, in no transaction

my ($first, $last) = orders(50, 'ACCEPTED');
clear();
$t->sql(q{SELECT truust_pause('webhooks')});
webhooks($first, $last, 'order.published', 'PUBLISHED');
webhooks($first, $last, 'order.accepted', 'ACCEPTED');
webhooks($first, $last, 'order.accepted', 'ACCEPTED');
webhooks($first, $last, 'order.whatever', 'ACCEPTED');
$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for($EMPTY), 'a batch of four events for each order is applied');
is($t->calls('getOrder'), 50, 'each order was looked at once');
is(statuses($first, $last), 'ACCEPTED 50', 'and has the status that the API gives');
is($t->sql('SELECT count(*) FROM heard WHERE status <> ' . q{'ACCEPTED'} . " AND event <> 'order.published'"), 0, 'as handlers were told');

($first, $last) = orders(30, 'PUBLISHED');
clear();
$t->sim(POST => 'rules', { operation => 'getOrder', do => 'hang', times => 0 });
webhooks($first, $last, 'order.published', 'PUBLISHED');
ok($t->wait_until(sub { $t->calls('getOrder') == 8 }), 'as many requests at once as truust.max_connections');
for my $try (1 .. 5)
{
	is($t->sql(q{SELECT count(*), count(xact_start), count(backend_xmin) FROM pg_stat_activity WHERE backend_type = 'truust webhooks'}),
		'1|0|0', "while the API does not answer there is no transaction ($try)");
}
is($t->sql(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE a.backend_type = 'truust webhooks' AND l.relation IS NOT NULL}), 0, 'and no lock on a table');
is($t->error(qq{SET lock_timeout = '5s';\nBEGIN;\nLOCK TABLE truust.webhooks, truust.orders;\nCOMMIT;\nVACUUM truust.webhooks}), '', 'nobody waits for it');
is($t->calls('getOrder'), 8, 'no more requests than that meanwhile');
no_rules();
ok($t->wait_for($EMPTY), 'when it answers, all are applied');
is(statuses($first, $last), 'PUBLISHED 30', 'with what it says');

# ---------------------------------------------------------------- an API that is away, slow, or refuses

sub fails_for_a_while
{
	my ($name, $fail, $mend, $enough) = @_;
	my ($from, $to) = orders(20, 'PUBLISHED');

	clear();
	$fail->();
	webhooks($from, $to, 'order.published', 'PUBLISHED');
	ok($t->wait_until($enough), "$name: it is tried");
	is($t->sql('SELECT count(*) FROM truust.webhooks WHERE state <> ' . q{'dead'}), 20, "$name: nothing is dropped");
	is($t->sql(q{SELECT count(*) FROM truust.webhooks WHERE state = 'dead'}), 0, "$name: and nothing given up");
	is($t->sql("SELECT count(*) FROM truust.orders WHERE id BETWEEN $from AND $to"), 0, "$name: and nothing applied at a body's word");
	$mend->();
	ok($t->wait_for($EMPTY), "$name: applied when it is over");
	is(statuses($from, $to), 'PUBLISHED 20', "$name: as the API says");
	return;
}

sub says
{
	my ($like) = @_;
	return sub { return $t->sql(q{SELECT last_error FROM truust_status() WHERE worker = 'webhooks'}) =~ $like };
}

fails_for_a_while('away', sub { $t->kill_simulator }, sub { $t->start_simulator }, says(qr/left alone for \d+ ms/));
for my $case ([ 503, qr/left alone.*503/s ], [ 401, qr/left alone.*(401|key)/s ], [ 429, qr/left alone for \d{4,} ms/, { 'Retry-After' => '1' } ])
{
	my ($status, $like, $headers) = @$case;
	fails_for_a_while($status, sub {
		$t->sim(POST => 'rules', { operation => 'getOrder', do => 'status', status => $status, times => 0, $headers ? (headers => $headers) : () });
	}, \&no_rules, says($like));
}
fails_for_a_while('slow', sub { $t->sim(POST => 'rules', { operation => 'getOrder', do => 'hang', times => 0 }) }, \&no_rules,
	sub { return $t->calls('getOrder') > 0 });

# ---------------------------------------------------------------- forged and unknown

($first, $last) = orders(5, 'PUBLISHED');
$t->sql('TRUNCATE heard');
clear();
webhooks($first, $last, 'order.released', 'RELEASED');
ok($t->wait_for($EMPTY), 'forged bodies are dealt with');
is($t->calls('getOrder'), 5, 'at the cost of one look each');
is($t->sim(GET => 'requests/count')->{count}, 5, 'and of nothing else');
is($t->sql("SELECT count(*) FROM truust.orders WHERE id BETWEEN $first AND $last AND status <> 'PUBLISHED'"), 0, 'no order is what they claim');
is($t->sql(q{SELECT count(*) FROM heard WHERE status = 'RELEASED' OR event = 'order.released'}), 0, 'no handler hears of it');

# A stranger who knows where an order stands chooses the name, and so the handlers: it is nothing that the API does not say.
$t->sql('TRUNCATE heard');
webhooks($first, $last, 'order.released', 'PUBLISHED');
webhooks($first, $last, 'order.refunded', 'PUBLISHED');
webhooks($first, $last, 'payin.confirmed', 'PUBLISHED');
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $first}}'::text, 'order.cancelled')});
ok($t->wait_for($EMPTY), 'forged names are dealt with');
is($t->sql('SELECT count(*) FROM heard'), 0, 'no handler hears of them');
is($t->sql("SELECT string_agg(DISTINCT event, ' ' ORDER BY event) FROM truust.events WHERE outcome = 'unconfirmed' AND order_id BETWEEN $first AND $last"),
	'order.cancelled order.refunded order.released payin.confirmed', 'the history says that nothing confirmed them');

# ---------------------------------------------------------------- an answer that is older than what is known

# The API answers late; meanwhile a call in a transaction that began before it was asked accepts the order.
sub accepted_meanwhile
{
	my ($name, $ask) = @_;
	my ($id) = orders(1, 'PUBLISHED');
	my ($said, $complaint) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $say, '>', \$said, '2>', \$complaint);

	webhooks($id, $id, 'order.published', 'PUBLISHED');
	ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $id AND status = 'PUBLISHED') AND $EMPTY"), "$name: an order is published");
	$say = "BEGIN; SELECT 'begun';\n";
	$session->pump until $said =~ /begun/;
	clear();
	$t->sim(POST => 'rules', { operation => 'getOrder', path => "/orders/$id", do => 'delay', when => 'after', ms => 1500 });
	my $asking = $ask->($id);
	ok($t->wait_until(sub { $t->calls('getOrder') > 0 }), "$name: the API is asked");
	$say = "SELECT status FROM truust_accept_order($id); COMMIT;\n\\q\n";
	$session->finish;
	like($said, qr/ACCEPTED/, "$name: and the order accepted before it answers $complaint");
	$asking->finish if $asking;
	no_rules();
	ok($t->wait_for($EMPTY), "$name: then the answer comes");
	is(statuses($id, $id), 'ACCEPTED 1', "$name: the order is not taken back");
	return $id;
}

{
	my $id = accepted_meanwhile('a webhook', sub {
		$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $_[0], "status": "PUBLISHED"}, "payin": {"id": 1}}'::text, 'order.published')});
		return;
	});
	is($t->sql("SELECT outcome FROM truust.events WHERE order_id = $id AND event = 'order.published' ORDER BY id DESC LIMIT 1"), 'stale', 'the event is stale');
	accepted_meanwhile('truust_sync_orders()', sub {
		return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SELECT * FROM truust_sync_orders(now() + interval '3 days')} ],
			'>', \my $out, '2>', \my $err);
	});
}

webhooks(999_999_999, 999_999_999, 'order.released', 'RELEASED');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters)}), 'an order that the account does not know is a dead letter');
like($t->sql('SELECT reason FROM truust.dead_letters'), qr/does not know order 999999999/, 'with that reason');
$t->sql(q{SELECT truust_discard_webhook(id, 'unknown') FROM truust.dead_letters});
is($t->sql('SELECT count(*) FROM truust.dead_letters'), 0, 'which can be discarded');

# An order that the API refuses to show is its own trouble, alone and among others; answers without sense are the server's.
($first, $last) = orders(3, 'PUBLISHED');
$t->sim(POST => 'rules', { operation => 'getOrder', path => "/orders/$first", do => 'status', status => 403, times => 0 });
webhooks($first, $first, 'order.published', 'PUBLISHED');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.webhooks WHERE attempts > 0 AND error ~ '403')}), 'an order that the API refuses: its webhook waits, and says why');
webhooks($last, $last, 'order.published', 'PUBLISHED');
ok($t->wait_for("EXISTS (SELECT FROM truust.orders WHERE id = $last)"), 'others go on');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.dead_letters WHERE reason ~ '403')}), 'and in the end it is a dead letter');
no_rules();
$t->sql('SELECT truust_retry_webhook(id) FROM truust.dead_letters');
ok($t->wait_for($EMPTY), 'which can be tried again');
is(statuses($first, $first), 'PUBLISHED 1', 'once it is shown');
fails_for_a_while('nonsense', sub { $t->sim(POST => 'rules', { operation => 'getOrder', do => 'garbage', body => '<html>', times => 0 }) }, \&no_rules,
	says(qr/left alone for \d+ ms.*JSON/s));

# ---------------------------------------------------------------- truust_sync_orders()

sub sync
{
	return $t->sql(q{SELECT * FROM truust_sync_orders(now() - interval '1 day') ORDER BY 1});
}

sync();
ok($t->wait_for($EMPTY), 'all orders are known');
is(sync(), '', 'truust_sync_orders(): nothing has drifted');
($first, $last) = orders(120, 'PUBLISHED');
move('ACCEPTED', 100_001 .. 100_003);
move('RELEASED', 100_004);
clear();
$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 422, after => 1 });
isnt($t->error(q{SELECT * FROM truust_sync_orders(now() - interval '1 day')}), '', 'it is ended amid the list');
is($t->sql('SELECT count(*) FROM truust.webhooks'), 0, 'nothing of it stays');
no_rules();
clear();
is(sync(), join("\n", '100004|truust|ACCEPTED|RELEASED', map { "$_|truust||PUBLISHED" } $first .. $last), 'done again, it reports what drifted');
cmp_ok($t->calls('listOrders'), '<=', 4, 'with a page for each hundred');
ok($t->wait_for($EMPTY), 'and heals it');
is(statuses(100_004, 100_004), 'RELEASED 1', 'an order that is known');
is(statuses($first, $last), 'PUBLISHED 120', 'and those that are not');
is($t->sql("SELECT DISTINCT source FROM truust.events WHERE order_id BETWEEN $first AND $last"), 'sync', 'whose history says by what');
is(sync(), '', 'then nothing has drifted');

# Together with webhooks of the same orders.
$t->sql(q{SELECT truust_pause('webhooks')});
move('ACCEPTED', $first .. $first + 9);
sync();
move('RELEASED', $first .. $first + 9);
webhooks($first, $first + 9, 'order.released', 'RELEASED');
webhooks($first, $first + 9, 'order.accepted', 'ACCEPTED');
sync();
$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for($EMPTY), 'webhooks and looks at the same orders');
is(statuses($first, $first + 9), 'RELEASED 10', 'end with the last status');
is($t->sql(qq{SELECT count(*) FROM truust.events e WHERE outcome = 'applied' AND order_id BETWEEN $first AND $first + 9
	AND previous_status = 'RELEASED' AND status <> 'RELEASED'}), 0, 'and never went back');
is($t->sql(qq{SELECT count(*) FROM (SELECT FROM heard WHERE order_id BETWEEN $first AND $first + 9 AND status = 'RELEASED' AND event = 'order.released'
	GROUP BY order_id HAVING count(*) > 1) twice}), 0, 'nor were told twice');

# In one batch, what a list said before and what the API says now.
$t->sql(q{SELECT truust_pause('webhooks')});
move('ACCEPTED', $first + 10);
sync();
move('RELEASED', $first + 10);
webhooks($first + 10, $first + 10, 'order.accepted', 'ACCEPTED');
$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for($EMPTY), 'a list and a later look at the same order');
is(statuses($first + 10, $first + 10), 'RELEASED 1', 'the later one counts');

# ---------------------------------------------------------------- the worker's own looks

move('ACCEPTED', $first + 20 .. $first + 29);
clear();
$t->sql(q{ALTER SYSTEM SET truust.sync_interval = '1s'});
$t->sql('SELECT pg_reload_conf()');
ok($t->wait_for(qq{(SELECT count(*) = 10 FROM truust.orders WHERE id BETWEEN $first + 20 AND $first + 29 AND status = 'ACCEPTED')}),
	'orders that stand unfinished are looked at by themselves');
is($t->sql(qq{SELECT DISTINCT source FROM truust.events WHERE order_id BETWEEN $first + 20 AND $first + 29 AND status = 'ACCEPTED'}),
	'sync', 'as the history says');
is(scalar(grep { $_->{path} =~ m{/orders/(\d+)$} && $1 >= $first && $1 <= $first + 9 }
	@{ $t->sim(GET => 'requests?operation=getOrder')->{requests} }), 0, 'finished ones are not');
no_rules();

# ---------------------------------------------------------------- what bears an event out

# A provider's name in a payment's event says nothing of its status.
my $paid = $t->sql(q{SELECT id FROM truust_create_order('Paid', 10)});
my $payin = $t->sql("SELECT id FROM truust_create_payin($paid, 'REDSYS_V2')");
$t->sim(POST => "orders/$paid/pay", { outcome => 'confirmed' });
for my $name ('PayinEPGConfirmed', 'PayinEPGDenied')
{
	$t->sql(qq{SELECT truust_receive_webhook('[{"escrow": {"id": "$paid", "status": "PUBLISHED"}, "payin": {"id": $payin, "status": "CONFIRMED"}}]', '$name')});
}
ok($t->wait_for($EMPTY), "a payment's events with a provider's name in them");
is($t->sql("SELECT string_agg(event || ' ' || outcome, ', ' ORDER BY id) FROM truust.events WHERE order_id = $paid AND event LIKE 'payin%'"),
	'payin.epg_confirmed applied, payin.epg_denied unconfirmed', '... are borne out by the status, or not');
is($t->sql("SELECT string_agg(event, ', ') FROM heard WHERE order_id = $paid AND event LIKE 'payin%'"), 'payin.epg_confirmed', '... and handled');

# A buyer whose payment failed has paid again: the first payin's event is borne out by what the API says of that payin.
$t->sql(<<~'SQL');
	CREATE TABLE told (n int GENERATED ALWAYS AS IDENTITY, event text, payin_id bigint, payout_id bigint, body_id text);
	CREATE FUNCTION tell(e truust_event) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.told (event, payin_id, payout_id, body_id)
		SELECT e.event, e.payin_id, e.payout_id, e.body -> split_part(e.event, '.', 1) ->> 'id' WHERE e.event ~ '^pay(in|out)[.]' $$;
	SELECT truust_on('*', 'tell(truust_event)');
	SQL

# An order with a payin that was denied and one that was confirmed.
sub paid_twice
{
	my $id = $t->sql(q{SELECT id FROM truust_create_order('Paid twice', 10)});
	$t->sim(POST => "orders/$id/pay", { outcome => $_ }) for 'denied', 'confirmed';
	my ($first, $last) = sort { $a <=> $b } map { $_->{id} } grep { $_->{order_id} == $id } @{ $t->sim(GET => 'rows?kind=payins')->{rows} };
	return ($id, $first, $last);
}

# An event of a payment of the order.
sub payment
{
	my ($order, $payment, $event, $status) = @_;
	my ($kind) = $event =~ /^(\w+)[.]/;
	$t->sql(qq{SELECT truust_receive_webhook('[{"escrow": {"id": "$order"}, "$kind": {"id": $payment, "status": "$status"}}]', '$event')});
	return;
}

sub payments
{
	my ($order) = @_;
	return $t->sql("SELECT string_agg(concat_ws(' ', event, outcome, payin_id, payout_id), ', ' ORDER BY id) FROM truust.events WHERE order_id = $order AND event ~ '^pay(in|out)[.]'");
}

my ($twice, $denied, $confirmed) = paid_twice();
my ($other, undef, $others) = paid_twice();
clear();
$t->sql(q{SELECT truust_pause('webhooks')});
payment($twice, $denied, 'payin.denied', 'DENIED');
payment($twice, $denied, 'payin.created', 'CREATED');
payment($twice, $confirmed, 'payin.confirmed', 'CONFIRMED');
payment($twice, $denied, 'payin.confirmed', 'CONFIRMED');
payment($twice, $others, 'payin.confirmed', 'CONFIRMED');
payment($twice, 999_999_999, 'payin.confirmed', 'CONFIRMED');
$t->sql(q{SELECT truust_resume('webhooks')});
ok($t->wait_for($EMPTY), 'events of two payins of one order, and of others');
is(payments($twice), "payin.denied applied $denied, payin.created applied $denied, payin.confirmed applied $confirmed, "
	. "payin.confirmed unconfirmed $denied, payin.confirmed unconfirmed $others, payin.confirmed unconfirmed 999999999",
	'... are what the API says of each, if it is this order\'s');
is($t->sql('SELECT string_agg(concat_ws(\' \', event, payin_id, body_id), \', \' ORDER BY n) FROM told'),
	"payin.denied $denied $denied, payin.created $denied $denied, payin.confirmed $confirmed $confirmed", '... handlers hear of the payin that it is');
is($t->sql("SELECT string_agg(concat_ws(' ', id, status), ', ' ORDER BY id) FROM truust.payins WHERE order_id = $twice"), "$denied DENIED, $confirmed CONFIRMED",
	'... and so does the table');
is(join(' ', map { $t->calls($_) } qw(getOrder getOrderPayin getPayin)), '1 1 3', '... with one request for the order, its payin, and each other one');
clear();
payment($other, $others, 'payin.confirmed', 'CONFIRMED');
ok($t->wait_for($EMPTY), 'an event of the payin that the order shows');
is($t->calls('getPayin'), 0, '... costs nothing more');

# Where the API does not say whose a payin is, the table does.
for my $case ([ 1, 'applied' ], [ 0, 'unconfirmed' ])
{
	my ($known, $outcome) = @$case;
	my ($id, $first) = paid_twice();

	$t->sql("INSERT INTO truust.payins (id, server, order_id) VALUES ($first, 'truust', $id)") if $known;
	$t->sim(POST => 'rules', { operation => 'getPayin', do => 'status', status => 200, body => qq({"data":{"id":$first,"status":"DENIED"}}) });
	payment($id, $first, 'payin.denied', 'DENIED');
	ok($t->wait_for($EMPTY), 'a payin of which the API does not say whose it is');
	is(payments($id), "payin.denied $outcome $first", "... is $outcome");
	no_rules();
}

# A payin that links to its order is noted with it, whatever the call names.
my ($linked, $link) = paid_twice();
$t->sql("SELECT truust_sync_payin($link)");
is($t->sql("SELECT order_id FROM truust.payins WHERE id = $link"), $linked, 'a payin is known to be its order\'s by the link to it');

# Without an answer the event waits, and those of other orders do not; what is refused is as good as not there.
for my $case ([ 500, '{}', 'applied' ], [ 503, '<html>', 'applied' ], [ 403, '{"message":"No."}', 'unconfirmed' ])
{
	my ($status, $body, $outcome) = @$case;
	my ($id, $first, $last) = paid_twice();

	$t->sim(POST => 'rules', { operation => 'getPayin', do => 'status', status => $status, body => $body, times => 0 });
	payment($id, $first, 'payin.denied', 'DENIED');
	payment($other, $others, "payin.confirmed", "CREATED");
	if ($outcome eq 'applied')
	{
		ok($t->wait_for("EXISTS (SELECT FROM truust.webhooks WHERE order_id = $id AND error ~ 'looking at the payin failed: HTTP status $status')"), "$status for a payin: its event waits");
		ok($t->wait_for("NOT EXISTS (SELECT FROM truust.webhooks WHERE order_id = $other)"), '... and nothing else');
		no_rules();
	}
	ok($t->wait_for($EMPTY), "$status for a payin");
	is(payments($id), "payin.denied $outcome $first", "... is $outcome");
	no_rules();
}

# The same of payouts.
my ($sold) = orders(1, 'RELEASED');
$t->sim(POST => 'rules', { operation => 'getOrderPayout', do => 'status', status => 200, body => '{"data":{"id":8,"status":"CREATED"}}' });
$t->sim(POST => 'rules', { operation => 'getPayout', do => 'status', status => 200, body => qq({"data":{"id":7,"status":"DENIED","connections":{"order":"https://api.truust.io/2.0/orders/$sold"}}}) });
payment($sold, 7, 'payout.denied', 'DENIED');
ok($t->wait_for($EMPTY), 'an event of an earlier payout');
is(payments($sold), 'payout.denied applied 7', '... is applied');
no_rules();

# An order that is blocked by now was where it was before.
my ($blocked) = orders(1, 'PUBLISHED');
move('ACCEPTED', $blocked);
move('BLOCKED_RELEASE', $blocked);
webhooks($blocked, $blocked, 'EscrowAccepted', 'ACCEPTED');
ok($t->wait_for($EMPTY), 'an event of an order that is blocked by now');
like($t->sql("SELECT string_agg(event || ' ' || status, ', ') FROM heard WHERE order_id = $blocked"), qr/order\.accepted/, '... is handled');
is(statuses($blocked, $blocked), 'BLOCKED_RELEASE 1', '... and the order is where the API has it');

$node->stop;
done_testing;
