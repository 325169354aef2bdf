# Errors that look like a cancel, and cancels: what a handler or on_done raises with that SQLSTATE is its own failure and
# holds up nobody else; a worker that is cancelled in the middle of somebody's code has no transaction open afterwards.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(conf => "truust.max_attempts = 3\ntruust.webhook_trust = body\n");

$t->sql(<<~'SQL');
	CREATE TABLE seen (what text);
	CREATE FUNCTION fails_or_notes(what text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF what LIKE 'cancel%' THEN RAISE 'not today' USING ERRCODE = 'query_canceled'; END IF;
		IF what LIKE 'sleep%' THEN PERFORM pg_sleep(600); END IF;
		INSERT INTO seen VALUES (what);
	END $$;
	CREATE FUNCTION on_event(e truust_event) RETURNS void LANGUAGE sql AS
		$$ SELECT fails_or_notes(CASE e.order_id WHEN 1 THEN 'cancel' WHEN 3 THEN 'sleep' ELSE 'order ' || e.order_id END) $$;
	CREATE FUNCTION on_end(r truust.requests) RETURNS void LANGUAGE sql AS $$ SELECT fails_or_notes(r.args ->> 'name') $$;
	SELECT truust_on('*', 'on_event(truust_event)');
	SQL

sub webhook
{
	my ($order) = @_;
	$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "PUBLISHED"}}'::text, 'order.published')});
	return;
}

sub request
{
	my ($name) = @_;
	return $t->sql(qq{SELECT truust_enqueue('create_order', '{"name": "$name", "value": 1}', on_done => 'on_end(truust.requests)')});
}

# ---------------------------------------------------------------- an error with that SQLSTATE

webhook(1);
webhook(2);
ok($t->wait_for(q{EXISTS (SELECT FROM seen WHERE what = 'order 2')}, 30), 'webhooks: other orders go on');
ok($t->wait_for(q{(SELECT state = 'dead' FROM truust.webhooks WHERE order_id = 1)}, 30), '... and this one becomes a dead letter');
like($t->sql('SELECT error FROM truust.webhooks WHERE order_id = 1'), qr/not today/, '... with its reason');

my ($bad, $good) = (request('cancel'), request('good'));
ok($t->wait_for(q{EXISTS (SELECT FROM seen WHERE what = 'good')}, 30), 'requests: others go on');
ok($t->wait_for("(SELECT done_state = 'dead' FROM truust.requests WHERE id = $bad)", 30), '... and what followed this one is given up');
is($t->sql("SELECT state, done_attempts, done_error FROM truust.requests WHERE id = $bad"), 'done|3|not today', '... while its answer is kept');
is($t->effects('createOrder'), 2, '... and each was sent once');
is($t->error('CALL truust_drain()'), '', 'a drain goes past both');

# ---------------------------------------------------------------- a cancel

for my $case ([ 'webhooks', sub { webhook(3) } ], [ 'requests', sub { request('sleep') } ])
{
	my ($what, $make) = @$case;
	my $worker = "backend_type = 'truust $what'";
	my $inside = "EXISTS (SELECT FROM pg_stat_activity WHERE $worker AND wait_event = 'PgSleep')";

	$make->();
	ok($t->wait_for($inside, 30), "$what: the worker is in somebody's code");
	my $began = $t->sql("SELECT xact_start FROM pg_stat_activity WHERE $worker");
	$t->sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE $worker");
	ok($t->wait_for("NOT EXISTS (SELECT FROM pg_stat_activity WHERE $worker AND xact_start = '$began')", 30),
		'... cancelled, it has no transaction open');
	ok($t->wait_for($inside, 30), '... and tries it again');
	$t->sql("CREATE OR REPLACE FUNCTION fails_or_notes(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO seen VALUES (what)'")
	  if $what eq 'requests';
	$t->sql("SELECT truust_pause('$what', 'enough')");
	$t->sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE $worker");
}
$t->sql(q{SELECT truust_resume('requests')});
ok($t->wait_for(q{EXISTS (SELECT FROM seen WHERE what = 'sleep')}, 30), 'what was cancelled is done in the end');
is($t->effects('createOrder'), 3, '... and sent once');
# The same in the foreground: the session that drains goes on as after any error.
$t->sql(q{SELECT truust_stop_worker(), truust_resume('webhooks')});
$t->sql("CREATE OR REPLACE FUNCTION fails_or_notes(what text) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(600)'");
webhook(4);
my ($out, $err);
$t->node->psql('postgres', "SET statement_timeout = '2s';\nCALL truust_drain();\nRESET statement_timeout;\nROLLBACK;\nSELECT 'works';",
	stdout => \$out, stderr => \$err, on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'a drain that is cancelled in a handler fails');
like($out, qr/works/, '... and its session goes on');
unlike(slurp_file($t->node->logfile), qr/unexpected state|transaction left|AbortTransaction while in/, 'no transaction was left in between');
done_testing();
