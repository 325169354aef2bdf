# TLS: whose certificates are taken and whose are not, that nothing is sent to a peer that is not trusted, and that there
# is no way around it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", $FindBin::RealBin;

use File::Spec;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Truust;
use TruustNode;
use TruustPeer;

plan skip_all => 'needs openssl' if system('openssl version >/dev/null 2>&1') != 0;

my $dir = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir);

# ------------------------------------------------------------------ certificates

# Nothing from the system's own configuration: OpenSSL 1.1.1 would add extensions a second time, and refuse what has them twice.
append_to_file("$dir/req.cnf", "[req]\ndistinguished_name = name\n[name]\n");

sub openssl
{
	my (@arguments) = @_;
	system("openssl @arguments >>$dir/openssl.log 2>&1") == 0
		or die "openssl @arguments: " . slurp_file("$dir/openssl.log");
	return;
}

sub authority
{
	my ($name) = @_;
	openssl("req -config $dir/req.cnf -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=$name' -keyout $dir/$name.key -out $dir/$name.pem",
		'-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign');
	append_to_file("$dir/$name.index", '');
	append_to_file("$dir/$name.cnf", <<~CNF);
		[ca]
		default_ca = this
		[this]
		database = $dir/$name.index
		new_certs_dir = $dir
		rand_serial = yes
		certificate = $dir/$name.pem
		private_key = $dir/$name.key
		default_md = sha256
		policy = any
		unique_subject = no
		copy_extensions = copy
		[any]
		commonName = supplied
		CNF
	return;
}

# Seconds from now that it is valid from and to.
sub certificate
{
	my ($name, $authority, $names, $from, $to) = @_;
	my @when = map { POSIX::strftime('%Y%m%d%H%M%SZ', gmtime(time + $_)) } $from, $to;
	openssl("req -config $dir/req.cnf -newkey rsa:2048 -nodes -subj '/CN=$name' -addext subjectAltName=$names -keyout $dir/$name.key -out $dir/$name.csr");
	openssl("ca -batch -notext -config $dir/$authority.cnf -startdate $when[0] -enddate $when[1] -in $dir/$name.csr -out $dir/$name.pem");
	return;
}

my $day = 86400;
authority('ours');
authority('theirs');
certificate('good', 'ours', 'IP:127.0.0.1,DNS:localhost', -$day, $day);
certificate('expired', 'ours', 'IP:127.0.0.1', -2 * $day, -$day);
certificate('early', 'ours', 'IP:127.0.0.1', $day, 2 * $day);
certificate('other_host', 'ours', 'DNS:api.example.test,IP:127.0.0.2', -$day, $day);
certificate('of_theirs', 'theirs', 'IP:127.0.0.1', -$day, $day);
openssl("req -config $dir/req.cnf -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=127.0.0.1' -addext subjectAltName=IP:127.0.0.1 -keyout $dir/self_signed.key -out $dir/self_signed.pem");

# ------------------------------------------------------------------ peers

sub simulator_with
{
	my ($name) = @_;
	return Truust->simulator('--tls-cert', "$dir/$name.pem", '--tls-key', "$dir/$name.key");
}

sub url { return 'https://127.0.0.1:' . $_[0]{port} . '/2.0' }

my $good = simulator_with('good');
my $node = TruustNode->start(base_url => url($good), ca_file => "$dir/ours.pem", max_retries => 0);
my $read = q{SELECT count(*) FROM truust_list_customers()};
my $write = q{SELECT name FROM truust_create_customer(name => 'Ada', email => 'ada@example.test')};
my $refused = qr/ERROR:  08001: .*DETAIL:  .*The request was not sent\./s;

# Connections to a port of this host.
sub connections_to
{
	my ($port) = @_;
	my $peer = sprintf '0100007F:%04X', $port;
	return scalar grep { /^\s*\d+: \S+ $peer 01 / } split /\n/, slurp_file('/proc/net/tcp');
}

# Waits until something listens on a port.
sub wait_for_port
{
	my ($port) = @_;

	for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		Time::HiRes::sleep(0.01);
	}
	die "nothing listens on port $port";
}

