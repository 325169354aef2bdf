# A peer that misbehaves below HTTP, where an API simulator cannot: it answers every request with the order {"id": 7}, or
# does what it was told to. One process, one connection after the other as they become ready; it notes each connection
# and each complete request in a file, so that a test can count what was really sent.
#
#	my $peer = TruustPeer->start;
#	$peer->set('drop', 'ok');		# the next request is dropped, all after it are answered
#	TruustPeer->start(tls => 'close');	# closes on a TLS handshake; otherwise it never answers one
#	$peer->port; $peer->requests;	# lines "CONNECTION METHOD PATH SECONDS"
#	$peer->say_unasked;				# bytes on all idle connections, which nobody has asked for
#
# Requests for order 77 are always answered. What it does to others:
#	ok, ok_close			answers; answers and closes without a word about it
#	drop, reset				closes (FIN), (RST) without an answer
#	half, headers_cut		closes amid the body, amid the headers
#	chunk_cut, bad_chunk	the same amid chunks; chunks without a proper length
#	garbage, bad_gzip		no HTTP; a body that is not gzip although it says so
#	not_json, empty			HTTP that is fine, with another body
#	endless, bomb			a body without an end; a small gzip of 64 MB
#	header_flood			headers without an end
#	interim					an interim answer (103) with Retry-After before the real one
#	hang, drip				never answers; a byte of an endless body now and then
#	status NNN [HEADER...]	an error status
package TruustPeer;

use strict;
use warnings;

use Compress::Zlib ();
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes ();

my $ORDER = '{"data":{"id":7,"name":"Bicycle","status":"DRAFT","value":"120.50"}}';

sub start
{
	my ($class, %option) = @_;
	my $dir = File::Temp->newdir;
	my $self = bless { dir => $dir, version => 0 }, $class;
	my $close_tls = ($option{tls} // '') eq 'close';
	my $listen = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		LocalPort => $option{port} // 0,
		Listen => $option{backlog} // 128,
		ReuseAddr => 1) or die "listen: $!";

	$self->{port} = $listen->sockport;
	$self->set('ok');
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		eval { _serve($listen, "$dir", $close_tls) };
		print STDERR $@ if $@;
		require POSIX;
		POSIX::_exit(0);
	}
	close $listen;
	return $self;
}

sub port { return $_[0]{port} }

sub url { return "http://127.0.0.1:$_[0]{port}/2.0" }

# What to do to the next requests, one by one; the last one stays, or with 'again' as the last they begin anew.
sub set
{
	my ($self, @modes) = @_;
	my $file = "$self->{dir}/modes";

	$self->{version}++;
	open my $out, '>', "$file.new" or die "$file: $!";
	print $out join("\n", $self->{version}, @modes), "\n";
	close $out;
	rename "$file.new", $file or die "$file: $!";
	return;
}

sub _lines
{
	my ($self, $name) = @_;

	open my $in, '<', "$self->{dir}/$name" or return ();
	my @lines = <$in>;
	chomp @lines;
	return @lines;
}

sub requests { return $_[0]->_lines('requests') }

sub connections { return scalar $_[0]->_lines('connections') }

# Returns when the bytes are on their way.
sub say_unasked
{
	my ($self) = @_;
	my $before = () = $self->_lines('unasked');

	kill 'USR1', $self->{pid};
	for (1 .. 1000)
	{
		my $now = () = $self->_lines('unasked');
		return if $now > $before;
		Time::HiRes::sleep(0.01);
	}
	die 'the peer did not speak';
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	local $?;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);

	$self->stop if $self->{pid};
	return;
}

# ------------------------------------------------------------------ the child

my ($version, @modes);

sub _mode
{
	my ($dir) = @_;

	open my $in, '<', "$dir/modes" or return 'ok';
	my ($now, @all) = <$in>;
	chomp($now, @all);
	if (!defined $version || $version != $now || (@modes && $modes[0] eq 'again'))
	{
		$version = $now;
		@modes = @all;
	}
	return @modes > 1 ? shift @modes : $modes[0];
}

sub _note
{
	my ($dir, $name, $line) = @_;

	open my $out, '>>', "$dir/$name" or die;
	print $out "$line\n";
	close $out;
	return;
}

