# Requests and what can become of the database under them: dump and restore, recovery to a point in time, a promoted standby,
# DROP EXTENSION and DROP ROLE while some are pending, a clock that jumps.
use strict;
use warnings FATAL => 'all';

use Cwd ();
use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(init => { allows_streaming => 1 }, conf => "truust.settle_time = 1s\n");
my $node = $t->node;

# The server's processes are at home in its data directory.
my $archive = Cwd::abs_path($node->basedir) . '/archived';
mkdir $archive;
$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = 'cp \"%p\" \"$archive/%f\"'\n");
$node->restart;

sub enqueue
{
	my ($n, $name, $database) = @_;
	return $t->sql(qq{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', '$name ' || i, 'value', i))) FROM generate_series(1, $n) i},
		database => $database // 'postgres');
}

# How many orders of a name the simulator has.
sub made
{
	my ($name) = @_;
	return scalar grep { $_->{name} =~ /^$name / } @{ $t->sim(GET => 'rows?kind=orders')->{rows} };
}

# ---------------------------------------------------------------- nothing goes by accident

$t->sql(q{CREATE ROLE shop; GRANT USAGE ON FOREIGN SERVER truust TO shop; SELECT truust_grant('api', 'shop');
	CREATE USER MAPPING FOR shop SERVER truust OPTIONS (secret_key 'sk_stage_of_the_shop');
	SELECT truust_pause('requests', 'test')});
$t->sql(q{SET ROLE shop; SELECT truust_enqueue('create_order', '{"name": "Kept 1", "value": 1}')});
like($t->error('DROP EXTENSION truust'), qr/2BP01.*requests are pending.*1 requests? (is|are) queued.*truust_cancel_request/s, 'DROP EXTENSION is refused while requests are pending');
my $drop = 'BEGIN; DROP OWNED BY shop; DROP ROLE shop; ROLLBACK';
like($t->error($drop), qr/2BP01.*because truust works for it.*1 pending requests.*truust_cancel_request/s, 'DROP ROLE is refused while it has pending requests');
$t->sql(q{CREATE FUNCTION heed(truust_event) RETURNS void LANGUAGE sql AS ''; SELECT truust_grant('operate', 'shop');
	SET ROLE shop; SELECT truust_on('order.released', 'heed(truust_event)')});
like($t->error($drop), qr/2BP01.*1 handlers/s, 'and while it has handlers');
$t->sql(q{SET ROLE shop; SELECT truust_off('order.released', 'heed(truust_event)')});
like($t->error('DROP ROLE shop'), qr/2BP01.*some objects depend on it/s, 'where the server refuses, it says why');
for my $command ('DROP ROLE shop', 'ALTER ROLE shop RENAME TO shop_old')
{
	my $error = $t->error("CREATE ROLE curious; SET ROLE curious; $command");
	like($error, qr/42501/, "who has no right to $command");
	unlike($error, qr/truust works/, 'does not learn what is pending');
	$t->sql('DROP ROLE IF EXISTS curious');
}
$t->sql('CREATE ROLE idle; ALTER ROLE idle RENAME TO idler; DROP ROLE idler');

# A role that is renamed keeps what is pending.
$t->sql('ALTER ROLE shop RENAME TO shop_new');
is($t->sql(q{SET ROLE shop_new; SELECT args ->> 'name' FROM truust.requests}), 'Kept 1', 'a role that is renamed keeps its requests');
$t->sql('ALTER ROLE shop_new RENAME TO shop');

# Its key goes nevertheless: the request waits and says why, until there is one again.
$t->sql(q{DROP USER MAPPING FOR shop SERVER truust; SELECT truust_resume('requests')});
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE state = 'queued' AND error ~ 'user mapping')}), 'without a key a request waits and says why');
enqueue(3, 'Others');
ok($t->wait_until(sub { made('Others') == 3 }), 'and those of other roles go on');
$t->sql(q{CREATE USER MAPPING FOR shop SERVER truust OPTIONS (secret_key 'sk_stage_of_the_shop')});
ok($t->settled, 'until there is one again');
is(made('Kept'), 1, 'then it is sent');

# ---------------------------------------------------------------- dump and restore

$t->sim(POST => 'rules', { operation => 'createOrder', after => 2, do => 'hang', when => 'after', times => 0 });
enqueue(5, 'Dumped');
ok($t->wait_until(sub { made('Dumped') == 5 })
	&& $t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Dumped%' AND state = 'done') = 2}),
	'all are done there, and three are not known to be when the dump is taken');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');
