# Every operation of the API is called twice, with all its parameters and with the required ones only, and what arrives is
# compared with what the tables of the API say: method, path, query, body, key. What comes back is compared with the answer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use Encode ();
use Math::BigFloat;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Truust;

my $sim = Truust->simulator;
my $node = $sim->node;
my @operations = Truust::facts('operations');
my @parameters = Truust::facts('parameters');
my %list = map { $_->{operation} => 1 } grep { $_->{result} =~ /^(Paginated|list of )/ } @operations;

# ------------------------------------------------------------------ a scene: one of everything, and orders in every status

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

my $number = 0;
my ($buyer, $buyer_uuid) = split /\|/,
	value(q{SELECT id, uuid FROM truust_create_customer(name => 'Ada', email => 'ada@example.test')});
my ($seller) = value(q{SELECT id FROM truust_create_customer(name => 'Bob', email => 'bob@example.test')});
my ($wallet, $wallet_uuid) = split /\|/,
	value("SELECT id, uuid FROM truust_create_wallet(currency => 'EUR', customer_id => $seller)");
my ($bank, $bank_uuid) = split /\|/,
	value("SELECT id, uuid FROM truust_create_bank_account(name => 'Bob', type => 'OTHER', number => '1', customer_id => $seller)");
my ($address, $address_uuid) = split /\|/,
	value("SELECT id, uuid FROM truust_create_customer_address('$buyer_uuid', 'Home', 'Street 1', 'City', 'State', '08001', 'ES')");
my $bundle = value(q{SELECT id FROM truust_create_bundle(name => 'Link', value => 1000)});

sub card
{
	my ($id, $uuid) = split /\|/, value("SELECT id, uuid FROM truust_create_card('$buyer_uuid')");
	return ($id, $uuid);
}

my ($card) = card();

sub order
{
	my ($status) = @_;
	my $id = value("SELECT id FROM truust_create_order(name => 'Bicycle', value => 1000, buyer_id => $buyer, seller_id => $seller)");

	$sim->call(POST => "/orders/$id/status", { status => $status }) if $status =~ /DRAFT/;
	return $id if $status eq 'DRAFT';
	payin($id, $status eq 'AUTHORIZED' ? 'authorized' : 'confirmed');
	return $id if $status eq 'PUBLISHED' || $status eq 'AUTHORIZED';
	value("SELECT id FROM truust_accept_order($id)");
	return $id if $status eq 'ACCEPTED';
	value("SELECT id FROM truust_create_payout(order_id => $id, type => 'WALLET', wallet_id => $wallet)");
	return $id;
}

sub payin
{
	my ($order, $outcome) = @_;
	my $payin = value("SELECT id FROM truust_create_payin(order_id => $order, type => 'REDSYS_V2')");

	$sim->call(POST => "/orders/$order/pay", { outcome => $outcome, payin_id => $payin + 0 }) if $outcome;
	return $payin;
}

sub subscription
{
	return value("SELECT id FROM truust_create_subscription(buyer_id => $buyer, seller_id => $seller, name => 'Weekly', value => 1, type => 'CARD')");
}

sub verification
{
	$number++;
	my $uuid = value("SELECT uuid FROM truust_create_customer(name => 'V', email => 'v$number\@example.test')");
	return value("SELECT uuid FROM truust_create_customer_verification('$uuid', 'NATURAL', 'A', 'B', '1', 'S', 'C', '08001', 'D')");
}

sub document
{
	my ($verification) = @_;
	return value("SELECT uuid FROM truust_upload_verification_document('$verification', 'ADDRESS_PROOF', 'aGVsbG8=')");
}

sub refund
{
	my $payin = payin(order('DRAFT'), 'confirmed');
	value("SELECT id FROM truust_refund_payin($payin, 1)");
	return value('SELECT id FROM truust_list_refunds(max_rows => 1)');
}

# What a parameter is in all operations, or in one: a value, or code that makes one for each call.
my %anywhere = (
	customer_uuid => $buyer_uuid, address_uuid => $address_uuid, wallet_uuid => $wallet_uuid,
	bank_account_uuid => $bank_uuid, bundle_id => $bundle, bundle => $bundle, card_uuid => sub { (card())[1] },
	buyer_id => $buyer, seller_id => $seller, customer_id => $seller, wallet_id => $wallet, bankaccount_id => $bank,
	card_id => $card, discount_wallet_id => $wallet, buyer_billing_id => $address, buyer_shipping_id => $address,
	order_id => sub { order('DRAFT') }, payin_id => sub { payin(order('DRAFT'), 'confirmed') },
	payout_id => sub { value('SELECT (truust_get_order_payout(' . order('PENDING_VALIDATE') . ')).id') },
	subscription_id => \&subscription, verification_uuid => \&verification, refund_id => \&refund,
	document_uuid => sub { document($_[0]{verification_uuid}) },
	currency => 'EUR', country => 'ES', sell_currency => 'EUR', buy_currency => 'USD',
	search => 'id', order_by => 'created_at', prefix => '+34', discount_amount => '0.50', value_shipping => '1.25');
