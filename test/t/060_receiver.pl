# truust-receiver with a healthy database: what it takes, from whom, what it stores, its limits, HTTPS, reload and stop.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Digest::MD5 qw(md5_hex);
use HTTP::Tiny;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TruustReceiver;

my $node = TruustReceiver::new_node('receiver');
my $token = $TruustReceiver::TOKEN;

sub rows
{
    my ($where) = @_;
    return $node->safe_psql('postgres', "SELECT count(*) FROM truust.webhooks WHERE $where");
}

# ------------------------------------------------------------------ options

for my $case (
    [ 'no tokens at all', ['--dsn', 'dbname=x'], qr/no tokens/ ],
    [ 'an unknown option', ['--colour', 'red'], qr/unknown argument "--colour"/ ],
    [ 'a size out of range', ['--no-auth', '--max-body', '0'], qr/"max-body" must be a size/ ],
    [ 'a password in the connection string', ['--no-auth', '--dsn', 'host=x password=hunter2'], qr/holds a password/ ],
    [ 'a password in an unreadable URI', ['--no-auth', '--dsn', 'postgresql://hook:hunter2%zz@db/shop'], qr/cannot be read; it is to be like/ ],
    [ 'a password in an unreadable string', ['--no-auth', '--dsn', q{host=x password='hunter2}], qr/cannot be read; it is to be like/ ],
    [ 'no authentication on a public address', ['--no-auth', '--listen', '0.0.0.0:0'], qr/loopback addresses only/ ],
    [ 'a port that is none', ['--no-auth', '--listen', '127.0.0.1:65536'], qr/must be ADDR:PORT/ ],
    [ 'a key without a certificate', ['--no-auth', '--tls-key', 'x'], qr/must be given together/ ])
{
    my ($name, $args, $like) = @$case;
    my ($out, $err) = ('', '');
    my $result = IPC::Run::run([ TruustReceiver::binary(), @$args ], '>', \$out, '2>', \$err);
    ok(!$result, "refuses to start with $name");
    like($err, $like, "and says why");
    unlike($err, qr/hunter2/, 'without the password') if $name =~ /password/;
}
command_like([ TruustReceiver::binary(), '--help' ], qr/--spool-limit SIZE/, '--help');
command_like([ TruustReceiver::binary(), '--version' ], qr/^truust-receiver \d+\.\d+/, '--version');

# ------------------------------------------------------------------ started without standard input and output
{
    my $bare = TruustReceiver->start(node => $node, spool => 0,
        wrap => [ 'sh', '-c', 'exec "$@" 0<&- 2>&-', 'sh' ]);
    is($bare->send_hook('bare', '1'), 200, 'closed descriptors');
    is(readlink("/proc/$bare->{pid}/fd/$_"), '/dev/null', "... are held: $_") for 0, 2;
    is($bare->stop, 0, 'stop');
    $node->safe_psql('postgres', 'DELETE FROM truust.webhooks');
}

# ------------------------------------------------------------------ taking webhooks

my $receiver = TruustReceiver->start(node => $node, args => [ '--request-timeout', '2s', '--max-headers', '8k' ]);
ok($receiver->wait_until_drained, 'it is ready');

my $odd = join('', map { chr } 0 .. 255) . "\xef\xbb\xbf[{\"escrow\": ";
is($receiver->post("/hooks/$token/order.published", $odd, 'Cookie' => 'c=1', 'X-Twice' => [ 'one', 'two' ],
        'X-Original-URI' => "/hooks/$token/order.published", 'X-Quote' => '"x"\\', 'Content-Type' => 'application/json',
        'X-Encoded-URI' => sprintf('/hooks/%%%02x%s/order.published?rest=50%%', ord $token, substr $token, 1), "x-$token" => 'value'),
    200, 'token in the path');
is($node->safe_psql('postgres', 'SELECT md5(body), length(body), event FROM truust.webhooks'),
    join('|', md5_hex($odd), length $odd, 'order.published'), 'body byte for byte, and the event');
my $headers = decode_json($node->safe_psql('postgres', 'SELECT headers FROM truust.webhooks'));
is($headers->{'content-type'}, 'application/json', 'headers are there, in lower case');
is($headers->{'x-twice'}, 'one, two', 'headers of one name are joined');
is($headers->{'x-quote'}, '"x"\\', 'quotes and backslashes');
is($headers->{'x-original-uri'}, '[redacted]', 'a token in another header is blotted out');
is($headers->{'x-encoded-uri'}, '[redacted]', 'an encoded one too, beside what is no encoding');
unlike(join(' ', keys %$headers), qr/\Q$token\E/i, 'a header with a token as its name is left out');
ok(!exists $headers->{cookie}, 'no cookie');

is($receiver->post('/hooks/a', '1', 'X-Truust-Token' => $token), 200, 'token in the header');
is($receiver->post('/hooks/b', '2', 'Authorization' => "Bearer $token"), 200, 'token as bearer');
is($receiver->post('/hooks/Order%20Published%20%C3%A9', '3', 'X-Truust-Token' => $token), 200, 'an encoded event');
is(rows("event = 'Order Published ' || chr(233)"), 1, 'is decoded');
is($receiver->post("/hooks/$token/", '4'), 200, 'no event');
is($receiver->post("/hooks/$token", '5'), 200, 'a token as the last segment');
is($receiver->post("/hooks/order.released/$token//", '5'), 200, 'and slashes behind it');
is(rows("event IS NULL AND body IN ('4', '5')"), 3, 'is no event');
is($receiver->post("/hooks/$token/order.slash$_", '5'), 200, 'slashes behind the event') for '/', '//';
is($receiver->post("/$token/order.slash/", '5'), 200, '... with nothing in front');
is(rows("event = 'order.slash'"), 3, 'are no part of it');
is($receiver->post("/hooks/", '6', 'X-Truust-Token' => $token), 200, 'a slash behind the only segment');
is(rows("event IS NULL AND body = '6'"), 1, 'stands for no event');
is($receiver->raw("POST /hooks/blanks HTTP/1.1\r\nHost: x\r\n$_\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1"), 200,
    'blanks around the token: ' . s/\Q$token/.../r =~ s/\t/\\t/gr)
    for "X-Truust-Token: $token ", "X-Truust-Token:\t $token \t", "Authorization: Bearer $token\t ";
is($receiver->raw("POST /hooks/latin HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $token\r\nX-Latin: caf\xe9 \xc3\xa9\r\n"
        . "Content-Length: 1\r\nConnection: close\r\n\r\n1"), 200, 'a header that is not UTF-8');
is(rows("headers->>'x-latin' = 'caf' || chr(233) || ' ' || chr(233)"), 1, 'is read as Latin-1 where it is not');
is($receiver->post('/hooks/c', '', 'X-Truust-Token' => $token), 200, 'an empty body');
is(rows("event = 'c' AND body = ''"), 1, 'is stored');
is($receiver->post('/hooks/d?token=1', '6', 'X-Truust-Token' => $token), 200, 'a query');
is(rows("event = 'd'"), 1, 'is no part of the event');
is($receiver->raw("POST HTTP://x:1/hooks/$token/order.absolute?q=/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1"), 200,
    'an address with the name of the server');
is(rows("event = 'order.absolute'"), 1, 'is that of its path');
is($receiver->raw("GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200, '... for health, too');
is($receiver->post('/hooks/x%00y', '7', 'X-Truust-Token' => $token), 400, 'a NUL in the event');
is($receiver->post('/hooks/x%ffy', '7', 'X-Truust-Token' => $token), 400, 'an event that is not UTF-8');
is($receiver->post('/hooks/x%4', '7', 'X-Truust-Token' => $token), 400, 'broken encoding');
is(rows('strpos(headers::text, ' . "'$token'" . ') > 0 OR strpos(event, ' . "'$token'" . ') > 0'), 0,
    'the token is nowhere in the table');
is(rows("received_at NOT BETWEEN now() - interval '10 min' AND now()"), 0, 'received_at is the time of the request');

# ------------------------------------------------------------------ strangers

my $before = rows('true');
my @answers;
for my $request ([ '/hooks/a' ], [ '/hooks/a', 'X-Truust-Token' => 'wrong' ], [ "/hooks/x$token/a" ],
    [ '/hooks/a', 'X-Truust-Token' => substr($token, 0, -1) ], [ '/hooks/a', 'X-Truust-Token' => "${token}x" ],
    [ '/hooks/a', 'Authorization' => "Basic $token" ], [ "/hooks/a?$token" ], [ '/' ])
{
    my ($path, %h) = @$request;
    my $answer = HTTP::Tiny->new->request('POST', $receiver->url($path), { content => 'x', headers => \%h });
    is($answer->{status}, 401, "401: $path @{[ grep { !/$token/ } %h ]}");
    push @answers, $answer->{content};
}
is(scalar(keys %{ { map { $_ => 1 } @answers } }), 1, 'all of them get the same words');
is(rows('true'), $before, 'and leave nothing');
is($receiver->metric('auth_failures_total'), 8, 'they are counted');
is($receiver->post('/hooks/a', 'x', 'X-Truust-Token' => substr($token, 0, 4) . ' ' . substr($token, 4)), 401, 'a blank inside a token');
is($receiver->get('/hooks/a')->{status}, 404, 'GET of something else');
is(HTTP::Tiny->new->request('PUT', $receiver->url('/hooks/a'), { content => 'x' })->{status}, 405, 'PUT');

# ------------------------------------------------------------------ where a request ends

$before = rows('true');
for my $head ("Content-Length: 1\r\nContent-Length: 2", "Content-Length: 1\r\nContent-Length: 1",
    "Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity', "Content-Length : 1", "Transfer-Encoding\t: chunked")
{
    my $socket = $receiver->socket_to;
    $socket->syswrite("POST /hooks/unclear HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $token\r\n$head\r\n\r\n"
            . "1\r\na\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    my $answers = join '', <$socket>;
    # newer versions of libmicrohttpd refuse an encoding that they lack by themselves, with 501
    like($answers, qr{^HTTP/1\.1 (400|501) }, 'unclear: ' . $head =~ s/\r\n/, /r =~ s/\t/\\t/r);
    unlike($answers, qr/"status"/, '... and what follows is no request');
}
# or no answer: older versions of libmicrohttpd end the connection themselves
like($receiver->raw("POST /hooks/unclear HTTP/1.0\r\nX-Truust-Token: $token\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), qr/^(400|599)$/,
    'unclear: chunks in HTTP/1.0');
is(rows('true'), $before, 'nothing of it is stored');
is($receiver->raw("POST /hooks/clear HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $token\r\nTransfer-Encoding: Chunked\r\n"
        . "Connection: close\r\n\r\n1\r\na\r\n0\r\n\r\n"), 200, 'chunks, as one may write them');

# ------------------------------------------------------------------ rotation

$receiver->write_tokens($token, 'tok_of_tomorrow_0123456789');
ok($receiver->reload, 'SIGHUP');
is($receiver->post('/hooks/a', '1', 'X-Truust-Token' => 'tok_of_tomorrow_0123456789'), 200, 'a new token');
is($receiver->post('/hooks/a', '1', 'X-Truust-Token' => $token), 200, 'beside the former one');
$receiver->write_tokens('tok_of_tomorrow_0123456789');
$receiver->reload;
is($receiver->post('/hooks/a', '1', 'X-Truust-Token' => $token), 401, 'which can be taken away');
$receiver->write_tokens();
kill 'HUP', $receiver->{pid};
ok(TruustReceiver::wait_for(sub { $receiver->log_text =~ /former tokens stay/ }), 'a file without tokens is refused');
is($receiver->post('/hooks/a', '1', 'X-Truust-Token' => 'tok_of_tomorrow_0123456789'), 200, 'and changes nothing');
$receiver->write_tokens($token);
$receiver->reload;

# ------------------------------------------------------------------ limits

is($receiver->send_hook('large', 'x' x (1 << 20)), 200, 'a body of 1 MiB');
is($receiver->send_hook('large', 'x' x ((1 << 20) + 1)), 413, 'one byte more');
is($receiver->send_hook('many', '1', map { ("X-H$_" => 'v') } 1 .. 150), 431, 'too many headers');
like($receiver->send_hook('many', '1', 'X-Long' => 'v' x 9000), qr/431|599/, 'too long headers');    # or cut while sending
is(rows("event = 'many'"), 0, 'are not stored');
{
    my $pieces = 0;
    my $answer = HTTP::Tiny->new->request('POST', $receiver->url('/hooks/chunked'),
        { headers => { 'X-Truust-Token' => $token }, content => sub { $pieces++ < 10 ? "piece $pieces." : undef } });
    is($answer->{status}, 200, 'a chunked body');
    is(rows("event = 'chunked' AND convert_from(body, 'UTF8') LIKE 'piece 1.%piece 10.'"), 1, 'arrives whole');
    $pieces = 0;
    $answer = HTTP::Tiny->new->request('POST', $receiver->url('/hooks/chunked'),
        { headers => { 'X-Truust-Token' => $token }, content => sub { $pieces++ < 40 ? 'x' x 32768 : undef } });
    is($answer->{status}, 413, 'a chunked body that is too large');
}

# A byte now and then does not keep a connection alive: not in the request line, a header, or the body.
for my $start ('POST /hooks/a', "POST /hooks/a HTTP/1.1\r\nHost: x\r\nX-Slow: ", "POST /hooks/a HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $token\r\nContent-Length: 100\r\n\r\n")
{
    my $slow = $receiver->socket_to;
    my $cut = 0;

    local $SIG{PIPE} = 'IGNORE';
    $slow->syswrite($start);
    ok(TruustReceiver::wait_for(sub {
        my $ready = '';
        vec($ready, fileno($slow), 1) = 1;
        return 1 if select(my $r = $ready, undef, undef, 0.1) && !sysread($slow, my $byte, 1);
        return !defined $slow->syswrite('x');
    }, 30), 'a slow client is cut');
}
is($receiver->metric('timeouts_total'), 3, 'and counted');

# ------------------------------------------------------------------ a row that the database refuses

$node->safe_psql('postgres', "ALTER TABLE truust.webhooks ADD CONSTRAINT no_evil CHECK (event <> 'evil')");
{
    my @children;
    for my $child (1 .. 8)
    {
        my $pid = fork;
        if ($pid == 0)
        {
            my $wrong = 0;
            for my $i (1 .. 40)
            {
                my $evil = $child == 3 && $i % 5 == 0;
                my $status = $receiver->send_hook($evil ? 'evil' : 'good', "secret of $child.$i");
                $wrong++ if $status != ($evil ? 422 : 200);
            }
            POSIX::_exit($wrong > 0);
        }
        push @children, $pid;
    }
    is(scalar(grep { waitpid($_, 0); $? != 0 } @children), 0, 'only the refused rows are answered 422');
    is(rows("event = 'good'"), 8 * 40 - 8, 'all others are stored');
    is($receiver->metric('refused_total'), 8, 'refusals are counted');
    like($receiver->log_text, qr/refused a webhook.*SQLSTATE 23514, constraint no_evil/, 'and logged');
}
$node->safe_psql('postgres', 'ALTER TABLE truust.webhooks DROP CONSTRAINT no_evil');

# ------------------------------------------------------------------ larger than the database takes

# Change a setting of the receiver's role and have it connect anew.
sub set_and_reconnect
{
    my ($what) = @_;
    my $connects = $receiver->metric('database_connects_total');

    $node->safe_psql('postgres', qq{ALTER ROLE hook $what;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hook'});
    return $receiver->wait_for_metric('database_connects_total', sub { $_ >= $connects + 2 }) && $receiver->wait_until_drained;
}

ok(set_and_reconnect('SET truust.max_webhook_size = 2000'), 'a smaller truust.max_webhook_size');
is($receiver->send_hook('sized', 'x' x 2001), 413, 'one byte over it: 413');
is($receiver->send_hook('sized', 'x' x 2000), 200, 'as large as may be');
is(rows("event = 'sized'"), 1, 'is stored, and nothing larger');
like($receiver->log_text, qr/refused a webhook of 2001 bytes: SQLSTATE 54000/, 'the log says why');
ok(set_and_reconnect('RESET truust.max_webhook_size'), 'it goes on without the limit');
is($receiver->send_hook('sized', 'x' x 2001), 200, 'and takes more');

# ------------------------------------------------------------------ a server that puts parameters into its errors

ok(set_and_reconnect('SET log_parameter_max_length_on_error = -1'), 'parameters in the context of errors');
$node->safe_psql('postgres', q{
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '55000' USING MESSAGE = 'out of order: ' || new.event; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON truust.webhooks FOR EACH ROW EXECUTE FUNCTION fail()});
is($receiver->send_hook('failing', 'secret of parameters'), 200, 'a webhook that the server cannot take now');
ok(TruustReceiver::wait_for(sub { $receiver->log_text =~ /did not take a batch: SQLSTATE 55000 in a function/ }), 'the log says why');
unlike($receiver->log_text, qr/failing|\\x736563726574/, 'without what was sent');
$node->safe_psql('postgres', 'DROP TRIGGER fail ON truust.webhooks');
ok(set_and_reconnect('RESET log_parameter_max_length_on_error'), 'it is handed in');

# ------------------------------------------------------------------ the role

for my $sql ('SELECT FROM truust.webhooks', 'UPDATE truust.webhooks SET body = body', 'DELETE FROM truust.webhooks',
    'TRUNCATE truust.webhooks', q{INSERT INTO truust.webhooks (body, state) VALUES ('x', 'dead')}, 'SELECT FROM truust.orders',
    'SELECT truust_drain()', q{SELECT truust_pause('webhooks', 'x')}, 'SELECT truust_get_order(1)')
{
    my ($out, $err) = ('', '');
    $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 0,
        extra_params => [ '-U', 'hook' ]);
    like($err, qr/^psql:.*ERROR:  (42501|42809|42883): /m, "the receiver's role may not: $sql");
}

# ------------------------------------------------------------------ what a 200 stands for

# A connection that was there before keeps durable commits when the server's default becomes less than that.
$node->safe_psql('postgres', q{
	CREATE TABLE durability (setting text);
	GRANT INSERT ON durability TO hook;
	CREATE FUNCTION note_durability() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO public.durability VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
	CREATE TRIGGER note_durability AFTER INSERT ON truust.webhooks EXECUTE FUNCTION note_durability()});
$node->safe_psql('postgres', $_) for 'ALTER SYSTEM SET synchronous_commit = off', 'SELECT pg_reload_conf()';
ok($node->poll_query_until('postgres', q{SELECT current_setting('synchronous_commit') = 'off'}), 'a less durable default');
is($receiver->send_hook('order.published', '"durable"'), 200, 'a webhook on a connection of before') for 1 .. 4;
is($node->safe_psql('postgres', 'SELECT DISTINCT setting FROM durability'), 'on', 'is durable before its 200');
$node->safe_psql('postgres', $_) for 'ALTER SYSTEM RESET synchronous_commit', 'SELECT pg_reload_conf()',
    'DROP TRIGGER note_durability ON truust.webhooks';

# ------------------------------------------------------------------ health and metrics

my $health = $receiver->get('/healthz');
is($health->{status}, 200, 'healthy');
my $state = decode_json($health->{content});
is("$state->{status} $state->{database} $state->{spool}{state}", 'ok up empty', 'and it says how');
my $metrics = $receiver->get('/metrics');
like($metrics->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'metrics have their type');
my @bad = grep { !/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]+"\})? [-+.e0-9]+)$/ } split /\n/, $metrics->{content};
is("@bad", '', 'every line is well-formed');
is($receiver->metric('requests_total{status="422"}'), 8, 'requests by status');
is($receiver->metric('committed_rows_total'), rows('true'), 'committed rows are those in the table');
is($receiver->metric('batch_rows_count'), $receiver->metric('commit_seconds_count'), 'histograms');

# ------------------------------------------------------------------ stop

{
    my $half = $receiver->socket_to;
    my $idle = $receiver->socket_to;
    $half->syswrite("POST /hooks/last HTTP/1.1\r\nHost: x\r\nX-Truust-Token: $token\r\nContent-Length: 4\r\n\r\nla");
    TruustReceiver::wait_for(sub { $receiver->metric('memory_bytes') > 0 });
    kill 'TERM', $receiver->{pid};
    ok(TruustReceiver::wait_for(sub { !$receiver->socket_to }), 'SIGTERM: nothing more is accepted');
    $half->syswrite('st');
    like(join('', <$half>), qr/^HTTP\/1\.1 200 /, 'a request under way is finished');
    ok(TruustReceiver::wait_for(sub { waitpid($receiver->{pid}, 1) == $receiver->{pid} }), 'it ends');
    is($?, 0, 'with success');
    $receiver->{pid} = 0;
    is(rows("event = 'last' AND body = 'last'"), 1, 'that request is in the table');
}
my $log = $receiver->log_text;
unlike($log, qr/\Q$token\E|tok_of_tomorrow/, 'no token in the log');
unlike($log, qr/secret of/, 'no body in the log');

# ------------------------------------------------------------------ HTTPS

my $dir = PostgreSQL::Test::Utils::tempdir;

sub make_certificate
{
    my ($name) = @_;
    run_log([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', "/CN=$name",
            '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt" ]);
}

sub use_certificate
{
    my ($cert, $key) = @_;
    for my $pair ([ "$cert.crt", 'tls.crt' ], [ "$key.key", 'tls.key' ])
    {
        run_log([ 'cp', "$dir/$pair->[0]", "$dir/$pair->[1].new" ]);
        rename "$dir/$pair->[1].new", "$dir/$pair->[1]";
    }
}

# The status of a POST by curl that trusts only this certificate.
sub post_by_curl
{
    my ($receiver, $name, @more) = @_;
    my ($out, $err) = ('', '');
    IPC::Run::run([ 'curl', '-s', '--cacert', "$dir/$name.crt", '-o', '/dev/null', '-w', '%{http_code}', '-H', "X-Truust-Token: $token",
            '-d', 'by https', @more, "https://127.0.0.1:$receiver->{port}/hooks/tls" ], '>', \$out, '2>', \$err);
    return $out;
}

make_certificate('first');
make_certificate('second');
use_certificate('first', 'first');
$receiver = TruustReceiver->start(node => $node, args => [ '--tls-cert', "$dir/tls.crt", '--tls-key', "$dir/tls.key" ]);
$receiver->{scheme} = 'https';
is(post_by_curl($receiver, 'first'), '200', 'HTTPS');
is(post_by_curl($receiver, 'second'), '000', 'the client checks the certificate');
is(post_by_curl($receiver, 'first', '--tls-max', '1.1'), '000', 'nothing older than TLS 1.2');

# While certificates change, a client that trusts both is never refused.
run_log([ 'sh', '-c', "cat '$dir/first.crt' '$dir/second.crt' > '$dir/both.crt'" ]);
my $client = fork;
if ($client == 0)
{
    my $failed = grep { post_by_curl($receiver, 'both') ne '200' } 1 .. 40;
    POSIX::_exit($failed ? 1 : 0);
}
for my $i (1 .. 6)
{
    use_certificate($i % 2 ? 'second' : 'first', $i % 2 ? 'second' : 'first');
    ok($receiver->reload, "reload $i");
}
waitpid $client, 0;
is($?, 0, 'no request was refused meanwhile');
use_certificate('second', 'second');
$receiver->reload;
is(post_by_curl($receiver, 'second'), '200', 'the new certificate is used');
use_certificate('first', 'second');
kill 'HUP', $receiver->{pid};
ok(TruustReceiver::wait_for(sub { $receiver->log_text =~ /former certificate stays/ }), 'a key of another certificate is refused');
is(post_by_curl($receiver, 'second'), '200', 'and the former pair stays');
is($receiver->stop, 0, 'stop');

# ------------------------------------------------------------------ configuration file, limits of connections, no auth

PostgreSQL::Test::Utils::append_to_file("$dir/receiver.conf",
    "# a comment\nmax-body = 2k\nserver = other account\nmetrics = off\nno-auth = on\nmax-connections-per-ip = 3\nmax-memory=1M\n");
$receiver = TruustReceiver->start(node => $node, auth => 0, args => [ '--config', "$dir/receiver.conf", '--max-body', '1k' ]);
is($receiver->post('/any/x', 'x' x 1024), 200, 'no token is needed with --no-auth');
is($receiver->post('/any/x', 'x' x 1025), 413, 'the command line overrides the file');
is($receiver->get('/metrics')->{status}, 404, 'the file is read');
is(rows("event = 'x' AND server = 'other account'"), 1, 'the webhook belongs to the server that was named');
is(rows("event <> 'x' AND server IS DISTINCT FROM 'truust'"), 0, 'and to the default where none was');
{
    my @many = map { $receiver->socket_to } 1 .. 3;
    $_->syswrite("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") for @many;
    is(scalar(grep { sysread($_, my $answer, 1) } @many), 3, 'three connections from one address');
    my $more = $receiver->socket_to;
    local $SIG{PIPE} = 'IGNORE';
    $more->syswrite("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ok(!sysread($more, my $byte, 1), 'the fourth is closed');
}
is($receiver->stop, 0, 'stop');

$node->stop;
done_testing;
