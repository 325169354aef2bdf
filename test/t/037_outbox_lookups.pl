# Every operation whose outcome can be looked up, twice: the API did it and the answer was lost; it was lost before. The first is
# found and not sent again, the second is not found and sent again, and each takes effect once. What leaves a doubt, or cannot be
# looked up, is left to a person.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(conf => "truust.settle_time = 500ms\ntruust.max_in_flight = 50\n");

# Settings of the database that are meant for sessions must not reach the worker; the test's own sessions have others.
{
	my %setting = (
		datestyle => 'SQL, DMY', intervalstyle => 'sql_standard', timezone => 'Pacific/Kiritimati', bytea_output => 'escape',
		extra_float_digits => -15, standard_conforming_strings => 'off', default_transaction_isolation => 'serializable',
		default_transaction_read_only => 'on', statement_timeout => 1, lock_timeout => 1, idle_in_transaction_session_timeout => 1,
		row_security => 'off', enable_indexscan => 'off', quote_all_identifiers => 'on', array_nulls => 'off');
	my $mine = join ' ', map { "-c $_=" . $t->sql("SHOW $_") =~ s/ /\\ /gr } sort keys %setting;

	$t->sql(join ';', map { "ALTER DATABASE postgres SET $_ = '$setting{$_}'" } sort keys %setting);
	$ENV{PGOPTIONS} = $mine;
	$t->node->restart;
}
my $json = JSON::PP->new->canonical->allow_nonref;

sub value
{
	my ($sql) = @_;
	my $value = $t->sql($sql);
	return $value =~ /^\d+$/ ? $value + 0 : $value;
}

# ---------------------------------------------------------------- a scene

my $number = 0;

sub customer
{
	$number++;
	my ($id, $uuid) = split /\|/, $t->sql(qq{SELECT id, uuid FROM truust_create_customer(name => 'C', email => 'c$number\@example.test')});
	return ($id + 0, $uuid);
}

my ($buyer, $buyer_uuid) = customer();
my ($seller) = customer();
my $wallet = value("SELECT id FROM truust_create_wallet(currency => 'EUR', customer_id => $seller)");

sub payin
{
	my ($order, $outcome) = @_;
	my $payin = value("SELECT id FROM truust_create_payin(order_id => $order, type => 'REDSYS_V2')");

	$t->sim(POST => "orders/$order/pay", { outcome => $outcome, payin_id => $payin });
	return $payin;
}

sub order
{
	my ($status) = @_;
	my $id = value("SELECT id FROM truust_create_order(name => 'Bicycle', value => 1000, buyer_id => $buyer, seller_id => $seller)");

	return $id if $status eq 'DRAFT';
	payin($id, 'confirmed');
	return $id if $status eq 'PUBLISHED';
	value("SELECT id FROM truust_accept_order($id)");
	return $id if $status eq 'ACCEPTED';
	value("SELECT id FROM truust_create_payout(order_id => $id, type => 'WALLET', wallet_id => $wallet)");
	return $id;
}

sub verification
{
	my (undef, $uuid) = customer();
	return value("SELECT uuid FROM truust_create_customer_verification('$uuid', 'NATURAL', 'A', 'B', '1', 'S', 'C', '08001', 'D')");
}

my %subscription = (buyer_id => $buyer, seller_id => $seller, name => 'Weekly', value => 1, type => 'CARD');

sub subscribe
{
	my ($name) = @_;
	return "truust_create_subscription(buyer_id => $buyer, seller_id => $seller, name => '$name', value => 1, type => 'CARD')";
}

