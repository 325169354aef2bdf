# Lists: pages are followed one after the other, no more of them than are wanted, no row twice, whatever the API says of pages
# and totals, in flat memory; and many resources at once, in the order asked.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Truust;
use TruustPeer;

my $sim = Truust->simulator;
my $node = $sim->node(max_retries => 0);

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# The queries of the lists that arrived since the last clear.
sub queries
{
	my ($operation) = @_;
	return join ' ', map { $_->{query} } $sim->requests(operation => $operation // 'listOrders');
}

# What a statement gives, and the queries that it took.
sub list_is
{
	my ($sql, $result, $queries, $name) = @_;

	$sim->clear;
	is(value($sql), $result, $name);
	is(queries(), $queries, "$name: what was asked for") if defined $queries;
	return;
}

# A list as the next answers, one for each page, and nothing after them.
sub pages
{
	my (@bodies) = @_;

	$sim->no_rules;
	$sim->rule(operation => 'listOrders', do => 'status', status => 200, body => $_) for @bodies;
	return;
}

sub page_of { my ($members, @ids) = @_; return qq({"data":[) . join(',', map { qq({"id":$_}) } @ids) . "]$members}" }

my $bulk = $sim->call(POST => '/orders/bulk', { count => 250, status => 'DRAFT' });
my ($first, $last) = @$bulk{qw(first_id last_id)};
my $all = 'SELECT count(*), count(DISTINCT id) FROM truust_list_orders';

# ------------------------------------------------------------------ pages

list_is("$all()", '250|250', 'per_page=100 page=2&per_page=100 page=3&per_page=100', 'a list to its end');
list_is("$all(per_page => 60)", '250|250', undef, 'the pages may be smaller');
is(scalar(my @pages = $sim->requests(operation => 'listOrders')), 5, '... and are as many');
list_is("$all(page => 2, per_page => 60)", '60|60', 'page=2&per_page=60', 'one page');
list_is("$all(page => 5, per_page => 60)", '10|10', 'page=5&per_page=60', 'the last page');
list_is("$all(page => 6, per_page => 60)", '0|0', 'page=6&per_page=60', 'a page behind the last');
list_is("$all(max_rows => 5)", '5|5', 'per_page=5', 'a few rows take one small page');
list_is("$all(max_rows => 100)", '100|100', 'per_page=100', 'a page full takes one page');
list_is("$all(max_rows => 101)", '101|101', 'per_page=100 page=2&per_page=100', 'one row more takes one more');
list_is("$all(max_rows => 70, per_page => 60)", '70|70', 'per_page=60 page=2&per_page=60', 'max_rows with pages of a size');
list_is("$all(max_rows => 10, page => 2, per_page => 60)", '10|10', 'page=2&per_page=60', 'max_rows of one page');
list_is("$all(max_rows => 0)", '0|0', '', 'no rows take no page');
list_is("$all(max_rows => 1000)", '250|250', undef, 'fewer rows than wanted');
is(value("SELECT array_agg(id) = ARRAY(SELECT generate_series(${first}::bigint, $last)) FROM truust_list_orders(order_by => 'id', sort => 'asc')"), 't',
	'rows come in the order of the API');
list_is("$all(search => 'tag', query => 'nobody has it')", '0|0', undef, 'an empty list');

for my $case (
	[ 'per_page => 0', 'per_page', '1 to 100' ], [ 'per_page => 101', 'per_page', '1 to 100' ],
	[ 'page => 0', 'page', '1 or more' ], [ 'max_rows => -1', 'max_rows', '0 or more' ])
{
	my ($argument, $parameter, $limits) = @$case;
	my ($out, $err) = $node->run("SELECT id FROM truust_list_orders($argument)");
	like($err, qr/ERROR:  22023: invalid value for parameter "$parameter": -?\d+\nHINT:  .*$limits/, "$argument is refused");
}

# ------------------------------------------------------------------ a list that changes, and one that lies

$sim->set(page_shift => \1);
is(value('SELECT count(*) - count(DISTINCT id) FROM truust_list_orders(per_page => 20)'), 0, 'rows that move to the next page are seen once');
is(value("SELECT count(*) FROM truust_list_orders(per_page => 20) WHERE id BETWEEN $first AND $last"), 250, '... and none is left out');
$sim->set(page_shift => \0);
my $total = value('SELECT count(*) FROM truust_list_orders()');

for my $lie (-1000, -1, 1, 7)
{
	$sim->set(last_page_lies => $lie);
	list_is("$all(per_page => 50)", "$total|$total", undef, "last_page is wrong by $lie");
	my $needed = int(($total + 49) / 50);
	cmp_ok(scalar(my @asked = $sim->requests(operation => 'listOrders')), '<=', $needed + 1, '... which costs one page more at most');
}
$sim->set(last_page_lies => 0);

pages(page_of(',"current_page":1,"last_page":9,"total":900', 1, 2), page_of(',"current_page":2,"last_page":9,"total":900'));
list_is("$all(per_page => 2)", '2|2', 'per_page=2 page=2&per_page=2', 'an empty page is the end, whatever last_page says');
pages((page_of(',"last_page":1000,"total":2000', 1, 2)) x 5);
list_is("$all(per_page => 2)", '2|2', 'per_page=2 page=2&per_page=2 page=3&per_page=2', 'the same page again and again comes to an end');
pages(page_of('', 1, 2, 3), page_of('', 4, 5));
list_is("$all(per_page => 3)", '5|5', 'per_page=3 page=2&per_page=3', 'a list that says nothing of pages ends at one that is not full');
pages('[{"id":1},{"id":2},{"id":3}]', '[]');
list_is("$all(per_page => 3)", '3|3', 'per_page=3 page=2&per_page=3', 'a bare array');
pages(page_of(',"last_page":"2","total":"4"', 1, 2), page_of(',"last_page":"2","total":"4"', 3, 4));
list_is("$all(per_page => 2)", '4|4', 'per_page=2 page=2&per_page=2', 'numbers of pages as text');
pages(page_of(',"last_page":2', 1, 2, 3, 4), page_of(',"last_page":2', 5));
list_is("$all(per_page => 2, max_rows => 3)", '3|3', 'per_page=2', 'a page with more rows than asked for');
pages(page_of(',"last_page":1', 1, 1, 2));
list_is("$all()", '2|2', undef, 'a row twice on one page');
pages('{"data":[{"name":"a"},{"name":"a"}],"last_page":1}');
is(value('SELECT count(*) FROM truust_list_orders()'), 2, 'rows without an id are all rows');
$sim->no_rules;

# Lists without a parameter for pages come in pages where the answer says so.
for my $case (
	[ 'truust_list_customer_wallets' => 'listCustomerWallets' ], [ 'truust_list_customer_cards' => 'listCustomerCards' ],
	[ 'truust_list_customer_bank_accounts' => 'listCustomerBankAccounts' ], [ 'truust_list_customer_addresses' => 'listCustomerAddresses' ],
	[ 'truust_list_customer_subscriptions' => 'listCustomerSubscriptions' ], [ 'truust_list_verification_documents' => 'listVerificationDocuments' ])
{
	my ($function, $operation) = @$case;
	my $list = "SELECT count(*), count(DISTINCT id) FROM $function('u'";

	$sim->rule(operation => $operation, do => 'status', status => 200, body => page_of(",\"current_page\":$_,\"last_page\":3", 2 * $_ - 1, 2 * $_)) for 1 .. 3;
	$sim->clear;
	is(value("$list)"), '6|6', "$function: all pages");
	is(queries($operation), ' page=2 page=3', "$function: what was asked for");
	$sim->no_rules;
	$sim->rule(operation => $operation, do => 'status', status => 200, body => page_of(",\"current_page\":$_,\"last_page\":3", 2 * $_ - 1, 2 * $_)) for 1 .. 2;
	is(value("$list, max_rows => 3)"), '3|3', "$function: no more pages than are wanted");
	$sim->no_rules;
	$sim->rule(operation => $operation, do => 'status', status => 200, body => page_of('', 1 .. 15));
	is(value("$list)"), '15|15', "$function: an answer that says nothing of pages is all of it");
	$sim->no_rules;
}

# ------------------------------------------------------------------ errors on the way

$sim->rule(operation => 'listOrders', after => 2, do => 'status', status => 404, body => '{"message":"Gone."}');
my ($out, $err) = $node->run('SELECT count(*) FROM truust_list_orders(per_page => 20)', 'SELECT count(*) FROM truust_list_orders(max_rows => 3)');
like($err, qr/ERROR:  P0002: .*HTTP status 404: Gone\./s, 'an error on the third page is the error of the list');
is($out, 3, '... and the next list works');
$sim->no_rules;
$sim->rule(operation => 'listOrders', after => 1, do => 'hang');
($out, $err) = $node->run("SET statement_timeout = '300ms'", 'SELECT count(*) FROM truust_list_orders(per_page => 20)', 'RESET statement_timeout',
	'SELECT count(*) FROM truust_list_orders(max_rows => 3)');
like($err, qr/ERROR:  57014: /, 'a list is cancelled on its second page');
is($out, 3, '... and the next list works');
$sim->no_rules;

# ------------------------------------------------------------------ flat memory

my $peak = <<~'SQL';
	CREATE TEMP TABLE status (line text);
	CREATE FUNCTION pg_temp.peak() RETURNS bigint LANGUAGE plpgsql AS $$
	BEGIN
		DELETE FROM status;
		EXECUTE format('COPY status FROM %L (DELIMITER E''\x01'')', '/proc/' || pg_backend_pid() || '/status');
		RETURN (SELECT substring(line FROM '[0-9]+')::bigint FROM status WHERE line LIKE 'VmHWM:%');
	END $$;
	SET work_mem = '256kB';
	SQL
$sim->call(POST => '/orders/bulk', { count => 10_000, status => 'DRAFT' });
my ($before, $n, $after, $size) = split /\n/, value($peak . <<~'SQL');
	SELECT count(*) FROM truust_list_orders(max_rows => 500) \g /dev/null
	SELECT pg_temp.peak();
	SELECT count(DISTINCT id) FROM truust_list_orders();
	SELECT pg_temp.peak();
	SELECT sum(pg_column_size(raw)) / 1024 FROM truust_list_orders(max_rows => 1000);
	SQL
is($n, 10_000 + $total, 'more than 10,000 rows');
cmp_ok($size, '>', 500, "of which 1,000 are $size kB alone");
cmp_ok($after - $before, '<', 3072, '... take ' . ($after - $before) . ' kB of memory');

# ------------------------------------------------------------------ many at once

is(value("SELECT string_agg(id::text, ' ') FROM truust_get_orders(ARRAY[$last, $first, $last, $first + 7])"), join(' ', $last, $first, $last, $first + 7),
	'many at once, in the order asked, and as often');
is(value("SELECT count(*), count(DISTINCT id), bool_and(id = $first + n - 1) FROM (SELECT id, row_number() OVER () AS n FROM truust_get_orders(ARRAY(SELECT generate_series(${first}::bigint, $last)))) o"),
	'250|250|t', 'a lot of them');
is(value(q{SELECT count(*) FROM truust_get_orders('{}')}), 0, 'none');
is(value('SELECT count(*) FROM truust_get_orders(NULL)'), 0, 'NULL is none');
$sim->clear;
($out, $err) = $node->run("SELECT id FROM truust_get_orders(ARRAY[$first, NULL])");
like($err, qr/ERROR:  22004: parameter "order_ids" of truust_get_orders\(\) must not hold nulls\nDETAIL:  Element 2 of 2 is null/, 'a null among them is refused');
is(($sim->count)[0], 0, '... before anything is sent');
($out, $err) = $node->run("SELECT id FROM truust_get_orders(ARRAY[$first, 1, $last])", "SELECT id FROM truust_get_orders(ARRAY[$last])");
like($err, qr/ERROR:  P0002: /, 'one that is not there is an error');
like($err, qr{^CONTEXT:  request GET /orders/1$}m, '... and says which');
is($out, $last, '... and the next call works');
$sim->rule(operation => 'getOrder', after => 20, do => 'hang');
($out, $err) = $node->run("SET statement_timeout = '300ms'", "SELECT count(*) FROM truust_get_orders(ARRAY(SELECT generate_series(${first}::bigint, $last)))",
	'RESET statement_timeout', "SELECT id FROM truust_get_orders(ARRAY[$last])");
like($err, qr/ERROR:  57014: /, 'they are cancelled together');
is($out, $last, '... and the next call works');
$sim->no_rules;
$node->option(max_retries => 3);
$sim->rule(operation => 'getOrder', times => 5, do => 'status', status => 503);
is(value("SELECT count(*) FROM truust_get_orders(ARRAY(SELECT generate_series(${first}::bigint, $last)))"), 250, 'what fails is sent again, the others do not wait');
$sim->no_rules;
($out, $err) = $node->run(q{SELECT id FROM truust_list_orders(status => 'NOPE', query => 'ada@example.test')});
like($err, qr{^CONTEXT:  request GET /orders$}m, 'what was looked for does not get into the log by an error');

# Payins, payouts and customers the same way.
my $uuid = value(q{SELECT uuid FROM truust_create_customer(name => 'Ada', email => 'ada@example.test')});
my $customer = value(q{SELECT id FROM truust_create_customer(name => 'Bob', email => 'bob@example.test')});
my $order = value(q{SELECT id FROM truust_create_order('Bicycle', 10)});
my @payins = map { value("SELECT id FROM truust_create_payin($order, 'REDSYS_V2')") } 1 .. 2;
is(value("SELECT string_agg(id::text, ' ') FROM truust_get_payins(ARRAY[$payins[1], $payins[0]])"), "$payins[1] $payins[0]", 'payins');
my $ids = value(q{SELECT string_agg(format_type(p.proargtypes[0], NULL), ' ' ORDER BY proname) FROM pg_proc p WHERE proname IN ('truust_get_customers', 'truust_get_payins', 'truust_get_payouts')});
is($ids, 'text[] bigint[] bigint[]', 'what they are found by');
is(value("SELECT string_agg(email, ' ') FROM truust_get_customers(ARRAY['$uuid', '$uuid'])"), 'ada@example.test ada@example.test', 'customers');

# As many connections as truust.max_connections allows, and no more.
my $peer = TruustPeer->start;
$node->option(base_url => $peer->url, max_retries => 0);
for my $n (1, 3, 8)
{
	my $before = $peer->connections;
	is(value("SET truust.max_connections = $n; SELECT count(*) FROM truust_get_orders(ARRAY(SELECT generate_series(1::bigint, 40)))"), 40, "with $n connections");
	is($peer->connections - $before, $n, "... which are $n");
}

done_testing();
