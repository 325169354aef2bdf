# TruustReceiver: a database for truust-receiver, the program itself, and requests to it, for the TAP tests.
package TruustReceiver;

use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant PATIENCE => 120;    # seconds before a condition is given up

our $TOKEN = 'tok_of_a_test_0123456789';

my @running;

# A server that is running, with truust and a role "hook" that has the privilege "intake" and no other.  workers => 1:
# webhooks are applied, at their word; else they stay where they are.
sub new_node
{
    my ($name, %how) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);

    $node->init(%{ $how{init} || {} });
    $node->append_conf('postgresql.conf', "shared_preload_libraries = 'truust'\ntruust.webhook_trust = 'body'")
        if $how{workers};
    $node->append_conf('postgresql.conf', $how{conf}) if $how{conf};
    $node->start;
    $node->safe_psql('postgres', q{
        CREATE ROLE hook LOGIN;
        CREATE EXTENSION truust;
        SELECT truust_grant('intake', 'hook');
    });
    return $node;
}

sub dsn
{
    my ($node) = @_;
    return sprintf "host='%s' port=%d user=hook dbname=postgres", $node->host, $node->port;
}

sub binary
{
    return $ENV{TRUUST_RECEIVER} || 'src/receiver/truust-receiver';
}

# Poll until the condition holds; false if it never did.
sub wait_for
{
    my ($condition, $seconds) = @_;
    my $end = time + ($seconds || PATIENCE);

    while (time < $end)
    {
        return 1 if $condition->();
        sleep 0.02;
    }
    return 0;
}

# Start a receiver.  node => its database (or dsn => ...), args => [...] more arguments, auth => 0 for no token file,
# spool => 0 for no spool, wrap => [...] a command that runs it.
sub start
{
    my ($class, %how) = @_;
    my $dir = $how{dir} || PostgreSQL::Test::Utils::tempdir;
    my $self = bless { dir => $dir, how => \%how, log => "$dir/receiver.log", out => "$dir/receiver.out",
        tokens => "$dir/tokens", scheme => 'http' }, $class;

    $self->write_tokens($TOKEN) unless -e $self->{tokens};
    $self->run;
    return $self;
}

sub write_tokens
{
    my ($self, @tokens) = @_;
    open my $file, '>', $self->{tokens} or die "$self->{tokens}: $!";
    print $file "# tokens of a test\n", map { "$_\n" } @tokens;
    close $file;
    chmod 0600, $self->{tokens};
}

sub command
{
    my ($self) = @_;
    my %how = %{ $self->{how} };
    my @command = (@{ $how{wrap} || [] }, binary());

    push @command, '--listen', $how{listen} || '127.0.0.1:' . ($self->{port} || 0);
    push @command, '--dsn', $how{dsn} || dsn($how{node});
    push @command, '--token-file', $self->{tokens} unless defined $how{auth} && !$how{auth};
    push @command, '--spool', "$self->{dir}/spool" unless defined $how{spool} && !$how{spool};
    push @command, @{ $how{args} || [] };
    return @command;
}

# Start the process (again, on the same port) and wait until it listens.
sub run
{
    my ($self) = @_;
    my @command = $self->command;

    unlink $self->{out};
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if ($pid == 0)
    {
        open STDOUT, '>', $self->{out} or die;
        open STDERR, '>>', $self->{log} or die;
        exec @command or die "exec: $!";
    }
    $self->{pid} = $pid;
    push @running, $self;
    wait_for(sub {
        if (waitpid($pid, 1) == $pid)
        {
            $self->{pid} = 0;
            die "the receiver did not start:\n" . slurp_file($self->{log});
        }
        return -s $self->{out} && slurp_file($self->{out}) =~ /listening on \S+:(\d+)$/m && ($self->{port} = $1);
    }) or die "the receiver does not listen:\n" . slurp_file($self->{log});
}

# Send a signal and, unless it is HUP, wait for the end; returns the wait status.
sub end_by
{
    my ($self, $signal) = @_;
    my $status;

    kill $signal, $self->{pid};
    if (!wait_for(sub { return waitpid($self->{pid}, 1) == $self->{pid} && defined($status = $?) }))
    {
        kill 'KILL', $self->{pid};
        waitpid $self->{pid}, 0;
        $status = -1;
    }
    $self->{pid} = 0;
    return $status;
}

sub stop
{
    my ($self) = @_;
    return $self->end_by('TERM');
}

sub reload
{
    my ($self) = @_;
    my $before = () = $self->log_text =~ /reloading/g;

    kill 'HUP', $self->{pid};
    # The reload's own line comes first; what it says afterwards marks its end.
    return wait_for(sub {
        my @parts = split /reloading/, $self->log_text, -1;
        return @parts > $before + 1 && $parts[-1] =~ /in use/;
    });
}

sub log_text
{
    my ($self) = @_;
    return slurp_file($self->{log});
}

sub url
{
    my ($self, $path) = @_;
    return "$self->{scheme}://127.0.0.1:$self->{port}$path";
}

# POST; returns the status (599 when there was no answer).
sub post
{
    my ($self, $path, $body, %headers) = @_;
    my $http = HTTP::Tiny->new(timeout => 30, keep_alive => 0);

    my $answer = $http->request('POST', $self->url($path), { content => $body, headers => \%headers });

    note $answer->{content} if $answer->{status} == 599;
    return $answer->{status};
}

# POST with the test's token.
sub send_hook
{
    my ($self, $event, $body, %headers) = @_;
    return $self->post("/hooks/$event", $body, 'X-Truust-Token' => $TOKEN, %headers);
}

sub get
{
    my ($self, $path, %headers) = @_;
    return HTTP::Tiny->new(timeout => 30)->get($self->url($path), { headers => \%headers });
}

# The value of a metric; its name is given without the common beginning.
sub metric
{
    my ($self, $name) = @_;
    my $text = $self->get('/metrics')->{content};

    return $text =~ /^truust_receiver_\Q$name\E (\S+)$/m ? $1 : undef;
}

sub wait_for_metric
{
    my ($self, $name, $condition) = @_;
    return wait_for(sub { local $_ = $self->metric($name); return defined $_ && $condition->(); });
}

# Is everything out of the spool, and the database taking new webhooks again?
sub wait_until_drained
{
    my ($self) = @_;
    return wait_for(sub {
        my $text = $self->get('/metrics')->{content} || '';
        return $text =~ /^truust_receiver_spooling 0$/m && $text =~ /^truust_receiver_spool_records 0$/m;
    });
}

# Send these bytes on a new connection and read until it is closed; returns the status.
sub raw
{
    my ($self, $bytes) = @_;
    my $socket = $self->socket_to;

    $socket->syswrite($bytes);
    return join('', <$socket>) =~ m{^HTTP/1\.[01] (\d+) } ? $1 : 599;
}

sub socket_to
{
    my ($self) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 10);
}

END
{
    my $status = $?;
    for my $receiver (@running)
    {
        next unless $receiver->{pid};
        kill 'KILL', $receiver->{pid};
        waitpid $receiver->{pid}, 0;
    }
    $? = $status;
}

1;
