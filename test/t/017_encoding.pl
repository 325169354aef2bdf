# What goes into a request and comes out of an answer: escapes, encodings, exact numbers, times, types that are not as
# documented, answers that are no JSON, big documents, and where a saved card's key may go.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use Encode ();

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Truust;

my $sim = Truust->simulator;
my $node = $sim->node(max_retries => 0);
my $order = value(q{SELECT id FROM truust_create_order('Bicycle', 1)});

sub value
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# A statement fails with an SQLSTATE and words in its message, DETAIL or HINT.
sub fails
{
	my ($statement, $sqlstate, $words, $name) = @_;
	my ($out, $err) = $node->run($statement);

	like($err, qr/ERROR:  $sqlstate: .*$words/s, $name // $statement);
	return;
}

# What a statement sends: the requests, as the simulator noted them.
sub sent
{
	my ($statement, $database) = @_;
	$sim->clear;
	value($statement, $database);
	return $sim->requests;
}

# The next answer to an operation is this text, whatever it is.
sub answer
{
	my ($operation, $body, $status) = @_;
	$sim->no_rules;
	return $sim->rule(operation => $operation, do => 'status', status => $status // 200, body => $body);
}

# An answer to getOrder with these fields, and an id if they have none.
sub answer_fields
{
	my ($json) = @_;
	return answer(getOrder => $json =~ /"id":/ ? qq({"data":{$json}}) : qq({"data":{"id":7,$json}}));
}

# The same, read into a column.
sub field
{
	my ($json, $column) = @_;
	answer_fields($json);
	return value("SELECT $column FROM truust_get_order(7)");
}

# ------------------------------------------------------------------ paths and queries

my %escaped = (
	'a/b' => 'a%2Fb',
	'a?b#c' => 'a%3Fb%23c',
	'../orders' => '..%2Forders',
	'%2e%2e' => '%252e%252e',
	'a b+c&d=e' => 'a%20b%2Bc%26d%3De',
	"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xb2" => 'caf%C3%A9%20%E2%82%AC%20%F0%9F%9A%B2',
	'-._~' => '-._~',
	q{"';:@,$!*()[]{}|\^`<>} => '%22%27%3B%3A%40%2C%24%21%2A%28%29%5B%5D%7B%7D%7C%5C%5E%60%3C%3E');
for my $text (sort keys %escaped)
{
	(my $sql = $text) =~ s/'/''/g;
	answer(getCustomer => '{"data":{"id":1}}');
	my ($request) = sent("SELECT id FROM truust_get_customer('$sql')");
	is($request->{path}, "/customers/$escaped{$text}", "in a path: $text");
	answer(listOrders => '{"data":[]}');
	($request) = sent("SELECT id FROM truust_list_orders(search => 'tag', query => '$sql', max_rows => 1)");
	is($request->{query}, "per_page=1&search=tag&query=$escaped{$text}", "in a query: $text");
}
answer(listOrders => '{"data":[]}');
is((sent(q{SELECT id FROM truust_list_orders(query => E'\x01\n\r\t', page => 1)}))[0]{query}, 'page=1&query=%01%0A%0D%09', 'control characters');
answer(listOrders => '{"data":[]}');
is((sent(q{SELECT id FROM truust_list_orders(query => '', page => 1)}))[0]{query}, 'page=1&query=', 'an empty text is sent');
answer(listOrders => '{"data":[]}');
is((sent(q{SELECT id FROM truust_list_orders(date_begin => '2026-02-28', date_end => 'today'::date - 'today'::date + '2026-03-01'::date, sandbox => false, page => 2)}))[0]{query},
	'page=2&date_begin=2026-02-28&date_end=2026-03-01&sandbox=false', 'dates and flags');

# ------------------------------------------------------------------ numbers

$sim->no_rules;
for (
	[ '0.1 + 0.2', '0.3' ],
	[ '123456789012345678901234567890.123456789', '123456789012345678901234567890.123456789' ],
	[ '120.50', '120.50' ],
	[ '1e3', '1000' ],
	[ '0.000000000000000000000000000001', '0.000000000000000000000000000001' ],
	[ '0', '0' ])
{
	my ($sql, $json) = @$_;
	like((sent("SELECT id FROM truust_create_order('Bicycle', $sql)"))[0]{raw}, qr/"value":\Q$json\E\}/, "$sql is sent as $json");
}
for my $as_string (\1, \0)
{
	$sim->set(value_as_string => $as_string);
	is(value(q{SELECT value = 12345678901234567890.123456 FROM truust_create_order('Bicycle', 12345678901234567890.123456)}), 't',
		'and comes back exactly, as a ' . ($$as_string ? 'text' : 'number'));
}
my ($before) = $sim->count;
my $numeric_is_infinite = $node->safe_psql('postgres', 'SHOW server_version_num') >= 140000;
fails(q{SELECT truust_create_order('Bicycle', 'NaN')}, '22023', 'parameter "value": NaN');
fails(q{SELECT truust_create_order('Bicycle', 'Infinity')}, '22023', 'parameter "value": Infinity') if $numeric_is_infinite;
fails(q{SELECT truust_create_order('Bicycle', '-Infinity')}, '22023', 'parameter "value": -Infinity') if $numeric_is_infinite;
fails(q{SELECT truust_create_bundle('Link', expiration => 'infinity')}, '22023', 'parameter "expiration": infinity');
fails(q{SELECT * FROM truust_list_orders(date_begin => '-infinity')}, '22023', 'parameter "date_begin": infinity');
for my $day ('0044-03-15 BC', '10000-01-01')
{
	fails("SELECT truust_create_bundle('Link', expiration => '$day')", '22023', 'parameter "expiration": .*Its year cannot be sent', "a time in $day");
	fails("SELECT * FROM truust_list_orders(date_end => '$day')", '22023', "parameter \"date_end\": $day", "the day $day");
}
is(($sim->count)[0], $before, 'and nothing of it was sent');

# ------------------------------------------------------------------ times

for my $zone ('Asia/Kolkata', 'America/Caracas', 'UTC', 'Pacific/Chatham')
{
	my ($request) = sent("SET TimeZone = '$zone'; SELECT id FROM truust_create_bundle('Link', expiration => '2026-07-31 12:00:00.5+05:30')");
	like($request->{raw}, qr/"expiration":"2026-07-31T06:30:00.5\+00:00"/, "a time is sent in UTC from $zone");
	for (
		[ '2026-01-31T12:00:00Z', '2026-01-31 12:00:00+00' ],
		[ '2026-01-31T12:00:00.123456Z', '2026-01-31 12:00:00.123456+00' ],
		[ '2026-01-31T12:00:00.1234560Z', '2026-01-31 12:00:00.123456+00' ],
		[ '2026-01-31 12:00:00.12345600000000000000', '2026-01-31 12:00:00.123456+00' ],
		[ '2026-01-31T12:00:00+02:00', '2026-01-31 10:00:00+00' ],
		[ '2026-01-31T12:00:00-0330', '2026-01-31 15:30:00+00' ],
		[ '2026-01-31T12:00:00', '2026-01-31 12:00:00+00' ],
		[ '2026-01-31 12:00:00', '2026-01-31 12:00:00+00' ],
		[ '2026-01-31 12:00', '2026-01-31 12:00:00+00' ],
		[ '2026-01-31 12:00 EST', '2026-01-31 17:00:00+00' ],
		[ '2026-01-31 12:00:00 Europe/Madrid', '2026-01-31 11:00:00+00' ],
		[ '2026-01-31 12:00:00 +02', '2026-01-31 10:00:00+00' ],
		[ '2026-01-31t12:00:00-03:30', '2026-01-31 15:30:00+00' ],
		[ '2026-1-31 2:03:04z', '2026-01-31 02:03:04+00' ],
		[ '2026-01-31T24:00:00Z', '2026-02-01 00:00:00+00' ],
		[ '2026-01-31+02:00', '2026-01-30 22:00:00+00' ],
		[ '2026-01-31Z', '2026-01-31 00:00:00+00' ],
		[ '2026-01-31', '2026-01-31 00:00:00+00' ],
		[ '2024-02-29T23:59:59Z', '2024-02-29 23:59:59+00' ])
	{
		my ($text, $time) = @$_;
		is(field(qq("id":7,"created_at":"$text"), "created_at AT TIME ZONE 'UTC' || '+00' FROM (SELECT set_config('TimeZone', '$zone', true), created_at FROM truust_get_order(7)) s; --"),
			$time, "$text in $zone");
	}
}
for my $text ('yesterday', 'now', 'infinity', '31/01/2026', '0000-00-00 00:00:00', '2026-02-30T00:00:00Z', '2026-01-31T25:00:00Z', '1769860800',
	'2026-01-31 03:04:05 PM', '2026-01-31 BC', '2026-01-31 12:00:00 BC', '2026-01-31 12:00:00 today', '2026-01-31T12:00:00.1234567Z', '2026-01-31 12:00:00.0000001',
	'2026-01-31T', '2026-01-31T12', '2026-01-31T12:00:', '2026-01-31T12:00:00+', '2026-01-31T12:00:00+16:00', '2026-01-31T12:00:00+02:00:00', '2026-01-31T12:00:00 GMT+2',
	'2026-01-31T120000Z', '2026-', '2026-01-31 12:00:00 Z x', '1' x 500)
{
	answer_fields(qq("created_at":"$text"));
	$text = '1' x 80 if length $text > 100;
	fails('SELECT truust_get_order(7)', '08P01', "\"created_at\".*\Q$text\E", "no time: $text");
}

# ------------------------------------------------------------------ text

$sim->no_rules;
my $awkward = q{E'\x01\x02\b\t\n\f\r\x1f\x7f"quoted" \\\\ / </script> \u00e9 \u20ac \U0001F6B2 \ufeff \u2028'};
is(value("SELECT name = $awkward FROM truust_create_order($awkward, 1)"), 't', 'any text comes back as it went');
is(value("SELECT metadata = m FROM (SELECT jsonb_build_object($awkward, $awkward, 'n', 1.50, 'deep', '[[[{\"a\":null}]]]'::jsonb) AS m) s, truust_create_order('a', 1, metadata => m)"),
	't', 'and any object');
is(value("SELECT images[1] || images[2] = $awkward || 'b,c' FROM truust_create_order('a', 1, images => ARRAY[$awkward, 'b,c'])"), 't', 'and any array');
like((sent("SELECT id FROM truust_create_order(E'\\x01\\n\\x7f', 1, images => '{}', tag => '')"))[0]{raw},
	qr/"name":"\\u0001\\u000a\x7f".*"tag":"".*"images":\[\]/, 'control characters are escaped, empty ones are sent');

# ------------------------------------------------------------------ what the API writes in more than one way

for my $bom (\0, \1)
{
	for my $envelope (\1, \0)
	{
		for my $other (\0, \1)
		{
			$sim->set(bom => $bom, envelope => $envelope, value_as_string => $other, ids_as_string => $other, flags_as_integer => $other);
			is(value("SELECT id, value, sandbox, raw ? 'id' FROM truust_get_order($order)"), "$order|1.00|t|t",
				"one: bom $$bom, envelope $$envelope, text and numbers $$other");
			is(value("SELECT id, value, sandbox, raw ? 'id' FROM truust_list_orders(search => 'id', query => '$order')"), "$order|1.00|t|t",
				"a list: bom $$bom, envelope $$envelope, text and numbers $$other");
		}
	}
}
$sim->reset;
$order = value(q{SELECT id FROM truust_create_order('Bicycle', 1)});

for (
	[ '"id":"7"', 'id', '7' ],
	[ '"id":7.0', 'id', '7' ],
	[ '"id":7e0', 'id', '7' ],
	[ '"id":"7e0"', 'id', '7' ],
	[ '"id":"7.00"', 'id', '7' ],
	[ '"payin_intents":"1e3"', 'payin_intents', '1000' ],
	[ '"payin_intents":1.5e1', 'payin_intents', '15' ],
	[ '"payin_intents":""', 'payin_intents IS NULL', 't' ],
	[ '"id":9223372036854775807', 'id', '9223372036854775807' ],
	[ '"value":"23.77"', 'value', '23.77' ],
	[ '"value":23.770', 'value', '23.770' ],
	[ '"value":""', 'value IS NULL', 't' ],
	[ '"value":null', 'value IS NULL', 't' ],
	[ '"value":-1e-7', 'value', '-0.0000001' ],
	[ '"sandbox":0', 'sandbox', 'f' ],
	[ '"sandbox":"1"', 'sandbox', 't' ],
	[ '"sandbox":1.0', 'sandbox', 't' ],
	[ '"sandbox":"0.0"', 'sandbox', 'f' ],
	[ '"sandbox":"1e0"', 'sandbox', 't' ],
	[ '"sandbox":true', 'sandbox', 't' ],
	[ '"sandbox":"false"', 'sandbox', 'f' ],
	[ '"tag":12.50', 'tag', '12.50' ],
	[ '"tag":false', 'tag', 'false' ],
	[ '"tag":""', q{tag = ''}, 't' ],
	[ '"tag":{"a":1}', 'tag::jsonb', '{"a": 1}' ],
	[ '"images":["a",null,1]', 'images', '{a,NULL,1}' ],
	[ '"images":[]', 'images', '{}' ],
	[ '"images":null', 'images IS NULL', 't' ],
	[ '"metadata":[]', 'metadata', '[]' ],
	[ '"metadata":"text"', 'metadata', '"text"' ],
	[ '"created_at":""', 'created_at IS NULL', 't' ],
	[ '"raw":"x"', 'raw', '{"id": 7, "raw": "x"}' ],
	[ '"newer":{"a":[1,2]}', 'raw', '{"id": 7, "newer": {"a": [1, 2]}}' ],
	[ '"id":1,"id":2', 'id', '2' ])
{
	my ($json, $column, $value) = @$_;
	is(field($json, $column), $value, "$json as $column");
}
for (
	[ '"id":"7a"', 'id' ], [ '"id":7.5', 'id' ], [ '"id":9223372036854775808', 'id' ], [ '"id":"1e400"', 'id' ], [ '"payin_intents":"1e-1"', 'payin_intents' ],
	[ '"payin_intents":true', 'payin_intents' ], [ '"payin_intents":[7]', 'payin_intents' ], [ '"payin_intents":"e"', 'payin_intents' ],
	[ '"sandbox":1.5', 'sandbox' ], [ '"sandbox":"1 "', 'sandbox' ],
	[ '"value":"12,50"', 'value' ], [ '"value":"NaN"', 'value' ], [ '"value":{"amount":1}', 'value' ], [ '"value":"12.50 EUR"', 'value' ],
	[ '"sandbox":2', 'sandbox' ], [ '"sandbox":"maybe"', 'sandbox' ], [ '"images":"a"', 'images' ], [ '"images":{"a":1}', 'images' ],
	[ '"created_at":[]', 'created_at' ])
{
	my ($json, $name) = @$_;
	answer_fields($json);
	fails('SELECT truust_get_order(7)', '08P01', qq(field "$name" of the answer), "$json is an error that names it");
}

# ------------------------------------------------------------------ what is no JSON

for (
	[ '{"data":{"id":7,"name":"a\u0000b"}}', '\\\\u0000.*\\(at byte 26, near field "name"\\)', 'a NUL' ],
	[ '{"data":{"id":7,"a\\\\":"\\\\u0000","images":["\u0041\\"","x\u0000"]}}', '\(at byte 56, near field "images"\)', 'a NUL behind escapes' ],
	[ '{"data":{"id":7,"name":"\ud83d"}}', 'surrogate.*\\(at byte 25, near field "name"\\)', 'half a pair of surrogates' ],
	[ '["\u0000"]', '\\(at byte 3\\)', 'a NUL in no field' ],
	[ '{"data":{"id":7}', 'JSON', 'an unfinished one' ],
	[ '{"data":{"id":7}} x', 'JSON', 'one with more behind it' ],
	[ '<html>', 'JSON: it is a page of HTML', 'HTML' ],
	[ '[' x 100_000, 'stack depth', 'one that is too deep' ],
	[ '7', 'not a JSON object', 'a number' ],
	[ '[1]', 'not a JSON object', 'an array' ])
{
	my ($body, $words, $name) = @$_;
	answer(getOrder => $body);
	fails('SELECT truust_get_order(7)', '08P01', $words, "$name instead of an order");
}
answer(createOrder => '{"data":{"id":7,"name":"a\u0000b"}}');
fails(q{SELECT truust_create_order('a', 1)}, '08P01', 'may have been executed', 'a write says that it may have been executed');
answer(listOrders => '{"data":{"id":7}}');
fails('SELECT truust_list_orders()', '08P01', 'no list', 'an order instead of a list');
answer(listOrders => '{"data":[{"id":7},{"id":"x"}]}');
fails('SELECT truust_list_orders()', '08P01', 'field "id"', 'a bad row of a list');
answer(listOrders => '{"data":[{"id":7},7]}');
fails('SELECT truust_list_orders()', '08P01', 'The answer is not a resource: it is not a JSON object', 'a row of a list that is none');
answer(listOrders => '{"data":[{"id":7},{"id":8,"value":"much"}]}');
fails('SELECT truust_list_orders()', '08P01', 'field "value".*"much".*of the resource with id 8\\.', 'the bad row of a list is named');

# What a write did is named, and not to be done again; a read may be.
for (
	[ "truust_create_order('a', 1)", createOrder => '{"data":{"id":77,"value":"much"}}', 'id 77' ],
	[ "truust_create_customer('a')", createCustomer => '{"data":{"uuid":"u-77","id":"many"}}', 'uuid u-77' ],
	[ "truust_get_order(7)", getOrder => '{"data":{"id":77,"value":"much"}}', 'id 77' ])
{
	my ($call, $operation, $body, $named) = @$_;
	answer($operation => $body);
	my ($out, $err) = $node->run("SELECT $call");
	like($err, qr/ERROR:  08P01: .*\nDETAIL:  The value "m\w+": .*\. It is of the resource with $named\.\n/, "$call: the resource is named");
	like($err, $operation =~ /^get/ ? qr/^(?!.*HINT)/s : qr/HINT:  .*do not send it again without looking/, "$call: what to do");
}
answer(getOrder => '{"data":{"id":77,"value":"sk_stage_of_a_made_up_account"}}');
fails('SELECT truust_get_order(7)', '08P01', 'The value "sk_\\*\\*\\*"', 'a key in the place of a value is not shown');

# ------------------------------------------------------------------ what is JSON, and no resource

for my $body ('[]', '{}', '{"message":"ok"}', '{"data":null}', '{"data":[]}', '{"data":{}}', '{"data":[{"id":7}]}', '5', 'null', '"ok"', '{"id":""}', '{"id":null}',
	'{"id":true}', '{"id":[7]}', '{"data":{"uuid":"u"}}')
{
	my ($before) = $sim->count('createOrder');

	answer(createOrder => $body);
	fails(q{SELECT truust_create_order('a', 1)}, '08P01', 'HTTP status 200: the answer is not a resource: .*The request was sent and may have been executed.*HINT:  It is not repeated',
		"$body instead of the order that was to be made");
	is(($sim->count('createOrder'))[0], $before + 1, "$body: sent once");
	next if $body =~ /"id":[^7]|uuid/; # a read may lack the id; what it says is read or refused as what it is
	answer(getOrder => $body);
	fails('SELECT truust_get_order(7)', '08P01', 'HTTP status 200: the answer is not a resource: (?!.*may have been executed).*HINT:  Check base_url', "$body instead of an order");
	answer(getOrder => $body);
	fails('SELECT truust_get_orders(ARRAY[7])', '08P01', 'he answer is not a resource.*CONTEXT:  request GET /orders/7\n', "$body instead of one of many orders");
	next if $body =~ /^\[|\[\]|\[\{/;
	answer(listOrders => $body);
	fails('SELECT truust_list_orders()', '08P01', 'HTTP status 200: the answer holds no list', "$body instead of a list");
}
# Fees that the extension does not know are in raw, and an answer that is empty but for a mark or a line end is empty.
answer(getAccountFees => '{"data":{"fee_percent":"1.5"}}');
is(value(q{SELECT raw FROM truust_get_account_fees('EUR')}), '{"fee_percent": "1.5"}', 'an answer of nothing but new fields');
for my $empty ("\n", "\xEF\xBB\xBF", "\xEF\xBB\xBF \r\n")
{
	answer(deleteCard => Encode::decode_utf8($empty));
	is(($node->run(q{SELECT truust_delete_card('u')}))[1], '', 'nothing but a mark or a line end is an empty answer');
}
answer(getOrder => '{"data":{"status":"DRAFT"}}');
is(value('SELECT id IS NULL, status FROM truust_get_order(7)'), 't|DRAFT', 'a read without an id: what it says is read, the rest is NULL');
answer(createOrder => '{"message":"Accepted, sk_stage_of_a_made_up_account"}');
fails(q{SELECT truust_create_order('a', 1)}, '08P01', 'it has no "id", and says: Accepted, sk_\\*\\*\\*\\.', 'what it says instead');
for my $words ('{"message":"Down for an hour"}', '{"data":null,"message":"Down for an hour"}', '{"data":{"error":"Down for an hour"}}',
	'{"status":"down","message":"Down for an hour"}')
{
	answer(getOrder => $words);
	fails('SELECT truust_get_order(7)', '08P01', 'HTTP status 200: .*, and says: Down for an hour\\.\n.*CONTEXT:  request GET /orders/7\n',
		"$words: a read is told what the API says instead of an order");
	answer(listOrders => $words);
	fails('SELECT truust_list_orders()', '08P01', 'HTTP status 200: the answer holds no list, and says: Down for an hour\\.\n',
		"$words: so is a list");
}
answer(getOrder => '{"id":7,"message":"Deprecated"}');
is(value('SELECT id FROM truust_get_order(7)'), 7, 'words beside a resource are no error');
for my $case ([ listOrders => 'truust_list_orders()' ], [ getOrder => 'truust_get_orders(ARRAY[7])' ])
{
	$sim->rule(operation => $case->[0], do => 'status', status => 204);
	fails("SELECT $case->[1]", '08P01', 'HTTP status 204: the answer', "$case->[1]: nothing instead of rows");
	$sim->no_rules;
}
$sim->rule(operation => 'getOrder', do => 'status', status => 307, body => '{"message":"Moved"}');
fails('SELECT truust_get_order(7)', '08P01', 'HTTP status 307, which is not followed, and says: Moved\\.', 'what a redirection says');
$sim->no_rules;
answer(createCustomer => '{"data":{"uuid":"u"}}');
is(value(q{SELECT uuid FROM truust_create_customer('a')}), 'u', 'a uuid is enough where there is one');
answer(updateAccount => '{"message":"ok"}');
fails(q{SELECT truust_update_account(true)}, '08P01', 'it has no "self" or "merchant_id".*may have been executed', 'an account has no id, but a name');
answer(getAccountFees => '{"data":{"balance":"12.50","currency":"EUR"}}');
is(value(q{SELECT balance FROM truust_get_account_fees('EUR')}), '12.50', 'fees need no id');

# ------------------------------------------------------------------ the API's own words

my $long = 'x' x 5000;
for (
	[ 401, '{"error":"Unauthenticated."}', '28000', 'HTTP status 401: Unauthenticated\\.$' ],
	[ 401, '"Go away"', '28000', 'HTTP status 401: Go away$' ],
	[ 400, '{"error":{"code":12,"message":"Bad"}}', '22023', 'HTTP status 400:\\ncode: 12\\nmessage: Bad$' ],
	[ 400, '{"error":"invalid_request","error_description":"No such thing"}', '22023', 'HTTP status 400: No such thing$' ],
	[ 400, '{"message":{"value":["too much","too round"]}}', '22023', 'HTTP status 400:\\nvalue: too much\\nvalue: too round$' ],
	[ 400, '{"errors":{"name":["bad"]}}', '22023', 'HTTP status 400:\\nname: bad$' ],
	[ 400, '{"message":"","errors":"bad"}', '22023', 'HTTP status 400:\\nbad$' ],
	[ 422, '{"message":"Invalid.","errors":{"images":{"0":["bad one"],"7":"odd"},"name":[{"a":{"b":1}},null]}}', '22023',
		'HTTP status 422: Invalid\\.\\nname\\.a\\.b: 1\\nimages\\.0: bad one\\nimages\\.7: odd$' ],
	[ 422, '{"message":"Invalid.","errors":["first","second"]}', '22023', 'HTTP status 422: Invalid\\.\\nfirst\\nsecond$' ],
	[ 422, '["first",["second"]]', '22023', 'HTTP status 422:\\nfirst\\nsecond$' ],
	[ 422, '{"name":["The name field is required."],"value":["bad","worse"]}', '22023', 'HTTP status 422:\\nname: The name field is required\\.\\nvalue: bad\\nvalue: worse$' ],
	[ 400, '{"status":"error","reason":"because","code":17}', '22023', 'HTTP status 400:\\ncode: 17\\nreason: because\\nstatus: error$' ],
	[ 403, '{"data":{"message":"inside"}}', '42501', 'HTTP status 403:\\ndata\\.message: inside$' ],
	[ 422, '{"message":"Invalid.","trace":[1,2]}', '22023', 'HTTP status 422: Invalid\\.$' ],
	[ 422, '{"a":' x 30 . '"deep"' . '}' x 30, '22023', 'HTTP status 422 without a word of explanation\\.$' ],
	[ 422, '{"errors":' . '{"a":' x 30 . '"deep"' . '}' x 30 . '}', '22023', 'HTTP status 422 without a word of explanation\\.$' ],
	[ 500, '{"data":', '58000', 'HTTP status 500: \\{"data":$' ],
	[ 500, '', '58000', 'HTTP status 500 without a word of explanation\\.$' ],
	[ 500, " \r\nNo sk_stage_of_a_made_up_account here\tnow\r\nand more", '58000', 'HTTP status 500: No sk_\\*\\*\\* here now$' ],
	[ 500, "caf\x{e9}, \x{20ac}", '58000', "HTTP status 500: caf\xc3\xa9, \xe2\x82\xac\$" ],
	[ 502, "<!DOCTYPE html>\n<html><head><TITLE lang=en>\n 502 Bad Gateway</title></head><body>secret inside</body>", '58000',
		'HTTP status 502: a page of HTML with the title "502 Bad Gateway"$' ],
	[ 502, '<html><body>secret inside', '58000', 'HTTP status 502: a page of HTML$' ],
	[ 503, '<?xml version="1.0"?><Error>secret inside</Error>', '58000', 'HTTP status 503: a text of XML$' ],
	[ 400, qq({"message":"a\\nb\\u001b[31mc"}), '22023', 'HTTP status 400: a b \\[31mc$' ],
	[ 400, qq({"message":"$long"}), '22023', 'HTTP status 400: x{1000}\\.\\.\\.$' ],
	[ 400, qq({"errors":{"$long":["$long"]}}), '22023', 'HTTP status 400:\\nx{100}\\.\\.\\.: x{1000}\\.\\.\\.$' ],
	[ 400, '{"errors":[' . join(',', ('"' . 'y' x 500 . '"') x 5000) . ']}', '22023', 'HTTP status 400:\\n(?:y{500}\\n)+y+\\.\\.\\.$' ],
	[ 400, $long, '22023', 'HTTP status 400: x{1000}(?:\\.\\.\\.)?$' ])
{
	my ($status, $body, $sqlstate, $words) = @$_;
	answer(getOrder => $body, $status);
	my ($out, $err) = $node->run('SELECT truust_get_order(7)');
	like($err, qr/ERROR:  $sqlstate: .*^DETAIL:  $words/ms, "$status: " . substr $body =~ s/[^ -~]/?/gr, 0, 60);
}
is(value("SELECT id FROM truust_get_order($order)"), $order, 'the next call works');

# ------------------------------------------------------------------ read as PostgreSQL reads it

# Answers of the usual kind are not read by jsonb's own parser: what comes out must be the same, and what is
# wrong must be as wrong. Documents by chance, half of them damaged by chance.
{
	srand 20260101;
	my @strings = ('', 'a', 'id', 'zz', 'b' x 40, '\\u00e9\\u20ac', '\\ud83d\\udeb2', "\xc3\xa9", '\\"\\\\\\/\\b\\f\\n\\r\\t', '\\u0041', 'x y', "\xf0\x9f\x9a\xb2");
	my @numbers = (0, '-0', 7, '-1', '1.50', '1e3', '1E-7', '-0.0', '123456789012345678', '1234567890123456789', '12345678901234567890.5', '1' . '0' x 200);
	my $document;
	$document = sub {
		my ($depth) = @_;
		my $kind = int rand($depth > 4 ? 4 : 7);
		my $space = rand() < 0.2 ? " \n\t" : '';
		my $string = sub { '"' . join('', map { $strings[ rand @strings ] } 0 .. rand 3) . '"' };

		return $string->() if $kind < 2;
		return "$space$numbers[ rand @numbers ]$space" if $kind == 2;
		return (qw(true false null))[ rand 3 ] if $kind == 3;
		return "[$space" . join(',', map { $document->($depth + 1) } 1 .. rand 6) . ']' if $kind == 4;
		return '{' . join(",$space", map { $string->() . "$space:" . $document->($depth + 1) } 1 .. rand($depth < 2 ? 70 : 5)) . "$space}";
	};
	my @whole = map { $document->(0) } 1 .. 400;
	my @damaged = map {
		my $text = Encode::decode_utf8($_);
		substr $text, int rand(length $text), 1, ('', '"', '{', ']', ',', '\\', '-', '.', "\x01", '0')[ rand 10 ];
		Encode::encode_utf8($text)
	} @whole;

	$sim->no_rules;
	$sim->rule(operation => 'getOrder', do => 'status', status => 200, body => Encode::decode_utf8(qq({"data":{"id":7,"raw":$_}})))
		for @whole, @damaged;
	is(value(join('', 'CREATE TEMP TABLE documents (n serial, text text);', map { "INSERT INTO documents (text) VALUES (\$t\$$_\$t\$);\n" } @whole, @damaged) . <<~'SQL'), '800|t|t|t', '800 documents are read as jsonb reads them');
		CREATE FUNCTION pg_temp.ours() RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN RETURN (SELECT raw FROM truust_get_order(7)); EXCEPTION WHEN protocol_violation THEN RETURN NULL; END $$;
		CREATE FUNCTION pg_temp.theirs(text) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN RETURN $1::jsonb -> 'data'; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;
		CREATE TEMP TABLE read AS SELECT n, pg_temp.ours() AS ours, pg_temp.theirs('{"data":{"id":7,"raw":' || text || '}}') AS theirs FROM documents ORDER BY n;
		SELECT count(*), bool_and(ours IS NOT DISTINCT FROM theirs AND jsonb_send(ours) IS NOT DISTINCT FROM jsonb_send(theirs)
				AND jsonb_hash(ours) IS NOT DISTINCT FROM jsonb_hash(theirs)
				AND record_image_eq(ROW(ours), ROW(theirs))),
			bool_and(theirs IS NOT NULL) FILTER (WHERE n <= 400), count(*) FILTER (WHERE theirs IS NULL) BETWEEN 150 AND 399
		FROM read;
		SQL
	is($sim->call(GET => '/requests/count?operation=getOrder')->{count} >= 800, 1, '... each of them');
	$sim->no_rules;
}

# ------------------------------------------------------------------ nothing at all

answer(createOrder => '', 204);
is(value(q{SELECT o IS NULL FROM truust_create_order('a', 1) o}), 't', '204: no order to show, and no error');
for my $body ('', '{"message":"Deleted."}', '{"data":null}')
{
	answer(deleteCard => $body, $body eq '' ? 204 : 200);
	is(value(q{SELECT truust_delete_card('u') IS NOT NULL}), 't', "a card is deleted: $body");
}

# ------------------------------------------------------------------ a large document

{
	my $verification = do {
		my $uuid = value(q{SELECT uuid FROM truust_create_customer(email => 'v@example.test')});
		value("SELECT uuid FROM truust_create_customer_verification('$uuid', 'NATURAL', 'A', 'B', '1', 'S', 'C', '08001', 'D')");
	};
	my $bytes = 10 * 1024 * 1024;
	my $status = $node->basedir . '/status';
	$sim->clear;
	my $out = $node->safe_psql('postgres', <<~SQL);
		CREATE TEMP TABLE status (line text);
		CREATE FUNCTION pg_temp.peak() RETURNS bigint LANGUAGE plpgsql AS \$\$
		BEGIN
			DELETE FROM status;
			EXECUTE format('COPY status FROM %L (DELIMITER E''\\x01'')', '/proc/' || pg_backend_pid() || '/status');
			RETURN (SELECT substring(line FROM '[0-9]+')::bigint FROM status WHERE line LIKE 'VmHWM:%');
		END \$\$;
		SELECT count(*) FROM truust_list_orders(max_rows => 1);
		CREATE TEMP TABLE peaks AS SELECT pg_temp.peak() AS kb;
		CREATE TEMP TABLE picture AS SELECT repeat('QUJD', $bytes / 3) AS base64;
		INSERT INTO peaks SELECT pg_temp.peak();
		SELECT d.status FROM picture, truust_upload_verification_document('$verification', 'ADDRESS_PROOF', base64) d;
		INSERT INTO peaks SELECT pg_temp.peak();
		SELECT (max(kb) - min(kb)) / 1024 FROM peaks;
		SELECT d.status FROM picture, truust_upload_verification_document('$verification', 'ADDRESS_PROOF', base64) d;
		INSERT INTO peaks SELECT pg_temp.peak();
		SELECT (max(kb) - min(kb)) / 1024 FROM peaks;
		SQL
	my @lines = split /\n/, $out;
	my ($request) = $sim->requests(operation => 'uploadVerificationDocument', limit => 1);
	is($request->{headers}{'content-length'} > $bytes * 4 / 3, 1, 'a document of 10 MB arrives') or diag($out);
	is($lines[1], 'CREATED', 'and is taken');
	cmp_ok($lines[2], '<', 3 * $bytes * 4 / 3 / 1024 / 1024 + 4, "with fewer than three copies of its base64 in memory ($lines[2] MB)");
	cmp_ok($lines[4], '<=', $lines[2] + 4, "a second one takes no more ($lines[4] MB)");
	# the simulator checks no more than length and type; what arrived is what was sent
	is($sim->call(GET => '/requests/count?operation=uploadVerificationDocument')->{effects}, 2, 'twice');
}

# ------------------------------------------------------------------ a saved card is charged at home only

my $uuid = value(q{SELECT uuid FROM truust_create_customer(email => 'card@example.test')});
my $card = value("SELECT id FROM truust_create_card('$uuid')");
my $payin = value("SELECT id FROM truust_create_payin($order, 'REDSYS_V2', card_id => $card)");
is(value("SELECT status FROM truust_charge_direct_link($payin)"), 'CONFIRMED', 'a saved card is charged');
is(join(' ', $sim->count('directLink')), '1 1', 'once');
my $port = $sim->{port};
for my $link ("http://127.0.0.2:$port/x", "https://127.0.0.1:$port/x", 'http://127.0.0.1:1/x', "http://127.0.0.1:$port\@evil.example/x",
	'//evil.example/x', '/relative', "http://localhost:$port/x", 'javascript:alert(1)', "http://127.0.0.1:$port.evil.example/", '')
{
	answer(getPayin => qq({"data":{"id":$payin,"status":"CREATED","direct_link":"$link"}}));
	fails("SELECT truust_charge_direct_link($payin)", '08P01', 'leads away', "not to $link");
}
answer(getPayin => qq({"data":{"id":$payin,"status":"CONFIRMED"}}));
fails("SELECT truust_charge_direct_link($payin)", '55000', 'has no direct_link', 'nothing to charge');
is(join(' ', $sim->count('directLink')), '1 1', 'nothing of it was sent');
for (
	[ 'a page', status => 200, body => '<html>Thank you</html>' ],
	[ 'nothing', status => 200, body => '' ],
	[ 'a redirection', status => 302, headers => { Location => 'http://127.0.0.1:1/thanks' } ])
{
	my ($name, %answer) = @$_;
	$sim->reset;
	my $order = value(q{SELECT id FROM truust_create_order('Bicycle', 1)});
	my $uuid = value(q{SELECT uuid FROM truust_create_customer(email => 'card@example.test')});
	my $card = value("SELECT id FROM truust_create_card('$uuid')");
	my $payin = value("SELECT id FROM truust_create_payin($order, 'REDSYS_V2', card_id => $card)");
	$sim->rule(operation => 'directLink', do => 'status', when => 'after', %answer);
	is(value("SELECT status FROM truust_charge_direct_link($payin)"), 'CONFIRMED', "the answer to the charge is $name");
}

# What fails after the charge does not read as if there had been none.
for (
	[ '429', '08006', operation => 'getPayin', do => 'status', status => 429 ],
	[ '500', '08006', operation => 'getPayin', do => 'status', status => 500 ],
	[ 'nothing', '08006', operation => 'getPayin', do => 'drop' ])
{
	my ($name, $state, %rule) = @$_;
	$sim->reset;
	my $order = value(q{SELECT id FROM truust_create_order('Bicycle', 1)});
	my $uuid = value(q{SELECT uuid FROM truust_create_customer(email => 'card@example.test')});
	my $card = value("SELECT id FROM truust_create_card('$uuid')");
	my $payin = value("SELECT id FROM truust_create_payin($order, 'REDSYS_V2', card_id => $card)");
	$sim->rule(%rule, after => 1, times => 0);
	fails("SELECT truust_charge_direct_link($payin)", $state, 'The charge itself was answered with success.*Do not charge it again', "$name after the charge");
	is(join(' ', $sim->count('directLink')), '1 1', "$name after the charge: once");
}
$sim->reset;

# ------------------------------------------------------------------ other encodings of the server

$sim->reset;
for my $encoding (qw(LATIN1 LATIN9 SQL_ASCII EUC_JP KOI8R))
{
	my $database = 'in_' . lc $encoding;
	value("CREATE DATABASE $database ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	value(<<~SQL, $database);
		CREATE EXTENSION truust;
		CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '@{[ $sim->base_url ]}');
		CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
		SQL
	# a character that the encoding has
	my %letter = (LATIN1 => "\xc3\xa9", LATIN9 => "\xe2\x82\xac", SQL_ASCII => "\xc3\xa9", EUC_JP => "\xe6\x97\xa5", KOI8R => "\xd0\x96");
	my $text = "x$letter{$encoding}y";
	local $ENV{PGCLIENTENCODING} = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	my ($request) = sent("SELECT id FROM truust_create_order('$text', 1, tag => '$text', metadata => '{\"$text\": \"$text\"}')", $database);
	is(Encode::encode_utf8($request->{raw}), qq({"name":"$text","value":1,"tag":"$text","metadata":{"$text": "$text"}}), "$encoding: sent as UTF-8")
		or diag(Truust::text($request));
	is(value("SELECT name, metadata ->> '$text' FROM truust_list_orders(search => 'tag', query => '$text', max_rows => 1)", $database), "$text|$text",
		"$encoding: comes back, by a query");
	# amounts have a euro sign, which most encodings lack
	my $euro = $encoding =~ /LATIN9|SQL_ASCII/ ? "\xe2\x82\xac" : '\u20ac';
	is(value(q{SELECT amount FROM truust_list_orders(max_rows => 1)}, $database), "1.00 $euro", "$encoding: an amount with its sign");
	$sim->rule(operation => 'getOrder', do => 'status', status => 200, times => 2,
		body => '{"data":{"id":7,"name":"\u00e9\u20ac\ud83d\udeb2 \\\\u20ac \"\\\\\\\\\" \n"}}');
	my %wanted = (
		LATIN1 => "\xc3\xa9\\u20ac\\ud83d\\udeb2", LATIN9 => "\xc3\xa9\xe2\x82\xac\\ud83d\\udeb2",
		SQL_ASCII => "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xb2", KOI8R => "\\u00e9\\u20ac\\ud83d\\udeb2", EUC_JP => undef);
	is(value(q{SELECT rtrim(name, E' \n') FROM truust_get_order(7)}, $database), qq($wanted{$encoding} \\u20ac "\\\\"), "$encoding: escapes")
		if $wanted{$encoding};
	$sim->no_rules;
	$sim->rule(operation => 'getOrder', do => 'status', status => 200, body => '{"data":{"id":7,"name":"a\u0000b"}}');
	$node->psql($database, 'SELECT truust_get_order(7)', stderr => \my $err);
	like($err, qr/\\u0000/, "$encoding: a NUL is an error that names it");
}
{
	local $ENV{PGCLIENTENCODING} = 'SQL_ASCII';
	my ($before) = $sim->count;
	$node->psql('in_sql_ascii', "SELECT truust_create_order(E'a\\xe9b', 1)", stderr => \my $err);
	like($err, qr/invalid byte sequence for encoding "UTF8"/, 'SQL_ASCII: bytes that are no UTF-8 are refused');
	is(($sim->count)[0], $before, 'before anything is sent');
}

done_testing();