my ($out, $err) = $node->run($write, $read, $write);
is("$out$err", "Ada\n1\nAda", 'a certificate of the CA in ca_file is taken');

$node->option(base_url => "https://localhost:$good->{port}/2.0");
is(($node->run($read))[0], 1, 'by name as well');
$node->option(base_url => url($good));

SKIP:
{
	skip 'needs /proc/net/tcp', 1 unless -r '/proc/net/tcp';
	my $session = $node->background_psql('postgres');
	my $before = connections_to($good->{port});
	$session->query($read) for 1 .. 5;
	is(connections_to($good->{port}) - $before, 1, 'one connection serves many calls');
	$session->quit;
}

for my $case (
	[ expired => 'expired' ],
	[ early => 'not yet valid' ],
	[ other_host => '' ],
	[ of_theirs => 'unable to get local issuer certificate' ],
	[ self_signed => 'self.signed certificate' ])
{
	my ($name, $words) = @$case;
	my $peer = simulator_with($name);

	$node->option(base_url => url($peer));
	for my $statement ($read, $write)
	{
		my ($out, $err) = $node->run($statement);
		like($err, $refused, "$name: refused");
		like($err, qr/DETAIL:  .*$words/, "$name: why");
		is($out, '', "$name: no row");
	}
	$peer->stop;
}
$node->option(base_url => url($good));

# ------------------------------------------------------------------ the CAs themselves

# A kept connection is not a way around a CA that is not trusted any more.
($out, $err) = $node->run($read, "ALTER SERVER truust OPTIONS (SET ca_file '$dir/theirs.pem')", $read,
	"ALTER SERVER truust OPTIONS (SET ca_file '$dir/ours.pem')", $read);
like($err, $refused, 'another ca_file counts at once');
is($out, "1\n1", '... and so does the old one again');

for my $file ("$dir/is_not_there.pem", "$dir/good.key")
{
	($out, $err) = $node->run("ALTER SERVER truust OPTIONS (SET ca_file '$file')", $read);
	like($err, $refused, 'without any CA nothing is trusted');
}
($out, $err) = $node->run('ALTER SERVER truust OPTIONS (DROP ca_file)', $read);
like($err, $refused, 'the CAs of the system do not know ours');
$node->option(ca_file => "$dir/ours.pem");

# ------------------------------------------------------------------ peers that speak something else

my $plain = Truust->simulator;
my $closing = TruustPeer->start(tls => 'close');
for my $case ([ 'plain HTTP', url($plain) ], [ 'a peer that closes', 'https://127.0.0.1:' . $closing->port . '/2.0' ])
{
	my ($name, $url) = @$case;
	$node->option(base_url => $url);
	for my $statement ($read, $write)
	{
		my ($out, $err) = $node->run($statement);
		like($err, $refused, "$name instead of TLS");
	}
}

# A peer that knows nothing newer than TLS 1.1, and one that knows TLS 1.2.
for my $version ('tls1_1', 'tls1_2')
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null' or die;
		open STDOUT, '>', "$dir/s_server.log" or die;
		open STDERR, '>&', \*STDOUT or die;
		exec 'openssl', 's_server', '-quiet', '-WWW', '-accept', "127.0.0.1:$port", "-$version", '-cipher', 'ALL:@SECLEVEL=0',
			'-cert', "$dir/good.pem", '-key', "$dir/good.key"
			or POSIX::_exit(1);
	}
	wait_for_port($port);
	$node->option(base_url => "https://127.0.0.1:$port/2.0");
	my ($out, $err) = $node->run($read);
	if ($version eq 'tls1_1')
	{
		like($err, $refused, 'TLS 1.1 is not spoken');
	}
	else
	{
		unlike($err, qr/08001/, 'TLS 1.2 is');
	}
	{
		local $?;
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
}

# ------------------------------------------------------------------ no way around

for my $option ('verify', 'insecure', 'ssl_verify', 'sslmode')
{
	($out, $err) = $node->run("ALTER SERVER truust OPTIONS (ADD $option 'off')");
	like($err, qr/ERROR: /, "there is no option $option");
}
$node->option(base_url => url($good));
is(($node->run($read))[0], 1, 'after all that, a call works');

done_testing();