my %special = (
	createOrder => { fee_value => '1.10', fee_percent => '99.99' },
	updateOrder => { fee_value => '1.10' },
	createCustomer => { email => sub { 'c' . ++$number . '@example.test' } },
	createAccount => { email => sub { 'a' . ++$number . '@example.test' }, slug => sub { 'slug_' . ++$number }, password => 'Str0ng!Pass' },
	acceptOrder => { order_id => sub { order('PUBLISHED') } },
	cancelOrder => { order_id => sub { order('PUBLISHED') } },
	validateOrder => { order_id => sub { order('PENDING_VALIDATE') } },
	sendOrderReceipt => { order_id => sub { order('PUBLISHED') } },
	reimburseOrder => {
		order_id => sub { order('PUBLISHED') }, amount => '0.10',
		payin_id => sub { value("SELECT (truust_get_order_payin($_[0]{order_id})).id") } },
	getOrderPayin => { order_id => sub { order('PUBLISHED') } },
	getOrderPayout => { order_id => sub { order('PENDING_VALIDATE') } },
	createPayin => { type => 'REDSYS_V2' },
	createPayout => { order_id => sub { order('ACCEPTED') }, type => 'BANKWIRE' },
	refundPayin => { amount => '0.10' },
	cancelPreAuth => { payin_id => sub { payin(order('DRAFT'), 'authorized') } },
	requestToPay => { payin_id => sub { payin(order('DRAFT'), undef) } },
	syncPayin => { payin_id => sub { payin(order('DRAFT'), undef) } },
	createBankAccount => { type => 'OTHER' },
	listBundles => { search => 'a text & more' },
	getCustomerVerification => { customer_uuid => sub { my $v = verification(); value("SELECT uuid FROM truust_list_customers(search => 'email', query => 'v$number\@example.test')") } },
	uploadVerificationDocument => { content => 'aGVsbG8=' },
	updateVerificationDocument => { content => 'aGVsbG8=' });

# ------------------------------------------------------------------ arguments

sub snake
{
	my ($name) = @_;
	$name =~ s/(?<=.)([A-Z])/_\l$1/g;
	return lc $name;
}

# The name of {id} or {uuid} in SQL: after the collection before it.
sub sql_name
{
	my ($operation, $parameter) = @_;
	return 'order_by' if $parameter eq 'order';
	return $parameter if $parameter !~ /^u?u?id$/;
	my ($collection) = $operation->{path} =~ m!/([a-z]+)s/\{\Q$parameter\E\}!;
	$collection = 'bank_account' if $collection eq 'bankaccount';
	return "${collection}_$parameter";
}

# A value that its type allows, and that no other parameter has.
sub invented
{
	my ($p) = @_;
	my ($type, $values) = @$p{qw(type values)};
	my $n = ++$number;

	return 1 if $type eq 'integer' && $values eq '0|1';
	return $p->{parameter} eq 'per_page' ? 50 : 1 if $type eq 'integer' && $p->{maximum} ne '' || $p->{parameter} =~ /^(page|payin_intents|times)$/;
	return 1000 + $n if $type eq 'integer';
	return $p->{maximum} eq '' ? "$n.30" : '12.5' if $type eq 'number';
	return 1 if $type eq 'boolean';
	return { key => "value $n", list => [ 1, 2.5, JSON::PP::null ] } if $type eq 'object';
	return [ "https://example.test/$n", 'b c' ] if $type eq 'array of string';
	return [ $n, 2 ] if $type eq 'array of integer';
	return '2026-01-31' if $p->{format} eq 'date';
	return '2026-01-31T12:00:00+00:00' if $p->{format} eq 'date-time';
	return "p$n\@example.test" if $p->{format} eq 'email';
	return "https://example.test/$n?a=b&c=d" if $p->{format} eq 'uri';
	return (split /\|/, $values)[0] if $values ne '';
	return 'ES' if $p->{max_length} ne '' && $p->{max_length} <= 2;
	return $p->{max_length} ne '' && $p->{max_length} < 20 ? "t$n" : qq{text $n \x{e9} "quoted" & more};
}