$t->sim(DELETE => 'rules');
$t->sql('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'and a restore');
is($t->sql(q{SELECT count(*), count(*) FILTER (WHERE state = 'sending') FROM truust.requests WHERE args ->> 'name' LIKE 'Dumped%'}, database => 'copy'),
	'5|3', 'bring every request back');
is($t->sql(q{SELECT DISTINCT state FROM truust_status() WHERE database = 'copy'}, database => 'copy'), 'restored', 'but paused');
ok($t->settled, 'the original ends its own');
my $calls = $t->calls('createOrder');
enqueue(2, 'Copy', 'copy');
$node->safe_psql('copy', 'CALL truust_drain()');
is($t->calls('createOrder'), $calls, 'nothing is sent from there');
$t->sql(q{SELECT truust_resume('requests')}, database => 'copy');
ok($node->poll_query_until('copy', q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending'))}), 'until somebody resumes it');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Dumped%' AND state = 'done'}, database => 'copy'), 5, 'then what was under way is found');
is(made('Dumped'), 5, 'not sent again');
is(made('Copy'), 2, 'and what is new is sent');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# pg_restore -j loads the largest tables first: requests, webhooks and orders may be there before what tells that they are restored.
$t->sql(q{SELECT truust_pause('webhooks', 'test'), truust_pause('requests', 'test'),
	truust_receive_webhook('{"escrow": {"id": 4711, "status": "PUBLISHED"}}', 'order.published')});
enqueue(4, 'Early');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", $node->connstr('postgres') ], 'a dump for parallel restore');
$t->sql(q{DELETE FROM truust.webhooks; SELECT truust_cancel_request(id) FROM truust.requests WHERE state = 'queued';
	SELECT truust_resume('webhooks'), truust_resume('requests')});
$calls = $t->calls('createOrder');
for my $first ('requests', 'webhooks', 'orders')
{
	my @restore = ('pg_restore', '-d', $node->connstr('copy'));

	$t->sql('CREATE DATABASE copy');
	$node->command_ok([ @restore, '--section=pre-data', "$dump.custom" ], "$first first: the tables");
	is($t->sql(q{SELECT count(*) FROM truust_status() WHERE database = 'copy' AND state = 'restored'}, database => 'copy'), 0, '... are those of a new database');
	run_log([ 'pg_restore', '-l', '-f', "$dump.list", "$dump.custom" ]) or die;
	append_to_file("$dump.first", join "\n", grep { / TABLE DATA truust $first / } split /\n/, slurp_file("$dump.list"));
	$node->command_ok([ @restore, '-L', "$dump.first", "$dump.custom" ], '... their rows');
	is($t->sql(q{SELECT DISTINCT state FROM truust_status() WHERE database = 'copy'}, database => 'copy'), 'restored', '... make it a restored one');
	$node->safe_psql('copy', 'CALL truust_drain()');
	is($t->sql(q{SELECT count(*) FROM truust.events}, database => 'copy') . ' ' . ($t->calls('createOrder') - $calls), '0 0', '... and nothing is done');
	unlink "$dump.first";
	$t->sql('DROP DATABASE copy');
}

