# Databases of other encodings: what the workers read, with no transaction open, has a euro sign in each amount, which most
# encodings lack. Requests are answered, refused and looked up, attached rows filled in, webhooks applied, as in UTF-8.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'encodings', bare => 1, conf => <<~CONF);
	max_worker_processes = 20
	truust.settle_time = 300ms
	truust.max_attempts = 3
	CONF
my $settled = q{NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending') OR done_state = 'pending')};

# A letter that the encoding has, in UTF-8, and what it makes of a euro sign.
my %case = (
	LATIN1 => [ "\xc3\xb1", '\u20ac' ],
	LATIN9 => [ "\xc3\xb1", "\xe2\x82\xac" ],
	EUC_JP => [ "\xe6\x97\xa5", '\u20ac' ],
	SQL_ASCII => [ "\xc3\xb1", "\xe2\x82\xac" ]);

for my $encoding (sort keys %case)
{
	my ($letter, $euro) = @{ $case{$encoding} };
	my $database = 'in_' . lc $encoding;
	my $name = "Ni$letter";
	my $sql = sub { return $t->sql($_[0], database => $database) };
	my $enqueue = sub { return $sql->("SELECT truust_enqueue('create_order', jsonb_build_object('name', '$_[0]', 'value', 1))") };

	$t->sql("CREATE DATABASE $database ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$t->install($database);
	local $ENV{PGCLIENTENCODING} = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	$sql->('CREATE TABLE orders (id text PRIMARY KEY, title text, total numeric, truust_id bigint, status text)');
	$sql->(q{SELECT truust_attach('orders', args => '{"name": "title", "value": "total"}', order_id => 'truust_id', status => 'status')});

	$t->sim(DELETE => 'requests');
	my $done = $enqueue->($name);
	ok($t->node->poll_query_until($database, "SELECT $settled"), "$encoding: a request ends");
	is($sql->("SELECT state, attempts, response ->> 'name', response ->> 'amount' FROM truust.requests WHERE id = $done"), "done|1|$name|1.00 $euro", "$encoding: done, with its answer");

	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after' });
	my $found = $enqueue->("$name found");
	ok($t->node->poll_query_until($database, "SELECT $settled"), "$encoding: one whose answer is lost ends");
	is($sql->("SELECT state, attempts, response ->> 'name' FROM truust.requests WHERE id = $found"), "done|1|$name found", "$encoding: it is found");

	$t->sim(DELETE => 'rules');
	$t->sim(POST => 'rules', { operation => 'createOrder', do => 'status', status => 422, body => qq({"message":"A\\u00f1o, 5 \\u20ac"}) });
	my $refused = $enqueue->("$name refused");
	ok($t->node->poll_query_until($database, "SELECT $settled"), "$encoding: one that is refused ends");
	like($sql->("SELECT state, error FROM truust.requests WHERE id = $refused"), qr/^failed\|HTTP status 422: A.*o, 5 \Q$euro\E$/, "$encoding: it has the API's words");
	$t->sim(DELETE => 'rules');

	$sql->("INSERT INTO orders VALUES ('$letter', '$name attached', 1)");
	ok($t->node->poll_query_until($database, "SELECT $settled"), "$encoding: an attached row is sent");
	my $order = $sql->("SELECT truust_id FROM orders WHERE id = '$letter' AND status = 'DRAFT'");
	like($order, qr/^\d+$/, "$encoding: and filled in");
	$t->sim(POST => "orders/$order/pay", {});
	$sql->(qq{SELECT truust_receive_webhook('{"escrow": {"id": "$order", "name": "$name", "status": "PUBLISHED"}}'::text, 'order.published')});
	ok($t->node->poll_query_until($database, 'SELECT NOT EXISTS (SELECT FROM truust.webhooks)'), "$encoding: a webhook is applied");
	is($sql->("SELECT o.status, o.name, r.status FROM truust.orders o JOIN orders r ON r.truust_id = o.id WHERE o.id = $order"), "PUBLISHED|$name attached|PUBLISHED", "$encoding: to order and row");
	is($t->effects('createOrder'), 3, "$encoding: each order was made once");
	is($sql->(q{SELECT count(*) FROM truust_status() WHERE database = current_database() AND last_error IS NOT NULL}), 0, "$encoding: no worker has failed");
}

# A text that is no UTF-8 cannot be sent: the row is refused when it is inserted.
{
	local $ENV{PGCLIENTENCODING} = 'SQL_ASCII';
	$t->node->psql('in_sql_ascii', "INSERT INTO orders VALUES ('1', E'a\\xe9b', 1)", stderr => \my $err);
	like($err, qr/invalid byte sequence for encoding "UTF8"/, 'SQL_ASCII: a row of bytes that are no UTF-8 is refused');
}

$t->node->stop;
done_testing;
