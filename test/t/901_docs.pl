# The pages under docs/ are held to what they describe: names of functions, tables, settings, goals and tests exist, statements
# are understood by a server, and what operations.md says of logical replication works.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustOutbox;

my $t = TruustOutbox->new(name => 'docs', bare => 1, init => { allows_streaming => 'logical' }, conf => "max_worker_processes = 20\n");
my $node = $t->node;
$t->install;

my $top = "$FindBin::RealBin/../..";
my %page = map { s{^\Q$top\E/}{}r => slurp_file($_) } "$top/README.md", grep { !/reference\.md$/ } glob "$top/docs/*.md";

# What the statements of the pages speak of, and what stands for a value in them.
$t->sql(<<~'SQL');
	CREATE SCHEMA shop;
	CREATE TABLE shop.orders (id bigint PRIMARY KEY, title text, total numeric, buyer bigint, seller bigint, truust_id bigint,
		payment_status text, payment_url text);
	CREATE FUNCTION f(truust_event) RETURNS void LANGUAGE sql AS $$ SELECT $$;
	CREATE ROLE shop; CREATE ROLE webhooks; CREATE ROLE reporting; CREATE ROLE support;
	SQL
my $VALUES = q{SELECT 1::bigint AS id, 1::bigint AS order_id, '{}'::jsonb AS response, now() AS since, 'x'::text AS reason, 'x'::text AS body,
	'x'::text AS event, 'shop'::name AS role, 'api'::text AS privilege, 'x'::text AS what, 'f(truust_event)'::regprocedure AS handler};

# Why a server does not understand a statement, '' where it does; nothing of it is done.
sub refused
{
	my ($statement) = @_;
	my $ask = "BEGIN; EXPLAIN $statement; ROLLBACK";

	$ask = "BEGIN; EXPLAIN SELECT s.* FROM ($VALUES) v, LATERAL ($1) s; ROLLBACK" if $statement =~ /^(SELECT .*)$/s;
	$ask = "BEGIN; $statement; ROLLBACK" if $statement =~ /^(GRANT|CREATE|ALTER|SET|LISTEN)\b/;
	$ask = "SELECT truust_drain" if $statement eq 'CALL truust_drain()';
	return '' if $statement eq 'CALL truust_drain()' && $t->sql(q{SELECT prokind FROM pg_proc WHERE proname = 'truust_drain'}) eq 'p';
	my ($error) = $t->error($ask) =~ /(ERROR:.*)/;
	return $error // '';
}

my %known = map { $_ => 1 } split /\n/, $t->sql(q{
	SELECT proname || '()' FROM pg_proc
	UNION ALL SELECT 'truust.' || proname || '()' FROM pg_proc WHERE pronamespace = 'truust'::regnamespace
	UNION ALL SELECT 'truust.' || relname FROM pg_class WHERE relnamespace = 'truust'::regnamespace
	UNION ALL SELECT 'truust.' || typname FROM pg_type WHERE typnamespace = 'truust'::regnamespace
	UNION ALL SELECT name FROM pg_settings
	UNION ALL SELECT typname FROM pg_type
	UNION ALL VALUES ('truust_alert'), ('truust.control'), ('truust_request')});
my %goal = map { $_ => 1 } slurp_file("$top/Makefile") =~ /^([a-z-]+):/mg, qw(all install uninstall clean installcheck);

for my $name (sort keys %page)
{
	my $text = $page{$name};
	my (@missing, %statements);

	for my $block ($text =~ /^```sql\n(.*?)^```/msg)
	{
		next if $name eq 'README.md';	# 900_readme.pl runs them
		$block =~ s/^-- before.*?(?=^-- after)//msg;
		$block =~ s/--[^\n]*//g;
		$statements{$_}++ for grep { /\S/ } split /;\s*\n/, $block =~ s/^\s+//mr;
	}
	$text =~ s/^```.*?^```//msg;
	for my $code ($text =~ /`([^`\n]+)`/g)
	{
		if ($code =~ /^(?:SELECT|CALL|ALTER EXTENSION)\b[^.]*\btruust/ && $code !~ /\.\.\./) { $statements{ $code =~ s/;$//r }++ }
		elsif ($code =~ /^(truust[_.]\w+)\(([^)]*)\)$/)
		{
			push @missing, $code unless $known{"$1()"};
			$statements{"SELECT $code"}++ if $2 ne '' && $2 !~ /\.\.\./ && $known{"$1()"};
		}
		elsif ($code =~ /^(truust(?:_\w+|\.\w+))$/) { push @missing, $code unless $known{$code} || $known{"$code()"} }
		elsif ($code =~ /^make ([a-z-]+)/) { push @missing, $code unless $goal{$1} }
		elsif ($code =~ m{^((?:test|docs|tools|src|sql)/[\w/.-]+)$}) { push @missing, $code unless -e "$top/$1" || glob "$top/$1*" }
	}
	is(join(', ', @missing), '', "$name: all names exist");
	for my $statement (sort keys %statements)
	{
		is(refused($statement), '', "$name: " . $statement =~ s/\s+/ /gr);
	}
}

# ---------------------------------------------------------------- logical replication, as docs/operations.md has it

my ($publication) = $page{'docs/operations.md'} =~ /^(CREATE PUBLICATION .*?;)/ms;
$t->sql('CREATE DATABASE reports');
my $schema = $node->basedir . '/schema.sql';
$node->command_ok([ 'psql', '-XAtq', '-d', $node->connstr('reports'), '-c', 'CREATE SCHEMA truust',
	map { ('-c', "CREATE TABLE truust.$_ (" . $t->sql(qq{SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ') FROM pg_attribute WHERE attrelid = 'truust.$_'::regclass AND attnum > 0})
		. ', PRIMARY KEY (' . $t->sql(qq{SELECT string_agg(attname, ', ') FROM pg_index, pg_attribute WHERE indrelid = 'truust.$_'::regclass AND indisprimary AND attrelid = indrelid AND attnum = ANY (indkey)}) . '))') }
	qw(orders payins payouts events) ], 'a database of reports, without the extension');
$t->sql($publication);
$t->sql(q{SELECT pg_create_logical_replication_slot('reports', 'pgoutput')});
my $connection = $node->connstr('postgres') =~ s/'/''/gr;
$t->sql("CREATE SUBSCRIPTION reports CONNECTION '$connection' PUBLICATION truust_reports WITH (create_slot = false, slot_name = 'reports')", database => 'reports');
my $order = $t->sql(q{SELECT id FROM truust_create_order(name => 'Reported', value => 1)});
$t->sim(POST => "orders/$order/pay", { outcome => 'confirmed' });
$t->sql(qq{SELECT truust_receive_webhook('{"escrow": {"id": $order, "status": "PUBLISHED"}}', 'order.published')});
ok($node->poll_query_until('reports', "SELECT EXISTS (SELECT FROM truust.orders WHERE id = $order AND status = 'PUBLISHED')"), 'an order and what becomes of it arrive there');
ok($node->poll_query_until('reports', "SELECT array_agg(event ORDER BY id) = '{order.draft,order.published}' FROM truust.events WHERE order_id = $order"), 'with its history');
$t->sql('DROP SUBSCRIPTION reports', database => 'reports');

done_testing;
