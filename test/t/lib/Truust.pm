# The API simulator, for TAP tests: started on a free port, controlled over HTTP, stopped at the end.
#
#	my $sim = Truust->simulator;						# or ->simulator('--threads', 2)
#	my $node = $sim->node(max_retries => 0);			# a server with truust whose base_url is the simulator
#	$sim->rule(operation => 'getOrder', do => 'drop');	# the next getOrder is dropped
#	$sim->set(page_shift => \1);						# settings; \1 and \0 are true and false
#	my @requests = $sim->requests(operation => 'getOrder');
#	my ($count, $effects) = $sim->count('createOrder');
#	$sim->call(POST => '/orders/7/pay', { outcome => 'denied' });	# anything under /_sim
#
# An answer of the control interface other than 200 ends the test: a typing error must not make one pass.
package Truust;

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp ();
use HTTP::Tiny;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Time::HiRes ();

my $TESTS = dirname(dirname(dirname(__FILE__)));
# Numbers stay as exact as they came.
my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum;

# Where the tables of the API are.
sub facts_dir
{
	return "$TESTS/facts";
}

# The rows of a table of the API as hashes, in its order.
sub facts
{
	my ($table) = @_;
	my ($head, @lines) = split /\n/, slurp_file(facts_dir() . "/$table.tsv");
	my @names = split /\t/, $head;

	return map { my %row; @row{@names} = map { $_ // '' } (split /\t/)[ 0 .. $#names ]; \%row } @lines;
}

sub simulator
{
	my ($class, @arguments) = @_;
	my $program = $ENV{TRUUST_SIMULATOR} // "$TESTS/simulator/truust-simulator";
	my $self = bless {
		arguments => [ $program, '--facts', facts_dir(), @arguments ],
		dir => File::Temp->newdir,
		http => HTTP::Tiny->new(timeout => 60, keep_alive => 1),
		owner => $$
	}, $class;

	$self->start;
	return $self;
}

# Start it, on the port that it had before if it ran before.
sub start
{
	my ($self) = @_;
	my $out = "$self->{dir}/out";
	my @command = (@{ $self->{arguments} }, '--port', $self->{port} // 0);

	unlink $out;
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDOUT, '>', $out or POSIX::_exit(1);
		open STDERR, '>', "$self->{dir}/err" or POSIX::_exit(1);
		exec @command or POSIX::_exit(1);
	}
	for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $said = -e $out ? slurp_file($out) : '';
		return $self->{port} = $1 if $said =~ /^port (\d+)\n/;
		last if waitpid($self->{pid}, POSIX::WNOHANG()) > 0;
		Time::HiRes::usleep(10_000);
	}
	die 'the simulator did not start: ' . slurp_file("$self->{dir}/err");
}

# signal: TERM unless something else is given.
sub stop
{
	my ($self, $signal) = @_;
	local $?;

	return unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	$self->stop if $self->{owner} == $$;
	return;
}

sub origin { return "http://127.0.0.1:$_[0]{port}" }
sub base_url { return $_[0]->origin . '/2.0' }

# A server with truust in it, which calls the simulator; options of the foreign server as TruustNode takes them.
sub node
{
	my ($self, %option) = @_;
	require TruustNode;
	return TruustNode->start(base_url => $self->base_url, %option);
}

# The control interface: method, path below /_sim, members of the body.
sub call
{
	my ($self, $method, $path, $body) = @_;
	my $answer = $self->{http}->request(
		$method,
		$self->origin . "/_sim$path",
		defined $body ? { content => $json->encode($body), headers => { 'Content-Type' => 'application/json' } } : {});

	die "$method /_sim$path: $answer->{status} $answer->{content}\n" if $answer->{status} != 200;
	return $json->decode($answer->{content});
}

sub reset { return $_[0]->call(POST => '/reset') }
sub set { my ($self, %settings) = @_; return $self->call(POST => '/settings', \%settings) }
sub rule { my ($self, %rule) = @_; return $self->call(POST => '/rules', \%rule) }
sub no_rules { return $_[0]->call(DELETE => '/rules') }

# What arrived since the last clear, oldest first; with operation only of that one.
sub requests
{
	my ($self, %query) = @_;
	my $answer = $self->call(GET => '/requests?' . join '&', map { "$_=$query{$_}" } sort keys %query);
	return @{ $answer->{requests} };
}

# How many requests of an operation (or all) arrived, and how many of them changed something.
sub count
{
	my ($self, $operation) = @_;
	my $answer = $self->call(GET => '/requests/count' . ($operation ? "?operation=$operation" : ''));
	return ("$answer->{count}", "$answer->{effects}");
}

sub clear { return $_[0]->call(DELETE => '/requests') }

# A value as JSON with sorted keys, for comparison.
sub text { return $json->encode($_[0]) }

require POSIX;
1;