# Arguments of each operation; then the kind that it makes, or the status that its answer has.
my @cases = (
	[ create_order => sub { { name => 'Bicycle', value => '12.50' } }, 'orders' ],
	[ create_bundle => sub { { name => 'Link', value => 10 } }, 'bundles' ],
	[ create_wallet => sub { { currency => 'EUR', customer_id => $buyer } }, 'wallets' ],
	[ create_customer_address => sub { {
				customer_uuid => $buyer_uuid, name => 'Home', line1 => 'Street 1', city => 'City', state => 'State', zip_code => '08001', country => 'ES' } }, 'addresses' ],
	[ create_bank_account => sub { { name => 'C', type => 'OTHER', number => '1', customer_id => $seller } }, 'bankaccounts' ],
	[ create_subscription => sub { \%subscription }, 'subscriptions' ],
	[ refund_payin => sub { { payin_id => payin(order('DRAFT'), 'confirmed'), amount => '0.10' } }, undef, 'CONFIRMED' ],
	[ accept_order => sub { { order_id => order('PUBLISHED') } }, undef, 'ACCEPTED' ],
	[ validate_order => sub { { order_id => order('PENDING_VALIDATE') } }, undef, 'PENDING_RELEASE|RELEASED' ],
	[ cancel_order => sub { { order_id => order('PUBLISHED') } }, undef, 'CANCELLED' ],
	[ create_payin => sub { { order_id => order('DRAFT'), type => 'REDSYS_V2' } }, undef, 'CREATED' ],
	[ create_payout => sub { { order_id => order('ACCEPTED'), type => 'WALLET', wallet_id => $wallet } }, undef, '\w+' ],
	[ cancel_pre_auth => sub { { payin_id => payin(order('DRAFT'), 'authorized') } }, undef, 'CANCELLED' ],
	[ cancel_subscription => sub { { subscription_id => value('SELECT id FROM ' . subscribe('Monthly')) } }, undef, 'CANCELLED' ],
	[ request_verification => sub { { verification_uuid => verification() } }, undef, '(?!CREATED)\w+' ],
	[ delete_card => sub { { card_uuid => value("SELECT uuid FROM truust_create_card('$buyer_uuid')") } } ]);

sub camel
{
	my ($name) = @_;
	return $name =~ s/_(\w)/\U$1/gr;
}

is($t->sql(q{SELECT string_agg(name, ' ' ORDER BY name) FROM truust.endpoints() WHERE repeat = 'findable'}),
	join(' ', sort map { $_->[0] } @cases), 'all operations that can be looked up are here');

# Loses the first answer to each of these operations, before or after the API does it, and enqueues one of each; ids by name.
sub lose
{
	my ($when, @names) = @_;
	my %args = map { $_->[0] => $_->[1]->() } @cases;
	my %id;

	$t->sim(DELETE => 'requests');
	for my $name (@names)
	{
		my $args = $json->encode($args{$name});

		$t->sim(POST => 'rules', { operation => camel($name), do => 'drop', when => $when });
		$id{$name} = $t->sql("SELECT truust_enqueue('$name', '$args')");
	}
	return %id;
}