# What the original has under way may take as long as its request_timeout allows: until then, and truust.settle_time, it may come.
$t->sim(POST => 'rules', { operation => 'createOrder', do => 'delay', ms => 4500 });
enqueue(1, 'Slow');
ok($t->wait_for(q{EXISTS (SELECT FROM truust.requests WHERE args ->> 'name' LIKE 'Slow%' AND state = 'sending')}), 'one is under way when the dump is taken');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');
$t->sql('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'and a restore');
$t->sql(q{SELECT truust_resume('requests')}, database => 'copy');
ok($t->settled, 'the original ends its own');
ok($node->poll_query_until('copy', q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending'))}), 'and the copy');
is(made('Slow'), 1, 'and finds it');
$t->sim(DELETE => 'rules');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# A restore that takes its time: the workers are there before the data, and the data before what says where it comes from. What the
# original does after the dump is not done by the copy, neither before nor after somebody resumes it.
$t->sql(q{SELECT truust_pause('requests', 'so that all are in the dump'), truust_pause('webhooks', 'so that all are in the dump')});
enqueue(5, 'Piecemeal');
my $webhook = $t->sql(q{SELECT truust_receive_webhook('{"escrow": {"id": 4711, "status": "PUBLISHED"}}'::text)});
$node->command_ok([ 'pg_dump', '-Fc', '--exclude-table-data=truust.pauses', '-f', $dump, $node->connstr('postgres') ], 'a dump of what waits');
$t->sql(qq{SELECT truust_discard_webhook($webhook, 'a test'), truust_resume('requests'), truust_resume('webhooks')});
ok($t->settled, 'which the original does then');
my ($entries) = run_command([ 'pg_restore', '-l', $dump ]);
my @data = grep { / TABLE DATA truust / } split /\n/, $entries;

sub restore_data
{
	my ($name, @some) = @_;
	my $list = $node->basedir . '/list';

	append_to_file($list, join("\n", @some) . "\n");
	$node->command_ok([ 'pg_restore', '-e', '--section=data', '-L', $list, '-d', $node->connstr('copy'), $dump ], $name);
	unlink $list;
	# a second look for whoever is at work there
	$node->safe_psql('copy', 'CALL truust_drain()');
	return;
}

for my $case ([ 'homes last', 'homes', 1 ], [ 'requests last', 'requests', 1 ], [ 'no homes', 'homes', 0 ])
{
	my ($what, $table, $comes) = @$case;

	$t->sql('CREATE DATABASE copy');
	$node->command_ok([ 'pg_restore', '-e', '--section=pre-data', '-d', $node->connstr('copy'), $dump ], "$what: the extension");
	ok($node->poll_query_until('copy', 'SELECT EXISTS (SELECT FROM truust.request_places)'), "$what: its worker is at work");
	$calls = $t->calls('createOrder');
	restore_data("$what: the other data", grep { !/ truust $table / } @data);
	restore_data("$what: and these", grep { / truust $table / } @data) if $comes;
	is($t->sql(q{SELECT DISTINCT state FROM truust_status() WHERE database = 'copy'}, database => 'copy'), 'restored', "$what: it waits");
	is($t->calls('createOrder'), $calls, "$what: and has sent nothing");
	is($t->sql("SELECT state, attempts FROM truust.webhooks WHERE id = $webhook", database => 'copy'), 'new|0', "$what: nor applied anything");
	$t->sql(q{SELECT truust_resume('requests')}, database => 'copy');
	ok($node->poll_query_until('copy', q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending'))}), "$what: resumed, all end");
	is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Piecemeal%' AND state = 'done'}, database => 'copy'), 5, "$what: found");
	is(made('Piecemeal'), 5, "$what: and not sent again");
	$node->safe_psql('postgres', 'DROP DATABASE copy');
}

# ---------------------------------------------------------------- recovery to a point in time

# What is queued at that point is sent afterwards, as the API knows and the recovered server does not.
my ($receipt) = map { $_->{id} } @{ $t->sim(GET => 'rows?kind=orders')->{rows} };
$node->backup('before');
$t->sql(q{SELECT truust_pause('requests', 'test')});
enqueue(5, 'Recovered');
my $unfindable = $t->sql(qq{SELECT truust_enqueue('send_order_receipt', '{"order_id": $receipt}')});
$t->sql(q{SELECT pg_create_restore_point('queued')});
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, 'all are sent after the point');
enqueue(2, 'Forgotten');
ok($t->settled, 'and others');
my $segment = $t->sql('SELECT pg_walfile_name(pg_current_wal_lsn())');
$t->sql('SELECT pg_switch_wal()');
is(made('Recovered'), 5, 'the API knows');
my $sent = $t->calls('sendOrderReceipt');
$node->poll_query_until('postgres', qq{SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver}) or die 'not archived';

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($node, 'before');
$recovered->append_conf('postgresql.conf', <<~CONF);
	archive_mode = off
	restore_command = 'cp "$archive/%f" "%p"'
	recovery_target_name = 'queued'
	recovery_target_action = 'promote'
	CONF
append_to_file($recovered->data_dir . '/recovery.signal', '');
$node->stop;
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not recovered';
$t->{node} = $recovered;
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE state = 'queued'}), 6, 'there, all are queued');
$t->sql(q{SELECT truust_resume('requests')});
ok($t->settled, 'the recovered one comes to an end');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Recovered%' AND state = 'done'}), 5, 'what was done is found');
is(made('Recovered'), 5, 'and not done again');
is($t->sql("SELECT state, order_id FROM truust.requests JOIN truust.dead_letters USING (id) WHERE id = $unfindable"), "uncertain|$receipt", 'what cannot be found is left to a person');
is($t->calls('sendOrderReceipt'), $sent, 'and not sent');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Forgotten%'}), 0, 'what came after the point is not known here');
enqueue(1, 'New');
ok($t->settled, 'and it goes on');
is(made('New'), 1, 'with what is new');
$recovered->stop;
$node->start;
$t->{node} = $node;

# ---------------------------------------------------------------- promotion in the middle

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'truust%'}), 0, 'on a standby nothing runs');

