# The key of a role is in nothing that anybody can look at: logs at their loudest, errors, activity, statistics, plans,
# process titles, catalogs as others see them; and not in the backend's memory once a call with a key file has ended.

use strict;
use warnings FATAL => 'all';

use Cwd ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use TruustNode;
use TruustPeer;

# Halves, so that this file's own statements never have the whole.
my %KEY = (catalog => 'sk_stage_' . 'Needle1InTheCatalog', file => 'sk_stage_' . 'Needle2InTheFile');
my $NEEDLE = qr/Needle[12]In|TmVlZGxl/;

my $peer = TruustPeer->start;
my $node = TruustNode->start(base_url => 'http://127.0.0.1:' . $peer->port . '/2.0', max_retries => 0);
my $file = Cwd::abs_path($node->basedir) . '/key';

append_to_file($file, "$KEY{file}\n");
chmod 0600, $file;
$node->append_conf('postgresql.conf', <<~CONF);
	shared_preload_libraries = 'truust, pg_stat_statements'
	pg_stat_statements.track = all
	log_statement = all
	log_min_messages = debug5
	log_min_error_statement = debug5
	log_error_verbosity = verbose
	log_duration = on
	debug_print_plan = on
	truust.naptime = 300ms
	CONF
$node->restart;

# The statement that carries a key is the user's own; the documentation says how to keep it out of the log.
$node->safe_psql('postgres', <<~SQL);
	CREATE EXTENSION pg_stat_statements;
	CREATE ROLE by_file LOGIN;
	CREATE ROLE onlooker LOGIN;
	CREATE SERVER other FOREIGN DATA WRAPPER truust OPTIONS (environment 'production');
	GRANT USAGE ON FOREIGN SERVER truust TO by_file, onlooker;
	SELECT truust_grant('api', 'by_file'), truust_grant('read', 'onlooker'), truust_grant('operate', 'onlooker');
	CREATE USER MAPPING FOR by_file SERVER truust OPTIONS (secret_key_file '$file');
	SET log_statement = 'none';
	SET log_min_messages = fatal;
	SET log_min_error_statement = panic;
	SET log_min_duration_statement = -1;
	SET log_duration = off;
	SET debug_print_plan = off;
	SET pg_stat_statements.track = 'none';
	SET pg_stat_statements.track_utility = off;
	ALTER USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (SET secret_key '$KEY{catalog}');
	CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (secret_key '$KEY{catalog}');
	SQL

# Everything that a session prints, for each role and each kind of end.
my @ENDS = ('ok', 'ok_close', 'drop', 'reset', 'half', 'headers_cut', 'garbage', 'bad_gzip', 'not_json', 'empty',
	map { "status $_" } 400, 401, 403, 404, 409, 422, 429, 500);
my $seen = '';

for my $end (@ENDS)
{
	my $failed = 0;

	for my $become ('RESET ROLE', 'SET ROLE by_file')
	{
		for my $call ($TruustNode::READ, $TruustNode::WRITE)
		{
			$peer->set($end, 'ok');
			my ($out, $err) = $node->run($become, 'SET client_min_messages = debug5', $call);
			$seen .= "$out\n$err\n";
			$failed++ if $err =~ /ERROR:/;
		}
	}
	is($failed > 0, $end !~ /^ok/, "$end: ends as it should");
}
$peer->set('ok');
for my $statement (
	'SET truust.server = other; SELECT id FROM truust_get_order(7)',
	"EXPLAIN (ANALYZE, VERBOSE) $TruustNode::READ",
	'TABLE truust.stats', 'SELECT * FROM truust_status()', 'TABLE pg_stat_statements', 'TABLE pg_stat_activity',
	'SET ROLE onlooker; TABLE pg_user_mappings', 'SET ROLE onlooker; SELECT * FROM information_schema.user_mapping_options',
	'SET ROLE onlooker; \\deu+', '\\des+', '\\dew+', '\\det+', 'TABLE pg_prepared_statements', 'SHOW ALL',
	'SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname ~ $$^truust_$$', 'SELECT * FROM pg_backend_memory_contexts',
	q{ALTER USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (ADD secret_key_file '/nowhere')})
{
	my ($out, $err) = $node->run($statement);
	$seen .= "$out\n$err\n";
}
like($seen, qr/28000: .*sandbox key.*production server/, 'among them a key of the other environment');
unlike($seen, $NEEDLE, 'nothing that a session is shown has a key in it');

# Amid a call: what others see of it.
$peer->set('hang');
my ($out, $err) = ('', '');
my $victim = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $TruustNode::READ ], '>', \$out, '2>', \$err);
my $waits = q{FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query ~ 'truust_get_order' AND pid <> pg_backend_pid()};
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT $waits)"), 'a call waits');
my $pid = $node->safe_psql('postgres', "SELECT pid $waits");
my $outside = $node->safe_psql('postgres', "SELECT a FROM pg_stat_activity a") . slurp_file("/proc/$pid/environ");
# what ps shows of every process; one may end meanwhile
$outside .= eval { slurp_file($_) } // '' for glob '/proc/[0-9]*/cmdline';
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$victim->finish;
unlike("$outside$out$err", $NEEDLE, 'nor activity, process titles and environments amid a call, nor its cancellation');

# The workers, too.
$peer->set('ok');
$node->append_conf('postgresql.conf', 'truust.autostart = on');
$node->restart;
$node->safe_psql('postgres', q{SET ROLE by_file; SELECT truust_enqueue('update_order', '{"order_id": 7, "name": "Lamp"}')});
ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM truust.requests WHERE state IN ('queued', 'sending'))}),
	'a deferred request ends');