# What a request made at the simulator, by its marker.
sub made
{
	my ($kind, $marker) = @_;
	return grep { ref $_->{metadata} && ($_->{metadata}{truust_request} // '') eq $marker || ($_->{tag} // '') eq "truust:$marker" }
		@{ $t->sim(GET => "rows?kind=$kind")->{rows} };
}

for my $when ('after', 'before')
{
	my $sent = $when eq 'after' ? 1 : 2;
	my %id = lose($when, map { $_->[0] } @cases);

	ok($t->settled, "lost $when: all end") or diag $t->sql('SELECT operation, state, error FROM truust.requests');
	for my $case (@cases)
	{
		my ($name, undef, $kind, $status) = @$case;
		my ($state, $marker, $response) = split /\|/, $t->sql("SELECT state, marker, response FROM truust.requests WHERE id = $id{$name}"), 3;
		my $answer = length $response ? $json->decode($response) : undef;

		is($state, 'done', "lost $when: $name is done") or diag $t->sql("SELECT * FROM truust.requests WHERE id = $id{$name}");
		is($t->calls(camel($name)), $sent, "lost $when: $name was sent $sent times");
		is($t->effects(camel($name)), 1, "lost $when: and took effect once");
		is(join(' ', map { $_->{id} } made($kind, $marker)), $answer->{id} // 'none', "lost $when: its answer is what it made") if $kind;
		like($answer->{status} // 'none', qr/^($status)$/, "lost $when: its answer is what it did") if $status;
	}
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- what leaves a doubt

# The request ends so, and the API did nothing (else).
sub ends
{
	my ($id, $state, $like, $name, $effects) = @_;
	my $operation = $t->sql("SELECT operation FROM truust.requests WHERE id = $id");

	ok($t->settled, "$name: it ends");
	my ($got, $error) = split /\|/, $t->sql("SELECT state, error FROM truust.requests WHERE id = $id"), 2;
	is($got, $state, "$name: $state");
	like($error, $like, "$name: and says why");
	is($t->effects(camel($operation)), $effects // 0, "$name: no effect at Truust");
	$t->sim(DELETE => 'rules');
	return;
}

# The API lost a request; somebody else did the same, by a call that carries no marker.
sub doubtful
{
	my ($name, $operation, $args, $call) = @_;

	$t->sim(DELETE => 'requests');
	$t->sql("SELECT id FROM $call") if $call;
	$t->sim(POST => 'rules', { operation => camel($operation), do => 'drop', when => 'before' });
	my $id = $t->sql(sprintf q{SELECT truust_enqueue('%s', '%s')}, $operation, $json->encode($args));
	ends($id, 'uncertain', qr/does not tell whether it was executed|cannot be looked up|outcome is unknown/, $name, $call ? 1 : 0);
	return $id;
}

my $paid = payin(order('DRAFT'), 'confirmed');
doubtful('another refund of the payin', refund_payin => { payin_id => $paid, amount => '0.10' }, "truust_refund_payin($paid, 0.10)");
doubtful('another subscription of that name', create_subscription => \%subscription, subscribe('Weekly'));
my $twice = order('DRAFT');
doubtful('a payin of the order that was there before', create_payin => { order_id => $twice, type => 'REDSYS_V2' },
	"truust_create_payin(order_id => $twice, type => 'REDSYS_V2')");
my $id = doubtful('a bank account of no customer', create_bank_account => { name => 'C', type => 'OTHER', number => '1' });

# A person looks, and says so: it is done, or sent once more.
$t->sql("SELECT truust_retry_request($id)");
ok($t->settled, 'a person has it sent once more');
is($t->sql("SELECT state FROM truust.requests WHERE id = $id"), 'done', 'and it is done');

# ---------------------------------------------------------------- lists that are divided into pages although nobody said so

# The first page of a customer's addresses or bank accounts, which says that there are two; what comes next has the marker, or is the
# same page once more.
for my $case (
	[ create_customer_address => 'listCustomerAddresses', 'done' ], [ create_bank_account => 'listCustomerBankAccounts', 'done' ],
	[ create_customer_address => 'listCustomerAddresses', 'uncertain' ], [ create_bank_account => 'listCustomerBankAccounts', 'uncertain' ])
{
	my ($name, $list, $state) = @$case;
	my $what = "$name, and a list of two pages" . ($state eq 'done' ? '' : ' of which there is only the first');

	$t->sql(q{SELECT truust_pause('requests', 'rules first')});
	my %id = lose('after', $name);
	my $marker = $t->sql("SELECT marker FROM truust.requests WHERE id = $id{$name}");
	my %other = (data => [ map { { id => $_, uuid => "u$_" } } 1 .. 15 ], current_page => 1, last_page => 2);
	my %ours = (data => [ { id => 99, uuid => 'u99', metadata => { truust_request => $marker } } ], current_page => 2, last_page => 2);

	$t->sim(POST => 'rules', { operation => $list, do => 'garbage', body => $json->encode($_) }) for \%other, $state eq 'done' ? \%ours : \%other;
	$t->sql(q{SELECT truust_resume('requests')});
	ok($t->settled, "$what: it ends");
	is($t->sql("SELECT state, response ->> 'id' FROM truust.requests WHERE id = $id{$name}"), $state eq 'done' ? 'done|99' : 'uncertain|', "$what: $state");
	is($t->calls(camel($name)), 1, "$what: it was not sent again");
	is(join(' ', map { $_->{query} } @{ $t->sim(GET => "requests?operation=$list")->{requests} }), ' page=2', "$what: both pages were asked for");
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- a tag of nothing

# It cannot be searched for; the marker is in the metadata.
$t->sim(DELETE => 'requests');
for my $tag ('', ' ')
{
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after' });
	my $id = $t->sql(qq{SELECT truust_enqueue('create_order', '{"name": "Tag of nothing", "value": 1, "tag": "$tag"}')});
	ok($t->settled, "tag '$tag': it ends");
	is($t->sql("SELECT state FROM truust.requests WHERE id = $id"), 'done', "tag '$tag': it is found");
	$t->sim(DELETE => 'rules');
}
is($t->effects('createOrder'), 2, 'a tag of nothing: each took effect once');
unlike(join(' ', map { $_->{query} } @{ $t->sim(GET => 'requests?operation=listOrders')->{requests} }), qr/search|query/, 'a tag of nothing is not searched for');

# ---------------------------------------------------------------- answers that say nothing of what was asked for

# The API (or whoever answers for it) says 200 and not what came of it, before or after it did the work: that is as little as
# no answer. What can be looked up is, and takes effect once; what cannot be is left to a person; nothing is done without a resource.
for my $body ('[]', '{}', '{"message":"ok"}', '{"data":null}', '{"data":[]}', '5', 'null')
{
	for my $when ('before', 'after')
	{
		my %rule = (do => 'status', status => 200, body => $body, when => $when);
		my $name = "answered with $body $when the work";
		my %args = (
			create_order => { name => "Answered with $body $when", value => 1 },
			accept_order => { order_id => order('PUBLISHED') },
			create_payin => { order_id => order('DRAFT'), type => 'REDSYS_V2' },
			refund_payin => { payin_id => payin(order('DRAFT'), 'confirmed'), amount => '0.10' });
		my $receipt = order('PUBLISHED');
		my %id;

		$t->sim(DELETE => 'requests');
		for my $operation (sort keys %args)
		{
			$t->sim(POST => 'rules', { operation => camel($operation), %rule });
			$id{$operation} = $t->sql(sprintf q{SELECT truust_enqueue('%s', '%s')}, $operation, $json->encode($args{$operation}));
		}
		$t->sim(POST => 'rules', { operation => 'sendOrderReceipt', %rule });
		$id{send_order_receipt} = $t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $receipt}')});
		ok($t->settled, "$name: all end");
		for my $operation (sort keys %args)
		{
			is($t->sql("SELECT state, (response ->> 'id') IS NOT NULL FROM truust.requests WHERE id = $id{$operation}"), 'done|t', "$name: $operation is done, with a resource")
				or diag $t->sql("SELECT state, response, error FROM truust.requests WHERE id = $id{$operation}");
			is($t->effects(camel($operation)), 1, "$name: $operation took effect once");
			is($t->calls(camel($operation)), $when eq 'before' ? 2 : 1, "$name: $operation was looked up before anything was sent again");
		}
		like($t->sql("SELECT state, error FROM truust.requests WHERE id = $id{send_order_receipt}"), qr/^uncertain\|the answer is not a resource/,
			"$name: what cannot be looked up is left to a person");
		is($t->calls('sendOrderReceipt'), 1, "$name: and not sent again");
		$t->sim(DELETE => 'rules');
	}
}

# 204 says that there is nothing to say.
$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'status', status => 204, when => 'after', body => '' });
my $updated = order('DRAFT');
my $silent = $t->sql(qq{SELECT truust_enqueue('update_order', '{"order_id": $updated, "name": "Other"}')});
ok($t->settled, '204: it ends');
is($t->sql("SELECT state, response FROM truust.requests WHERE id = $silent"), 'done|', '204: done, without a resource');
$t->sim(DELETE => 'rules');

# ---------------------------------------------------------------- an answer that is not what was asked for

# A gateway that answers for an API that is away: its word, and its status, decide nothing.
for my $case (
	[ accept_order => 'getOrder', '{"status": "ACCEPTED"}', 'before' ],
	[ cancel_order => 'getOrder', '{"data": {"id": 1, "status": "CANCELLED"}}', 'before' ],
	[ validate_order => 'getOrder', '{"status": "maintenance"}', 'after' ],
	[ cancel_pre_auth => 'getPayin', '{"status": "CANCELLED"}', 'before' ],
	[ cancel_subscription => 'getSubscription', '{"data": {"id": 0, "status": "CANCELLED"}}', 'before' ],
	[ request_verification => 'getVerification', '{"status": "maintenance"}', 'before' ],
	[ create_payin => 'getOrderPayin', '{"type": "REDSYS_V2"}', 'before' ],
	[ create_payout => 'getOrderPayout', '{"status": "maintenance"}', 'after' ],
	[ refund_payin => 'getPayin', '{"status": "maintenance"}', 'after' ],
	[ create_order => 'listOrders', '{"status": "maintenance"}', 'after' ],
	[ delete_card => 'getCard', '{"status": "maintenance"}', 'after' ])
{
	my ($name, $look, $body, $when) = @$case;
	my $what = "$name, and $body from $look";

	$t->sim(POST => 'rules', { operation => $look, do => 'garbage', body => $body, times => 3 });
	my %id = lose($when, $name);

	ok($t->settled, "$what: it ends");
	my ($state, $response) = split /\|/, $t->sql("SELECT state, response FROM truust.requests WHERE id = $id{$name}"), 2;
	is($state, 'done', "$what: done") or diag $t->sql("SELECT * FROM truust.requests WHERE id = $id{$name}");
	unlike($response, qr/maintenance/, "$what: with what was asked for");
	is($t->effects(camel($name)), 1, "$what: and took effect once");
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- an answer that comes late

# The API gets to it after its sender has given up: what is not there yet may come.
$t->sql($_) for 'ALTER SYSTEM SET truust.settle_time = 1500', 'SELECT pg_reload_conf()';
{
	$t->sql(q{ALTER SERVER truust OPTIONS (SET request_timeout '3500')});
	$t->sim(DELETE => 'requests');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 4200 });
	my $id = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Late", "value": 1}')});
	ok($t->settled, 'it is done after its sender has given up: it ends');
	$t->wait_until(sub { 0 }, 1);
	is($t->sql("SELECT state, attempts FROM truust.requests WHERE id = $id"), 'done|1', 'and is found');
	is($t->effects('createOrder'), 1, 'and made once');
	$t->sim(DELETE => 'rules');
	$t->sql(q{ALTER SERVER truust OPTIONS (SET request_timeout '5000')});
}
$t->sql($_) for 'ALTER SYSTEM RESET truust.settle_time', 'SELECT pg_reload_conf()';

# ---------------------------------------------------------------- looks that fail

for my $case (
	[ 'the API refuses to be asked', { do => 'status', status => 403 }, qr/could not be looked up: .*403/ ],
	[ 'answers make no sense', { do => 'garbage', body => '{"data": "all is well"}' }, qr/does not tell whether|could not be looked up/ ],
	[ 'answers hold no list', { do => 'garbage', body => '{"message": "ok"}' }, qr/could not be looked up: the answer holds no list/ ],
	[ 'answers are no JSON', { do => 'garbage', body => '<html>' }, qr/could not be looked up/ ])
{
	my ($name, $rule, $like) = @$case;

	$t->sim(DELETE => 'requests');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'before' });
	$t->sim(POST => 'rules', { operation => 'listOrders', times => 0, %$rule });
	ends($t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Bicycle", "value": 1}')}), 'uncertain', $like, $name);
}

# 408 is an outage: it tells nothing, and ends nothing.
$t->sim(DELETE => 'requests');
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 408, when => 'after' });
$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 408, times => 12 });
my $timed_out = $t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Bicycle", "value": 1}')});
ok($t->settled, '408: it ends');
is($t->sql("SELECT state FROM truust.requests WHERE id = $timed_out"), 'done', '408: it is found in the end');
is($t->effects('createOrder'), 1, '408: it took effect once');
cmp_ok($t->calls('listOrders'), '>', 12, '408: it was looked for until there was an answer');
$t->sim(DELETE => 'rules');

