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

# An order is read, an order is written.
our $READ = 'SELECT id FROM truust_get_order(7)';
our $WRITE = q{SELECT id FROM truust_create_order(name => 'Bicycle', value => 120.50, buyer_id => 1, seller_id => 2)};

# Options of the foreign server; env => {...} is the environment that the server starts in.
sub start
{
	my ($class, %option) = @_;
	my $env = delete $option{env} // {};
	my $node = PostgreSQL::Test::Cluster->new('main');

	$node->init;
	$node->append_conf('postgresql.conf', "fsync = off\ntruust.autostart = off");
	{
		local %ENV = (%ENV, %$env);
		$node->start;
	}
	bless $node, $class;
	$option{environment} //= 'sandbox';
	my $options = join ', ', map { "$_ '$option{$_}'" } sort keys %option;
	$node->safe_psql('postgres', <<~SQL);
		CREATE EXTENSION truust;
		CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS ($options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_of_a_made_up_account');
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

	like($err, qr/ERROR:  $sqlstate: /, "$name: SQLSTATE");
	like($err, qr/DETAIL:  .*$detail/s, "$name: DETAIL");
	is($out, 7, "$name: the next call works");
	return;
}

1;