# The standby hears of the claims, and not of what the answers were recorded as.
$t->sim(POST => 'rules', { operation => 'createOrder', after => 10, do => 'hang', when => 'after', times => 0 });
enqueue(60, 'Promoted');
ok($t->wait_until(sub { made('Promoted') >= 20 }), 'some are done there and not recorded here');
$node->wait_for_catchup($standby);
my @processes = split /\n/, $t->sql('SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
$node->kill9;
$t->wait_until(sub { !grep { kill 0, $_ } @processes }) or die 'processes stay behind';
$t->sim(DELETE => 'rules');
$standby->promote;
$t->{node} = $standby;
ok($t->settled(120), 'the promoted one goes on');
is($t->sql(q{SELECT count(*) FROM truust.requests WHERE args ->> 'name' LIKE 'Promoted%' AND state = 'done'}), 60, 'with all of them');
is(made('Promoted'), 60, 'each once');

# ---------------------------------------------------------------- a clock that jumps

SKIP:
{
	my $dir = Cwd::abs_path($standby->basedir);
	my $library = "$dir/set_clock.so";
	my $set = sub { my ($offset) = @_; open my $out, '+<', "$dir/offset" or die; syswrite $out, pack('q', $offset); close $out or die };

	append_to_file("$dir/offset", pack 'q', 0);
	skip 'needs a C compiler', 17
		if system(($ENV{CC} // 'cc') . qq( -shared -fPIC -o $library -DOFFSET='"$dir/offset"' $FindBin::RealBin/../lib/set_clock.c));
	$standby->stop;
	{
		local $ENV{LD_PRELOAD} = $library;
		$standby->start;
	}
	$t->sql(<<~'SQL');
		CREATE TABLE gate (open boolean);
		CREATE FUNCTION heed_late(truust_event) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF NOT EXISTS (SELECT FROM public.gate) THEN RAISE EXCEPTION 'not yet'; END IF;
		END $$;
		SELECT truust_on('order.published', 'heed_late(truust_event)');
		SQL
	for my $jump ([ 'an hour ahead', '+3600' ], [ 'a day back', '-86400' ], [ 'right again', '+0' ])
	{
		my ($name, $offset) = @$jump;
		my $webhook = sprintf '{"escrow": {"id": %d, "status": "PUBLISHED"}}', $t->sim(POST => 'orders/bulk', { count => 1, status => 'PUBLISHED' })->{first_id};

		# A look and a handler that wait to be tried again: by the clock that was.
		$t->sim(POST => 'rules', { operation => 'createOrder', do => 'drop', when => 'after', times => 3 });
		$t->sim(POST => 'rules', { operation => 'listOrders', do => 'status', status => 500, times => 0 });
		enqueue(10, "Before $offset");
		$t->sql(qq{TRUNCATE gate; SELECT truust_receive_webhook('$webhook'::text, 'order.published')});
		ok($t->wait_for(q{(SELECT count(*) FROM truust.requests WHERE state = 'sending' AND next_attempt_at < 'infinity') = 3}), "the clock is to be $name: three looks wait");
		ok($t->wait_for(q{EXISTS (SELECT FROM truust.webhooks WHERE state = 'retry')}), 'and a handler');
		$set->($offset);
		$t->sim(DELETE => 'rules');
		$t->sql('INSERT INTO gate VALUES (true)');
		enqueue(10, "After $offset");
		my $off = $t->sql('SELECT round(extract(epoch FROM clock_timestamp()))') - time;
		cmp_ok(abs($off - $offset), '<', 60, "the clock is $name");
		ok($t->settled(60), "the clock is $name: all end");
		ok($t->wait_for('NOT EXISTS (SELECT FROM truust.webhooks)'), 'and what was left to the handler');
	}
	is($t->sql(q{SELECT count(DISTINCT response ->> 'id') FROM truust.requests WHERE args ->> 'name' ~ '^(Before|After) ' AND state = 'done'}), 60, 'each once');
	is(made('(Before|After)'), 60, 'at the API too');
}

done_testing();