# A look that waits for the end of a pause goes on then, although nothing is queued, and not after truust.naptime.
{
	my @receipts = map { order('PUBLISHED') } 1 .. 3;
	my $accepted = order('PUBLISHED');

	$t->sql($_) for q{ALTER SYSTEM SET truust.naptime = '10min'}, 'SELECT pg_reload_conf()';
	$t->sim(DELETE => 'requests');
	$t->sim(POST => 'rules', { operation => $_->[0], do => 'status', status => 500, times => $_->[1], when => 'after' }) for [ sendOrderReceipt => 3 ], [ acceptOrder => 1 ];
	my ($id) = reverse split /\n/, $t->sql(join ';', 'BEGIN', (map { qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $_}')} } @receipts),
		qq{SELECT truust_enqueue('accept_order', '{"order_id": $accepted}')}, 'COMMIT');
	ok($t->settled, 'a look behind a pause: it ends');
	is($t->sql("SELECT state FROM truust.requests WHERE id = $id"), 'done', 'a look behind a pause: it is found');
	is($t->effects('acceptOrder'), 1, 'a look behind a pause: it took effect once');
	$t->sql($_) for 'ALTER SYSTEM RESET truust.naptime', 'SELECT pg_reload_conf()';
	$t->sim(DELETE => 'rules');
}

# ---------------------------------------------------------------- never executed, however often

$t->sql($_) for 'ALTER SYSTEM SET truust.max_attempts = 2', 'SELECT pg_reload_conf()';
$t->sim(DELETE => 'requests');
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'before', times => 0 });
ends($t->sql(q{SELECT truust_enqueue('create_order', '{"name": "Bicycle", "value": 1}')}), 'failed', qr/not executed in 2 attempts/, 'an API that loses all');

$t->node->stop;
done_testing;
