# An API, or whoever answers in its place, that sends the key back: nobody is shown it, neither a caller nor the log, nor
# those who read what became of a deferred request.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $KEY = 'sk_stage_of_a_made_up_account';
my $t = TruustOutbox->new(name => 'echo', conf => "log_min_messages = debug2\n");
my $order = $t->sql(q{SELECT id FROM truust_create_order(name => 'Echo', value => 1)});
my $said = '';

for my $status (400, 401, 403, 404, 409, 422, 500)
{
	my $body = JSON::PP::encode_json({ message => "Bearer $KEY is refused", errors => { name => ["not with $KEY"], $KEY => ['odd'] } });

	$t->sim(POST => 'rules', { operation => '*', do => 'status', status => $status, body => $body, times => 0, headers => { 'X-Key' => $KEY } });
	my $error = $t->error("SET statement_timeout = '5s'; ALTER SERVER truust OPTIONS (ADD max_retries '0'); SELECT id FROM truust_update_order($order, name => 'x'); ALTER SERVER truust OPTIONS (DROP max_retries)");
	like($error, qr/ERROR:  \w{5}: .*HTTP status $status/s, "$status: refused");
	like($error, qr/sk_\*\*\*/, "$status: the key's place is marked") if $error =~ /refused\b.*DETAIL.*Bearer/s;
	unlike($error, qr/\Q$KEY\E/, "$status: no key in the error");
	$said .= $error;
	$t->sim(DELETE => 'rules');
}
like($said, qr/Bearer sk_\*\*\* is refused/, 'the rest of the words is there');

$t->sim(POST => 'rules', { operation => 'updateOrder', do => 'status', status => 422, times => 1,
	body => JSON::PP::encode_json({ message => "Bearer $KEY is refused", errors => { name => ["not with $KEY"] } }) });
my $request = $t->sql(qq{SELECT truust_enqueue('update_order', '{"order_id": $order, "name": "y"}')});
ok($t->wait_for("EXISTS (SELECT FROM truust.requests WHERE id = $request AND state = 'failed')"), 'a deferred request is refused');
like($t->sql("SELECT error FROM truust.requests WHERE id = $request"), qr/sk_\*\*\*/, 'its error has the words');
is($t->sql("SELECT count(*) FROM truust.requests r WHERE strpos(r::text, '$KEY') > 0"), 0, 'without the key');
$t->sim(POST => 'rules', { operation => 'getOrder', do => 'status', status => 401, times => 0, body => JSON::PP::encode_json({ message => "no, $KEY" }) });
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "PUBLISHED"}}', 'order.published')});
ok($t->wait_until(sub { slurp_file($t->node->logfile) =~ /looking at orders of server "truust" with the key of role "\w+" failed: .*no, sk_\*\*\*/ }), 'nor may the worker look, which is said without the key')
	or diag $t->sql('SELECT state, attempts, error FROM truust.webhooks') . slurp_file($t->node->logfile) =~ s/^.* statement: .*$//gmr =~ s/^.*DEBUG.*$//gmr;
is($t->sql("SELECT count(*) FROM truust.webhooks w WHERE strpos(w::text, '$KEY') > 0"), 0, 'in the intake too');
is($t->sql("SELECT count(*) FROM truust_status() s WHERE strpos(s::text, '$KEY') > 0"), 0, 'in truust_status() too');
$t->node->stop;
my @lines = grep { /\Q$KEY\E/ && !/ statement: |secret_key/ } split /\n/, slurp_file($t->node->logfile);
is(scalar @lines, 0, 'no line of the log has it') or diag join "\n", @lines[0 .. ($#lines > 4 ? 4 : $#lines)];

done_testing;