# A statement that carries a key and fails: for what its options say, and before anybody has looked at them.
my @MISTAKES = (
	"CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key '$KEY{catalog}')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (secret_key '$KEY{catalog}')",
	"CREATE USER MAPPING FOR nobody SERVER truust OPTIONS (secret_key '$KEY{catalog}')",
	"ALTER USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key '$KEY{catalog}')",
	"ALTER USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (SET secret_key '$KEY{catalog}\t')",
	"ALTER USER MAPPING FOR onlooker SERVER truust OPTIONS (SET secret_key '$KEY{catalog}')",
	"CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (environment '$KEY{catalog}')",
	"ALTER SERVER truust OPTIONS (SET environment '$KEY{catalog}')");
for my $mistake (@MISTAKES)
{
	for my $statement ($mistake, "DO \$do\$ BEGIN EXECUTE \$\$$mistake\$\$; END \$do\$")
	{
		my ($out, $err) = $node->run('SET log_statement = none', 'SET log_min_messages = error', 'SET log_min_error_statement = error',
			'SET debug_print_plan = off', 'SET log_duration = off', $statement);
		like($err, qr/ERROR/, 'a statement that carries a key fails');
	}
}
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:.*\n(?s:.*)truust_get_order/, 'the log is loud');
my @lines = grep { $_ =~ $NEEDLE } split /\n/, $log;
is(scalar @lines, 0, 'no line of the log has a key in it') or diag(join "\n", @lines[0 .. ($#lines > 5 ? 5 : $#lines)]);
my @files = grep { -f } glob($node->data_dir . '/pg_stat/* ' . $node->data_dir . '/pg_stat_tmp/* ' . $node->data_dir . '/pg_logical/*');
is(scalar(grep { slurp_file($_) =~ $NEEDLE } @files), 0, 'nor the files of the statistics');

# How often a string is in the memory of a process; undef where the system does not let anybody look.
sub in_memory
{
	my ($process, $needle) = @_;
	my $found = 0;
	no warnings 'portable';    # addresses have 64 bits

	open my $mem, '<:raw', "/proc/$process/mem" or return;
	open my $maps, '<', "/proc/$process/maps" or return;
	while (my $line = <$maps>)
	{
		my ($from, $to, $what) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) (rw)/ or next;
		my $buf;

		next if hex($to) - hex($from) > 1 << 30;
		sysseek $mem, hex $from, 0 or next;
		my $got = sysread $mem, $buf, hex($to) - hex($from);
		next unless $got;
		$found++ while $buf =~ /\Q$needle\E/g;
	}
	return $found;
}

# A backend that has called with a key file, when the call is over.
$node->append_conf('postgresql.conf', "log_min_messages = warning\nlog_statement = none\ndebug_print_plan = off");
$node->start;
$node->safe_psql('postgres', q{SELECT truust_grant('operate', 'by_file')});
for my $case ([ 'ok', $TruustNode::READ ], [ 'status 401', $TruustNode::READ ], [ 'drop', $TruustNode::READ ], [ 'ok', 'SELECT * FROM truust_sync_orders(NULL)' ])
{
	my ($end, $call) = @$case;
	my ($in, $said, $complained) = ('', '', '');
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$said, '2>', \$complained);
	my $finish = sub {
		$in .= "\\echo over\n";
		$session->pump until $said =~ /over\n/;
	};

	$peer->set($end, 'ok');
	$in .= "SET ROLE by_file;\nSELECT 'pid ' || pg_backend_pid();\nSET truust.server = truust;\n";
	$finish->();
	my ($backend) = $said =~ /pid (\d+)/;
	$said = '';
	$in .= "BEGIN;\n$call;\nCOMMIT;\nSELECT 1;\n";
	$finish->();
  SKIP:
	{
		my $control = in_memory($backend, 'truust.server');
		skip 'the memory of a process cannot be read here', 1 unless $control;
		is(in_memory($backend, $KEY{file}), 0, "$end: no trace of the key in the backend's memory after $call")
		  or diag("$said $complained");
	}
	$in .= "\\q\n";
	$session->finish;
}

# What stands around the key in its file is an editor's, and what is no file is never waited for.
$peer->set('ok');
for my $variant ("\xEF\xBB\xBF$KEY{file}\r\n", " \t$KEY{file} \t\n\n")
{
	open my $out, '>:raw', $file or die $!;
	print $out $variant;
	close $out;
	my ($out_text, $err) = $node->run('SET ROLE by_file', $TruustNode::READ);
	unlike($err, qr/ERROR/, 'a key is found among blanks and marks');
}
for my $case ([ "$KEY{file}\nmore", 'a space, a control character' ], [ '', 'The key is empty' ], [ "$KEY{file}\0", 'a null byte' ])
{
	open my $out, '>:raw', $file or die $!;
	print $out $case->[0];
	close $out;
	my ($out_text, $err) = $node->run('SET ROLE by_file', $TruustNode::READ);
	like($err, qr/holds no usable key.*\n.*\Q$case->[1]\E/, "a file with more or less than a key: $case->[1]");
}
unlink $file;
POSIX::mkfifo($file, 0600) or die "mkfifo: $!";
my ($piped_out, $piped) = $node->run('SET ROLE by_file', "SET statement_timeout = '20s'", $TruustNode::READ);
like($piped, qr/holds no usable key.*\n.*not a regular file/, 'a pipe is no key file, and keeps nobody waiting');
$peer->stop if $peer->can('stop');
done_testing;