sub literal
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# The SQL and the JSON of a value.
sub written
{
	my ($p, $value) = @_;
	my $type = $p->{type};

	return $value ? ('true', $type eq 'boolean' ? JSON::PP::true : 1) : ('false', $type eq 'boolean' ? JSON::PP::false : 0)
		if $type eq 'boolean' || $type eq 'integer' && $p->{values} eq '0|1';
	return ($value, $value + 0) if $type eq 'integer';
	return ($value, Math::BigFloat->new($value)) if $type eq 'number';
	return (literal(Encode::decode_utf8(Truust::text($value))) . '::jsonb', $value) if $type eq 'object';
	return ('ARRAY[' . join(', ', map { literal($_) } @$value) . ']', $value) if $type eq 'array of string';
	return ('ARRAY[' . join(', ', @$value) . ']::bigint[]', $value) if $type eq 'array of integer';
	return (literal($value), $value);
}

sub query_text
{
	my ($value) = @_;
	$value = ref $value ? ($value ? 'true' : 'false') : Encode::encode_utf8("$value");
	$value =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ge;
	return $value;
}

# ------------------------------------------------------------------ one call


sub try_call
{
	my ($operation, $all) = @_;
	my $name = $operation->{operation};
	my $path = $operation->{path};
	my (%values, @arguments, @query, %body);

	for my $p (grep { $_->{operation} eq $name } @parameters)
	{
		next if !$all && $p->{required} ne 'yes';
		my $sql_name = sql_name($operation, $p->{parameter});
		my $value = $special{$name}{$sql_name} // $anywhere{$sql_name} // invented($p);
		$value = $value->(\%values) if ref $value eq 'CODE';
		$values{$sql_name} = $value;
		my ($sql, $json) = written($p, $value);
		push @arguments, "$sql_name => $sql";
		$path =~ s/\{$p->{parameter}\}/query_text($value)/e if $p->{in} eq 'path';
		push @query, "$p->{parameter}=" . query_text($json) if $p->{in} eq 'query';
		$body{ $p->{parameter} } = $json if $p->{in} eq 'body';
	}
	$path =~ s!/\{\w+\}!!;
	if ($list{$name})
	{
		push @arguments, 'max_rows => 3' if $all;
		push @query, $all ? () : 'per_page=100' if grep { $_->{operation} eq $name && $_->{parameter} eq 'per_page' } @parameters;
	}

	$sim->clear;
	my $function = 'truust_' . snake($name) . '(' . join(', ', @arguments) . ')';
	my $row = $operation->{result} =~ /^(object)?$/ ? undef : 1;
	my $statement = !$row ? "SELECT to_jsonb(r) FROM (SELECT $function AS r) s" : <<~SQL;
		SELECT (SELECT string_agg(key, ' ') FROM jsonb_each(to_jsonb(r) - 'raw')
		         WHERE (value = 'null') <> (coalesce(raw -> key, 'null') IN ('null', '""') )),
		       raw IS NOT NULL
		  FROM $function r
		SQL
	my ($out, $err);
	$node->psql('postgres', Encode::encode_utf8($statement), stdout => \$out, stderr => \$err);
	my @requests = $sim->requests(operation => $name);
	my $what = "$name with " . ($all ? 'all' : 'the required');

	is($err, '', "$what: succeeds") or diag($function);
	is(scalar @requests, 1, "$what: one request") or return diag($function);
	my $request = $requests[0];
	is("$request->{method} $request->{path}", "$operation->{method} $path", "$what: method and path");
	is($request->{query}, join('&', sort { rank($name, $a) <=> rank($name, $b) } @query), "$what: query");
	is(Truust::text($request->{body}), %body ? Truust::text(\%body) : 'null', "$what: body")
		if $operation->{method} =~ /^P/;
	is($request->{headers}{authorization} // 'none', $operation->{auth} eq 'bearer' ? 'Bearer sk_stage_of_a_made_up_account' : 'none', "$what: key");
	is($request->{headers}{'content-type'} // 'none', %body ? 'application/json' : 'none', "$what: type of the body");
	is($_, '|t', "$what: every field of the answer has its column") for $row ? split /\n/, $out : ();
	try_nothing($operation, $function) if !$all;
	return;
}

# The same call once more, answered with what is no resource, which is no success of what returns one.
sub try_nothing
{
	my ($operation, $function) = @_;
	my $name = $operation->{operation};

	for my $body ('{}', '{"message":"ok"}', '{"data":null}', '[]', '5')
	{
		next if $list{$name} && $body eq '[]';
		$sim->rule(operation => $name, do => 'status', status => 200, body => $body);
		my ($out, $err) = $node->run(Encode::encode_utf8("SELECT FROM $function"));
		my $fate = $operation->{method} eq 'GET' ? '(?!.*may have been executed)' : '.*may have been executed.*HINT:  It is not repeated';
		my $words = $body =~ /message/ ? ', and says: ok' : '';
		like($err, $operation->{result} =~ /^(object)?$/ ? qr/^$/ : $list{$name} ? qr/ERROR:  08P01: .*HTTP status 200: the answer holds no list$words\./s
			: qr/ERROR:  08P01: .*HTTP status 200: the answer is not a resource$fate/s, "$name: answered with $body");
	}
	$sim->no_rules;
	return;
}

# Query parameters come in the order of the declaration, which is that of the table.
sub rank
{
	my ($operation, $pair) = @_;
	my ($name) = $pair =~ /^(\w+)=/;
	my $i = 0;
	for (@parameters)
	{
		$i++;
		return $i + ($_->{required} eq 'yes' ? 0 : 1000) if $_->{operation} eq $operation && $_->{parameter} eq $name;
	}
	return 0;
}

for my $operation (@operations)
{
	try_call($operation, $_) for 1, 0;
}

# ------------------------------------------------------------------ extra

$sim->clear;
$sim->set(strict => \0);
value(q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 1, extra => '{"newer": {"a": [1.50, null]}, "flag": true, "n": 123456789012345678901234567890.123}')});
is(($sim->requests)[0]{raw}, '{"name":"Bicycle","value":1,"n":123456789012345678901234567890.123,"flag":true,"newer":{"a": [1.50, null]}}',
	'extra is merged into the body, as it is');
