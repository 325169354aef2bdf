# Webhooks in databases of other encodings than UTF-8: whatever characters event, headers and body have, nothing is
# refused or lost, the others of the batch are untouched, and the events are applied.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Digest::MD5 qw(md5_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustReceiver;

# Bytes of UTF-8: an e with an accent, the euro sign, a bicycle, the name of the country in Japanese.
my ($e, $euro, $bicycle, $japan) = ("\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\xb2", "\xe6\x97\xa5\xe6\x9c\xac");

# What becomes of a text, by encoding, as bytes of UTF-8: characters that the encoding has stay where all of a row's can.
my @samples = ("caf$e", $euro, $bicycle, $japan);
my %kept = (
	UTF8 => \@samples,
	LATIN1 => [ "caf$e", '\u20ac', '\ud83d\udeb2', '\u65e5\u672c' ],
	LATIN9 => [ "caf$e", $euro, '\ud83d\udeb2', '\u65e5\u672c' ],
	EUC_JP => [ "caf$e", '\u20ac', '\ud83d\udeb2', $japan ],
	SQL_ASCII => \@samples);

my $node = TruustReceiver::new_node('encodings', conf => "truust.webhook_trust = 'body'\n");
my %receiver;

for my $encoding (sort keys %kept)
{
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->safe_psql($database, q{CREATE EXTENSION truust; SELECT truust_grant('intake', 'hook')});
	(my $dsn = TruustReceiver::dsn($node)) =~ s/dbname=\w+/dbname=$database/;
	$receiver{$encoding} = TruustReceiver->start(dsn => $dsn);
	ok($receiver{$encoding}->wait_until_drained, "$encoding: the receiver is ready");
}

# A POST whose header may have any bytes, which HTTP::Tiny would refuse; returns the status.
sub post
{
	my ($receiver, $path, $body, $name) = @_;
	return $receiver->raw("POST /hooks/$path HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $TruustReceiver::TOKEN\r\n"
		. "X-Name: $name\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
}

# An order's events, with a sample in header, event and body; plain ones around them.
sub send_all
{
	my ($receiver, $first) = @_;
	my @statuses;
	my $id = $first;

	for my $sample (@samples)
	{
		(my $path = $sample) =~ s/([^a-z])/sprintf '%%%02x', ord $1/ge;
		my $body = sprintf '{"escrow": {"id": %d, "status": "PUBLISHED", "name": "%s"}}', $id++, $sample;
		push @statuses, post($receiver, $path, $body, $sample),
		  post($receiver, 'order.published', '{"escrow": {"id": ' . $id++ . ', "status": "PUBLISHED"}}', 'plain');
	}
	# a byte that is no UTF-8
	push @statuses, post($receiver, 'order.published', '{"escrow": {"id": ' . $id++ . ', "status": "PUBLISHED"}}', "caf\xe9");
	return "@statuses";
}

# In UTF-8 (or as it is, where the encoding is none), one value a line.
sub lines
{
	my ($database, $expression, $order) = @_;
	local $ENV{PGCLIENTENCODING} = $database eq 'sql_ascii' ? 'SQL_ASCII' : 'UTF8';
	my $lines = $node->safe_psql($database, "SELECT $expression FROM truust.webhooks ORDER BY id");

	utf8::encode($lines) if utf8::is_utf8($lines);
	return $lines;
}

sub check
{
	my ($encoding, $first, $how) = @_;
	my $database = lc $encoding;
	my @names = map { ($_, 'plain') } @{ $kept{$encoding} };
	my $id = $first;

	is(lines($database, q{headers->>'x-name'}), join("\n", @names, "caf$e"), "$encoding, $how: headers");
	is(lines($database, q{coalesce(event, '')}), join("\n", (map { ($_, 'order.published') } @{ $kept{$encoding} }), 'order.published'),
		"$encoding, $how: events");
	is(lines($database, 'md5(body)'), join("\n", map {
		my $body = sprintf '{"escrow": {"id": %d, "status": "PUBLISHED", "name": "%s"}}', $id++, $_;
		(md5_hex($body), md5_hex('{"escrow": {"id": ' . $id++ . ', "status": "PUBLISHED"}}'))
	} @samples) . "\n" . md5_hex('{"escrow": {"id": ' . $id . ', "status": "PUBLISHED"}}'), "$encoding, $how: bodies as they came");
	$node->safe_psql($database, 'CALL truust_drain()');
	is(lines($database, 'error'), '', "$encoding, $how: none is a dead letter");
	is($node->safe_psql($database, "SELECT count(*) FROM truust.orders WHERE status = 'PUBLISHED' AND id >= $first"), 9,
		"$encoding, $how: all are applied");
	return;
}

my $good = join ' ', (200) x 9;

for my $encoding (sort keys %kept)
{
	is(send_all($receiver{$encoding}, 1), $good, "$encoding: taken");
	check($encoding, 1, 'one by one');
}

# All in one batch: out of the spool.
$node->stop('fast');
is(send_all($receiver{$_}, 101), $good, "$_: taken into the spool") for sort keys %kept;
$node->start;
for my $encoding (sort keys %kept)
{
	ok($receiver{$encoding}->wait_until_drained, "$encoding: handed in");
	is($receiver{$encoding}->metric('set_aside_total'), 0, "$encoding: nothing is set aside");
	check($encoding, 101, 'a batch');
	is($receiver{$encoding}->stop, 0, "$encoding: a clean stop");
}

# From within: text in the database's own encoding, and bytes of UTF-8.
for my $encoding (sort keys %kept)
{
	my $database = lc $encoding;
	my $text = $encoding eq 'SQL_ASCII' ? q{convert_from('\xc3a9', 'SQL_ASCII')} : q{convert_from('\xc3a9', 'UTF8')};

	$node->safe_psql($database, qq{SELECT truust_receive_webhook(
			'{"escrow": {"id": 201, "status": "PUBLISHED", "name": "' || $text || '"}}', 'order.published', jsonb_build_object('x', $text)),
		truust_receive_webhook(convert_to('{"escrow": {"id": 202, "status": "PUBLISHED", "name": "', 'SQL_ASCII')
			|| '\\xe282ac' || convert_to('"}}', 'SQL_ASCII'), 'order.published');
		CALL truust_drain()});
	is(lines($database, 'error'), '', "$encoding: truust_receive_webhook(): understood");
	is($node->safe_psql($database, 'SELECT count(*) FROM truust.orders WHERE id > 200'), 2, "$encoding: and applied");
}

$node->stop;
done_testing;