sub _serve
{
	my ($listen, $dir, $close_tls) = @_;
	my $select = IO::Select->new($listen);
	my (%client, $unasked);
	my $n_connections = 0;

	local $SIG{PIPE} = 'IGNORE';
	local $SIG{USR1} = sub { $unasked = 1 };
	local $SIG{TERM} = 'DEFAULT';
	while (1)
	{
		my @busy = grep { defined $_->{endless} } values %client;
		for my $socket ($select->can_read(@busy ? 0.005 : 0.05))
		{
			if ($socket == $listen)
			{
				my $new = $listen->accept or next;
				setsockopt $new, IPPROTO_TCP, TCP_NODELAY, 1;
				$new->blocking(0);
				$client{$new} = { socket => $new, n => ++$n_connections, in => '', close_tls => $close_tls };
				$select->add($new);
				_note($dir, 'connections', $n_connections);
			}
			else
			{
				_receive($client{$socket}, $dir);
			}
		}
		if ($unasked)
		{
			$unasked = 0;
			syswrite $_->{socket}, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
				for values %client;
			_note($dir, 'unasked', 'said');
		}
		for my $one (values %client)
		{
			_continue($one) if defined $one->{endless};
			next unless $one->{closed};
			$select->remove($one->{socket});
			delete $client{ $one->{socket} };
			close $one->{socket};
		}
	}
}

sub _receive
{
	my ($one, $dir) = @_;
	my $got = sysread $one->{socket}, $one->{in}, 65536, length $one->{in};

	return if !defined $got && $!{EAGAIN};
	$one->{closed} = 1 if !$got || ($one->{close_tls} && $one->{in} =~ /\A\x16/);
	while (!$one->{closed} && $one->{in} =~ /\A(\w+) (\S+) HTTP.*?\r\n\r\n/s)
	{
		my ($method, $path, $head) = ($1, $2, $&);
		my $length = $head =~ /^content-length: *(\d+)/im ? $1 : 0;

		last if length($one->{in}) < length($head) + $length;
		substr $one->{in}, 0, length($head) + $length, '';
		_note($dir, 'requests', sprintf '%d %s %s %.3f', $one->{n}, $method, $path, Time::HiRes::time());
		_answer($one, $path =~ m{/77$} ? 'ok' : _mode($dir));
	}
	return;
}

sub _put
{
	my ($one, $bytes) = @_;

	$one->{socket}->blocking(1);
	syswrite $one->{socket}, $bytes;
	$one->{socket}->blocking(0);
	return;
}

sub _head
{
	my ($status, $length, @headers) = @_;

	push @headers, "Content-Length: $length" if defined $length;
	return join("\r\n", "HTTP/1.1 $status X", 'Content-Type: application/json', @headers) . "\r\n\r\n";
}

sub _ok
{
	my ($body, @headers) = @_;

	return _head(200, length $body, @headers) . $body;
}

my %answer = (
	ok => sub { _ok($ORDER) },
	ok_close => sub { _ok($ORDER) },
	drop => sub { '' },
	half => sub { _head(200, length $ORDER) . substr $ORDER, 0, 20 },
	headers_cut => sub { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Len" },
	chunk_cut => sub { _head(200, undef, 'Transfer-Encoding: chunked') . "5\r\n{\"dat\r\n" },
	bad_chunk => sub { _head(200, undef, 'Transfer-Encoding: chunked') . "zz\r\n{\"dat\r\n" },
	garbage => sub { "220 mail.example ESMTP\r\nand more of it\r\n\r\n" },
	bad_gzip => sub { _ok('this is not gzip', 'Content-Encoding: gzip') },
	bomb => sub { _ok(Compress::Zlib::memGzip(' ' x (64 << 20)), 'Content-Encoding: gzip') },
	not_json => sub { _ok('<html>It works</html>') },
	empty => sub { _ok('') },
	interim => sub { "HTTP/1.1 103 Early Hints\r\nRetry-After: 60\r\n\r\n" . _ok($ORDER) },
	endless => sub { _head(200, undef, 'Transfer-Encoding: chunked') },
	drip => sub { _head(200, 1 << 20) },
	header_flood => sub { "HTTP/1.1 200 OK\r\n" });

my %endless = (
	endless => "10000\r\n" . (' ' x 65536) . "\r\n",
	drip => ' ',
	header_flood => 'X-Flood: ' . ('x' x 8000) . "\r\n");

my %keeps_open = map { $_ => 1 } qw(ok bad_gzip bomb not_json empty interim);

sub _answer
{
	my ($one, $mode) = @_;

	return if $mode eq 'hang';
	if ($mode eq 'reset')
	{
		setsockopt $one->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
		$one->{closed} = 1;
	}
	elsif ($mode =~ /^status (\d+) ?(.*)/)
	{
		_put($one, _head($1, 16, split / *; */, $2) . '{"message":"No"}');
	}
	else
	{
		_put($one, $answer{$mode}->());
		$one->{endless} = $endless{$mode};
		$one->{closed} = 1 unless $keeps_open{$mode} || defined $one->{endless};
	}
	return;
}

# A byte, or a lot, of what has no end.
sub _continue
{
	my ($one) = @_;
	my $put = syswrite $one->{socket}, $one->{endless};

	$one->{closed} = 1 if !defined $put && !$!{EAGAIN};
	return;
}

1;
