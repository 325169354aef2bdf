# A server with the workers running and a simulator of the API, for the tests of the outbox.
#
#	my $t = TruustOutbox->new;			# both started; the extension in database postgres
#	$t->sql('SELECT truust_enqueue(...)');
#	$t->sim(POST => 'rules', {do => 'drop'});	# the simulator's control
#	$t->settled or die;				# nothing is queued or under way any more
package TruustOutbox;

use strict;
use warnings;

use File::Temp ();
use HTTP::Tiny;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use TruustFaults;

our $SIMULATOR = 'test/simulator/truust-simulator';

my (@simulators, @outboxes);

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		dir => File::Temp::tempdir(CLEANUP => 1),
		http => HTTP::Tiny->new(timeout => 20),
	}, $class;

	push @outboxes, $self;
	$self->start_simulator;
	$self->{node} = PostgreSQL::Test::Cluster->new($option{name} // 'outbox');
	$self->{node}->init(%{ $option{init} // {} });
	$self->{node}->append_conf('postgresql.conf', <<~CONF . ($option{conf} // ''));
		shared_preload_libraries = 'truust'
		restart_after_crash = on
		fsync = off
		max_prepared_transactions = 5
		truust.naptime = 500ms
		truust.retry_delay = 50ms
		truust.max_retry_delay = 500ms
		truust.settle_time = 1500ms
		CONF
	$self->{node}->start;
	$self->install unless $option{bare};
	return $self;
}

# The extension (of an older version), the server and the key of the superuser.
sub install
{
	my ($self, $database, $version) = @_;
	my $url = $self->url;
	my $which = $version ? "VERSION '$version'" : '';

	$self->{node}->safe_psql($database // 'postgres', <<~SQL);
		CREATE EXTENSION truust $which;
		CREATE SERVER truust FOREIGN DATA WRAPPER truust
			OPTIONS (environment 'sandbox', base_url '$url', connect_timeout '2000', request_timeout '5000');
		CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
		SQL
	return;
}

sub node { return $_[0]{node} }

sub url { return "http://127.0.0.1:$_[0]{port}/2.0" }

sub sql
{
	my ($self, $sql, %option) = @_;
	return $self->{node}->safe_psql($option{database} // 'postgres', $sql);
}

# The SQLSTATE and message of a statement that fails, '' if it does not.
sub error
{
	my ($self, $sql, %option) = @_;
	my ($out, $err);

	$self->{node}->psql($option{database} // 'postgres', "\\set VERBOSITY verbose\n$sql",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	return $err;
}

# ---------------------------------------------------------------- the simulator

# Starts it, again on the same port with all that it did where it was killed.
sub start_simulator
{
	my ($self) = @_;
	my $out = "$self->{dir}/simulator.out";

	unlink $out;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', $out or die $!;
		open STDERR, '>>', "$self->{dir}/simulator.err" or die $!;
		exec $SIMULATOR, '--port', $self->{port} // 0, '--journal', "$self->{dir}/journal" or die "exec: $!";
	}
	push @simulators, $pid;
	$self->{simulator} = $pid;
	for (1 .. 400)
	{
		if (open my $file, '<', $out)
		{
			my $line = <$file>;
			if (defined $line && $line =~ /^port (\d+)/)
			{
				$self->{port} = $1;
				return;
			}
		}
		sleep 0.025;
	}
	die 'the simulator did not start';
}

sub kill_simulator
{
	my ($self) = @_;

	kill 'KILL', $self->{simulator};
	waitpid $self->{simulator}, 0;
	return;
}

sub sim
{
	my ($self, $method, $path, $body) = @_;
	my %request = defined $body
	  ? (content => JSON::PP::encode_json($body), headers => { 'Content-Type' => 'application/json' }) : ();
	my $answer = $self->{http}->request($method, "http://127.0.0.1:$self->{port}/_sim/$path", \%request);

	die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
	return length $answer->{content} ? JSON::PP::decode_json($answer->{content}) : undef;
}

# How often an operation changed something.
sub effects
{
	my ($self, $operation) = @_;
	return $self->sim(GET => "requests/count?operation=$operation")->{effects};
}

sub calls
{
	my ($self, $operation) = @_;
	return $self->sim(GET => "requests/count?operation=$operation")->{count};
}

# All orders that exist there: id => {...}, through the API itself.
sub orders
{
	my ($self) = @_;
	my %orders;

	for my $page (1 .. 1000)
	{
		my $answer = $self->{http}->get($self->url . "/orders?page=$page&per_page=100&order=created_at&sort=asc",
			{ headers => { Authorization => 'Bearer sk_stage_of_a_made_up_account' } });
		die "list: $answer->{status} $answer->{content}" unless $answer->{success};
		my $rows = JSON::PP::decode_json($answer->{content})->{data};
		last unless @$rows;
		$orders{ $_->{id} } = $_ for @$rows;
	}
	return \%orders;
}

# ---------------------------------------------------------------- waiting and killing

# Wait for a condition in SQL; false where it did not come true.
sub wait_for
{
	my ($self, $condition, $seconds) = @_;
	my $until = time + ($seconds // 60);

	while (time < $until)
	{
		return 1 if TruustFaults::ask($self->{node}, "SELECT $condition") eq 't';
		sleep 0.03;
	}
	return 0;
}

sub settled
{
	my ($self, $seconds) = @_;
	return $self->wait_for(q{NOT EXISTS (SELECT FROM truust.requests
		WHERE state IN ('queued', 'sending') OR done_state = 'pending')}, $seconds);
}

sub wait_until
{
	my ($self, $done, $seconds) = @_;
	my $until = time + ($seconds // 60);

	while (time < $until)
	{
		return 1 if $done->();
		sleep 0.02;
	}
	return 0;
}

# The server starts itself anew, as after any crash.
sub kill_worker { return TruustFaults::kill_backend($_[0]{node}, 'truust requests') }
sub kill_postmaster { return TruustFaults::kill_postmaster($_[0]{node}) }

END
{
	my $status = $?;
	# orderly, so that processes leave what they counted (make coverage)
	$_->{node}->stop('fast', fail_ok => 1) for grep { $_->{node} } @outboxes;
	for my $pid (@simulators)
	{
		kill 'TERM', $pid;
		waitpid $pid, 0;
	}
	$? = $status;
}

1;