value(q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 1, extra => '{}')});
is(($sim->requests)[1]{raw}, '{"name":"Bicycle","value":1}', 'nothing extra');
value(qq{SELECT id FROM truust_accept_order(@{[ order('PUBLISHED') ]}, extra => '{"a": "b"}')});
is(($sim->requests(operation => 'acceptOrder'))[0]{raw}, '{"a":"b"}', 'extra is all of the body where nothing else is in it');
my ($before) = $sim->count;
for (
	[ q{extra => '[1]'}, '22023', 'not a JSON object' ],
	[ q{extra => '"name"'}, '22023', 'not a JSON object' ],
	[ q{extra => '{"value": 2}'}, '22023', 'field "value" is given twice' ])
{
	my ($argument, $sqlstate, $words) = @$_;
	my ($out, $err) = $node->run("SELECT truust_create_order(name => 'Bicycle', value => 1, $argument)");
	like($err, qr/ERROR:  $sqlstate: .*$words/, $argument);
}
for ([ 'truust_get_order(NULL)', 'order_id' ], [ 'truust_create_order(NULL, 1)', 'name' ], [ q{truust_get_customer('')}, 'customer_uuid' ],
	[ q{truust_get_customer('..')}, 'customer_uuid' ], [ 'truust_get_orders(ARRAY[1, NULL])', 'order_ids' ], [ 'truust_charge_direct_link(NULL)', 'payin_id' ])
{
	my ($call, $parameter) = @$_;
	my ($out, $err) = $node->run("SELECT $call");
	like($err, qr/ERROR:  (22004|22023): .*"$parameter"/, "$call is refused");
}
is(($sim->count)[0], $before, 'and nothing of it was sent');

# ------------------------------------------------------------------ once means once

($before) = $sim->count('createOrder');
for ("(truust_create_order('a', 1)).*", "(truust_create_order('a', 1)).id, (truust_create_order('a', 1)).status",
	"((truust_create_order('a', x)).*) FROM generate_series(1, 3) x")
{
	my ($out, $err) = $node->run("SELECT $_");
	like($err, qr/ERROR:  0A000: truust_create_order would be executed once for each column.*HINT:  Call it in FROM/s, "SELECT $_");
}
is(($sim->count('createOrder'))[0], $before, 'and nothing of it was sent');
value("SELECT (truust_create_order('a', 1)).id");
value("SELECT (o).id, (o).status FROM (SELECT truust_create_order('a', 1) AS o) s");
value("SELECT o.* FROM generate_series(1, 2) x, truust_create_order('a', x) o");
is(($sim->count('createOrder'))[0], $before + 4, 'one order where one is asked for');

done_testing();
