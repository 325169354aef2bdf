# A server with truust in it, for the tests of the HTTP engine.
#
#	my $node = TruustNode->start(base_url => 'http://127.0.0.1:1/2.0', max_retries => 0);
#	my ($out, $err) = $node->run('SELECT ...', ...);	# in one session, past errors
package TruustNode;

use strict;
use warnings;

use parent -norequire, 'PostgreSQL::Test::Cluster';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

# An order is read, an order is written.
our $READ = 'SELECT id FROM truust_get_order(7)';
our $WRITE = q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 120.50, buyer_id => 1, seller_id => 2)};

my @started;

# Options of the foreign server; env => {...} is the environment that the server starts in.
sub start
{
	my ($class, %option) = @_;

	# a server that was stopped
	return $class->SUPER::start(%option) if ref $class;

	my $env = delete $option{env} // {};
	my $node = PostgreSQL::Test::Cluster->new('main');

	$node->init;
	$node->append_conf('postgresql.conf', "fsync = off\ntruust.autostart = off");
	{
		local %ENV = (%ENV, %$env);
		$node->start;
	}
	bless $node, $class;
	push @started, $node;
	$option{environment} //= 'sandbox';
	my $options = join ', ', map { "$_ '$option{$_}'" } sort keys %option;
	$node->safe_psql('postgres', <<~SQL);
		CREATE EXTENSION truust;
		CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS ($options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');

		-- Cancels or ends a backend and says after how many milliseconds it let go of what it did.
		CREATE FUNCTION let_go(who int, how text) RETURNS float8 LANGUAGE plpgsql AS \$\$
		DECLARE
			started timestamptz;
		BEGIN
			-- once without effect, so that what is measured is not this function's own first time
			PERFORM pg_cancel_backend(0) WHERE EXISTS (SELECT FROM pg_stat_get_activity(who) WHERE state = 'none');
			PERFORM pg_stat_clear_snapshot();
			started := clock_timestamp();
			IF how = 'cancel' THEN PERFORM pg_cancel_backend(who); ELSE PERFORM pg_terminate_backend(who); END IF;
			WHILE EXISTS (SELECT FROM pg_stat_get_activity(who) WHERE state = 'active') LOOP
				PERFORM pg_stat_clear_snapshot();
				EXIT WHEN clock_timestamp() > started + interval '30 s';
			END LOOP;
			RETURN extract(epoch FROM clock_timestamp() - started) * 1000;
		END \$\$;
		SQL
	return $node;
}

# Change options of the foreign server.
sub option
{
	my ($node, %option) = @_;
	my @known = split /,/, $node->safe_psql('postgres',
		q{SELECT string_agg(split_part(o, '=', 1), ',') FROM pg_foreign_server, unnest(srvoptions) o WHERE srvname = 'truust'});

	for my $name (keys %option)
	{
		my $verb = (grep { $_ eq $name } @known) ? 'SET' : 'ADD';
		$node->safe_psql('postgres', "ALTER SERVER truust OPTIONS ($verb $name '$option{$name}')");
	}
	return;
}

# Statements in one session, one after the other whatever becomes of them; what they print, and their errors in full.
sub run
{
	my ($node, @statements) = @_;
	my ($out, $err);

	$node->psql('postgres', "\\set VERBOSITY verbose\n" . join('', map { "$_;\n" } @statements),
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err);
}

# A statement fails with an SQLSTATE and DETAIL like a pattern, and in the same session the next call works.
sub fails_then_works
{
	my ($node, $statement, $sqlstate, $detail, $name) = @_;
	my ($out, $err) = $node->run($statement, $READ);

	like($err, qr/ERROR:  (?:$sqlstate): /, "$name: SQLSTATE");
	like($err, qr/DETAIL:  .*$detail/s, "$name: DETAIL");
	is($out, 7, "$name: the next call works");
	return;
}

# Statements in one session, of which the first is cancelled or ended ('cancel', 'terminate') as soon as it waits for the
# network and reached() is true. Returns the milliseconds until it let go, what the session printed, and its errors.
sub interrupt
{
	my ($node, $how, $reached, @statements) = @_;
	my $script = $node->basedir . '/victim.sql';
	my ($out, $err) = ('', '');

	append_to_file($script . '.new', "\\set VERBOSITY verbose\n" . join '', map { "$_;\n" } @statements);
	rename "$script.new", $script or die "$script: $!";
	local $ENV{PGAPPNAME} = 'victim';
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ],
		'>', \$out, '2>', \$err);
	my $victim = q{SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'};

	delete $ENV{PGAPPNAME};
	$node->poll_query_until('postgres', "SELECT EXISTS ($victim AND wait_event_type = 'Extension')") or die 'the call does not wait';
	for (1 .. 3000)
	{
		last if $reached->();
		Time::HiRes::sleep(0.01);
	}
	# it may be at work for a moment, as on a part of an answer
	my $ms = $node->safe_psql('postgres', "SELECT let_go(pid, '$how') FROM ($victim) victim");
	$session->finish;
	chomp $out;
	return ($ms, $out, $err);
}

# Orderly, so that processes leave what they counted (make coverage).
END
{
	my $status = $?;
	$_->stop('fast', fail_ok => 1) for @started;
	$? = $status;
}

1;
