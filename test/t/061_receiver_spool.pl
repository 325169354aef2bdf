# truust-receiver without its database: bodies wait in the spool and come in later, in order; nothing is lost by
# kill -9, torn or damaged files, a full spool, a slow or refusing database, or a failover.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TruustReceiver;

my $node = TruustReceiver::new_node('spool', init => { allows_streaming => 1 });
my $number = 0;    # of the last body sent
my @taken;         # numbers of the bodies answered 200

sub empty_table
{
    $node->safe_psql('postgres', 'DELETE FROM truust.webhooks');
    @taken = ();
}

# Send the next bodies, one after the other; returns the statuses that came, each once.
sub send_some
{
    my ($receiver, $count, $padding) = @_;
    my %statuses;

    for (1 .. $count)
    {
        my $status = $receiver->send_hook('order.published', ++$number . ' ' . 'x' x ($padding || 0));
        $statuses{$status} = 1;
        push @taken, $number if $status == 200;
    }
    return join ' ', sort keys %statuses;
}

# The numbers in the table, in the order in which they were inserted.
sub stored
{
    my ($server) = @_;
    return ($server || $node)->safe_psql('postgres',
        "SELECT string_agg(split_part(convert_from(body, 'UTF8'), ' ', 1), ' ' ORDER BY id) FROM truust.webhooks");
}

# Close the receiver's connections, and wait until they are.
sub end_sessions
{
    my $hook = q{FROM pg_stat_activity WHERE usename = 'hook'};
    my ($pids) = $node->safe_psql('postgres', "SET default_transaction_read_only = off; SELECT string_agg(pid::text, ',') $hook");

    $node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $hook");
    TruustReceiver::wait_for(sub { !grep { -e "/proc/$_" } split /,/, $pids });
    return;
}

sub segments
{
    my ($receiver) = @_;
    return sort glob "$receiver->{dir}/spool/[0-9a-f]*.seg";
}

sub health
{
    my ($receiver) = @_;
    my $answer = $receiver->get('/healthz');
    my $state = decode_json($answer->{content});

    return "$answer->{status} $state->{database} $state->{spool}{state}";
}

# ------------------------------------------------------------------ away and back

my $receiver = TruustReceiver->start(node => $node);
$receiver->wait_until_drained;
is(send_some($receiver, 5), '200', 'with the database');
$node->stop('immediate');
is(send_some($receiver, 20), '200', 'without the database');
is($receiver->metric('spool_records'), 20, 'the bodies are in the spool');
is(health($receiver), '200 down filling', 'health says so');
$node->start;
is(send_some($receiver, 30), '200', 'while it comes back');
ok($receiver->wait_until_drained, 'the spool is handed in');
is(health($receiver), '200 up empty', 'health says so');
is(send_some($receiver, 5), '200', 'afterwards');
is(stored(), "@taken", 'everything once and in order');
is(join(' ', segments($receiver)), '', 'no segment is left');
is($node->safe_psql('postgres', 'SELECT count(*) FROM truust.webhooks a, truust.webhooks b '
            . 'WHERE a.id < b.id AND a.received_at > b.received_at'), 0, 'received_at is when it was received');
is($node->safe_psql('postgres', q{SELECT DISTINCT event || (headers ? 'host') FROM truust.webhooks}),
    'order.publishedtrue', 'with event and headers');

# An idle connection that is lost is noticed without a request.
$node->stop('immediate');
$node->start;
ok(TruustReceiver::wait_for(sub { $node->safe_psql('postgres',
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hook'") == 2 }),
    'it connects again by itself');
ok($receiver->wait_until_drained, 'and uses the database');

# ------------------------------------------------------------------ stop and start with a spool

empty_table();
$node->stop('fast');
is(send_some($receiver, 10), '200', 'bodies go to the spool');
is($receiver->stop, 0, 'stop');
$receiver->run;
is($receiver->metric('spool_records'), 10, 'they are there after a start');
is(send_some($receiver, 10), '200', 'more of them');
$node->start;
ok($receiver->wait_until_drained, 'handed in');
is(stored(), "@taken", 'once and in order');

# ------------------------------------------------------------------ kill -9, torn and damaged ends

empty_table();
$node->stop('fast');
for my $round (1 .. 4)
{
    my $sender = fork;
    if ($sender == 0)
    {
        # Requests go on until the receiver is gone; those answered are reported.
        open my $file, '>', "$receiver->{dir}/answered" or die;
        for (my $i = $number + 1; ; $i++)
        {
            last if $receiver->send_hook('order.published', "$i " . 'x' x 500) != 200;
            syswrite $file, "$i\n";
        }
        POSIX::_exit(0);
    }
    ok($receiver->wait_for_metric('spool_records', sub { $_ >= @taken + 20 }), "round $round: bodies arrive");
    $receiver->end_by('KILL');
    waitpid $sender, 0;
    push @taken, split /\n/, slurp_file("$receiver->{dir}/answered");
    # One more may be in the spool without an answer.
    $number = $taken[-1] + 1;

    my @files = segments($receiver);
    if ($round == 2)
    {
        open my $file, '>>', $files[-1] or die;
        print $file "TRHK" . "\x10\0\0\0" . 'half';
        close $file;
    }
    elsif ($round == 3)
    {
        open my $file, '>>', $files[-1] or die;
        print $file "\0" x 5000;
        close $file;
    }
    elsif ($round == 4)
    {
        open my $file, '>', "$receiver->{dir}/spool/7fffffffffffff00.seg" or die;
        print $file 'TRUU';
        close $file;
    }
    $receiver->run;
    cmp_ok($receiver->metric('spool_records'), '>=', scalar @taken, 'nothing answered is missing after kill -9');
}
like($receiver->log_text, qr/cut \d+ bytes of a half-written record/, 'torn ends are cut');
$node->start;
ok($receiver->wait_until_drained, 'handed in');
{
    my %wanted = map { $_ => 1 } @taken;
    my @stored = split / /, stored();
    my @answered = grep { $wanted{$_} } @stored;
    is("@answered", "@taken", 'all that was answered, once and in order');
    cmp_ok(@stored - @answered, '<=', 4, 'and at most one unanswered of each round');
}

# A damaged record in the middle costs itself only, and its bytes are kept.
empty_table();
$node->stop('fast');
is(send_some($receiver, 9), '200', 'bodies go to the spool');
$receiver->stop;
{
    my ($file) = segments($receiver);
    my $bytes = slurp_file($file);
    $bytes =~ s/\b$taken[4] \z|$taken[4] (?=TRHK)/X/ or die;
    open my $out, '+<', $file or die;
    binmode $out;
    print $out $bytes =~ s/X(?=TRHK)/'?' x length("$taken[4] ")/er;
    close $out;
}
$receiver->run;
$node->start;
ok($receiver->wait_until_drained, 'handed in');
is(stored(), join(' ', @taken[ 0 .. 3, 5 .. 8 ]), 'all but the damaged one');
is(scalar(my @kept = glob "$receiver->{dir}/spool/damaged-*"), 1, 'whose bytes are kept');
like($receiver->log_text, qr/are not readable as webhooks/, 'and the log says it');

# ------------------------------------------------------------------ refused rows

empty_table();
$node->safe_psql('postgres', "ALTER TABLE truust.webhooks ADD CONSTRAINT no_evil CHECK (event <> 'evil')");
$node->stop('fast');
is(send_some($receiver, 3), '200', 'bodies go to the spool');
is($receiver->send_hook('evil', 'evil 1'), 200, 'one that the database will refuse');
is(send_some($receiver, 3), '200', 'and more');
$node->start;
ok($receiver->wait_until_drained, 'the spool is drained nevertheless');
is(stored(), "@taken", 'with all others in the table');
is($receiver->metric('set_aside_total'), 1, 'and the refused one set aside');
$receiver->stop;
$node->safe_psql('postgres', 'ALTER TABLE truust.webhooks DROP CONSTRAINT no_evil');
rename "$receiver->{dir}/spool/refused.seg", "$receiver->{dir}/spool/0000000000000000.seg" or die;
$receiver->run;
ok(TruustReceiver::wait_for(sub { stored() eq "@taken evil" }), 'renamed, it is handed in again');
$receiver->stop;

# A merchant's trigger refuses with a code of its own, for a while: renamed too early, it is refused once more.
empty_table();
$node->safe_psql('postgres', q{
    CREATE FUNCTION refuse_evil() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF new.event = 'evil' THEN RAISE SQLSTATE 'SH001' USING MESSAGE = 'not in this shop'; END IF; RETURN new; END $$;
    CREATE TRIGGER refuse_evil BEFORE INSERT ON truust.webhooks FOR EACH ROW EXECUTE FUNCTION refuse_evil()});
for my $round (1 .. 2)
{
    $node->stop('fast');
    $receiver->run;
    is(send_some($receiver, 2), '200', 'bodies go to the spool');
    is($receiver->send_hook('evil', "evil $round"), 200, 'one that the trigger will refuse') if $round == 1;
    is(send_some($receiver, 2), '200', 'and more');
    $node->start;
    ok($receiver->wait_until_drained, "round $round: drained in spite of an unknown SQLSTATE");
    is($receiver->metric('set_aside_total'), 1, 'with the refused one set aside');
    $receiver->stop;
    rename "$receiver->{dir}/spool/refused.seg", "$receiver->{dir}/spool/0000000000000000.seg" or die;
}
$node->safe_psql('postgres', 'ALTER TABLE truust.webhooks DISABLE TRIGGER refuse_evil');
$receiver->run;
ok(TruustReceiver::wait_for(sub { stored() eq "@taken evil" }), 'renamed a second time it is there still, and handed in');
$receiver->stop;

# refused.seg cannot be written (a directory has its name, as if the disk were full): the row stays where it is, those
# behind it are not inserted again and again.
empty_table();
$node->safe_psql('postgres', 'ALTER TABLE truust.webhooks ENABLE TRIGGER refuse_evil');
$node->stop('fast');
mkdir "$receiver->{dir}/spool/refused.seg" or die;
$receiver->run;
is(send_some($receiver, 2), '200', 'bodies go to the spool');
is($receiver->send_hook('evil', 'evil 3'), 200, 'one that will be refused, with no place for it');
is(send_some($receiver, 5), '200', 'and more');
$node->start;
ok($receiver->wait_for_metric('refused_total', sub { $_ >= 4 }), 'it is tried again and again');
{
    my %times;
    $times{$_}++ for split / /, stored();
    my @often = grep { $times{$_} > 2 } @taken;
    is("@often", '', 'nothing behind it comes more than twice');
    is($receiver->metric('database_up'), 1, 'the database is not blamed');
    is($receiver->metric('database_failures_total'), 0, 'nor counted as failing');
    rmdir "$receiver->{dir}/spool/refused.seg" or die;
    ok($receiver->wait_until_drained, 'with a place for it the spool is drained');
    %times = ();
    $times{$_}++ for split / /, stored();
    is(join(' ', sort { $a <=> $b } keys %times), "@taken", 'and all others are in the table');
    is($receiver->metric('set_aside_total'), 1, 'it is set aside');
}
$receiver->stop;
$node->safe_psql('postgres', 'DROP TRIGGER refuse_evil ON truust.webhooks');

# A trigger fails on some rows by a SQLSTATE that speaks of the server. Among many, and with no place for them at first, they
# are found and set aside; when the server is the reason, nothing is.
empty_table();
$node->safe_psql('postgres', q{
    CREATE FUNCTION mistaken() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF new.event = 'evil' THEN EXECUTE format('SELECT nowhere(%L)', convert_from(new.body, 'UTF8')); END IF; RETURN new; END $$;
    CREATE TRIGGER mistaken BEFORE INSERT ON truust.webhooks FOR EACH ROW EXECUTE FUNCTION mistaken()});
$node->stop('fast');
unlink "$receiver->{dir}/spool/refused.seg";
mkdir "$receiver->{dir}/spool/refused.seg" or die;
$receiver = TruustReceiver->start(node => $node, dir => $receiver->{dir}, args => [ '--database-timeout', '100ms' ]);
is(send_some($receiver, 20), '200', 'bodies go to the spool');
is($receiver->send_hook('evil', "evil of a body $_"), 200, "one that a trigger will fail on: $_") for 1, 2;
is(send_some($receiver, 20), '200', 'and more');
$node->start;
ok($receiver->wait_for_metric('refused_total', sub { $_ >= 3 }), 'it is found to be the reason');
{
    my %times;
    $times{$_}++ for split / /, stored();
    my @often = grep { $times{$_} > 2 } keys %times;
    is("@often", '', 'nothing behind it comes more than twice');
    rmdir "$receiver->{dir}/spool/refused.seg" or die;
    ok($receiver->wait_until_drained, 'with a place for it the spool is drained');
    %times = map { $_ => 1 } split / /, stored();
    is(join(' ', sort { $a <=> $b } keys %times), "@taken", 'and all others are in the table');
    is($receiver->metric('set_aside_total'), 2, 'both are set aside');
}
unlike($receiver->log_text, qr/of a body/, 'and the log does not repeat them');
$node->safe_psql('postgres', 'DROP TRIGGER mistaken ON truust.webhooks; REVOKE INSERT ON truust.webhooks FROM hook');
$node->safe_psql('postgres', q{SELECT truust_revoke('intake', 'hook')});
is(send_some($receiver, 5), '200', 'without the privilege they go to the spool');
my $failures = $receiver->metric('database_failures_total');
ok(TruustReceiver::wait_for(sub { $receiver->log_text =~ /permission denied/ }), 'as the log says');
sleep 2;    # longer than a row is held to be innocent
is($receiver->metric('set_aside_total'), 2, 'none of them is set aside');
$node->safe_psql('postgres', q{SELECT truust_grant('intake', 'hook')});
ok($receiver->wait_until_drained, 'handed in');
$receiver->stop;

# ------------------------------------------------------------------ a slow database

empty_table();
$receiver = TruustReceiver->start(node => $node, args => [ '--database-timeout', '200ms' ]);
$receiver->wait_until_drained;
{
    my ($in, $out) = ('', '');
    my $timer = IPC::Run::timeout(180);
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, $timer);

    $in .= "BEGIN; LOCK TABLE truust.webhooks; SELECT 'locked';\n";
    $psql->pump until $out =~ /locked/;
    is(send_some($receiver, 10), '200', 'answered although the table is locked');
    cmp_ok($receiver->metric('spooled_total'), '>=', 10, 'through the spool');
    $in .= "COMMIT;\n\\q\n";
    $psql->finish;
}
ok($receiver->wait_until_drained, 'handed in');
{
    my %seen;
    is(join(' ', grep { !$seen{$_}++ } split / /, stored()), "@taken", 'each at least once, in order');
}
$receiver->stop;

# ------------------------------------------------------------------ a full spool, and none

empty_table();
$receiver = TruustReceiver->start(node => $node, args => [ '--spool-limit', '64k' ]);
$receiver->wait_until_drained;
$node->stop('fast');
is(send_some($receiver, 100, 1000), '200 503', 'a full spool answers 503');
cmp_ok(scalar @taken, '>', 40, 'after taking many');
is(health($receiver), '503 down full', 'health says so');
cmp_ok($receiver->metric('spool_bytes'), '<=', 65536, 'the limit holds');
$node->start;
ok($receiver->wait_until_drained, 'handed in');
is(send_some($receiver, 5, 1000), '200', 'and it takes more');
is(stored(), "@taken", 'what was answered 200 is there, and nothing else');
is(health($receiver), '200 up empty', 'health is back');
$node->stop('fast');
is(send_some($receiver, 1, 100_000), '503', 'one that is larger than the whole spool');
is($receiver->metric('spool_full'), 1, 'finds it full');
$node->start;
ok($receiver->wait_for_metric('spooling', sub { $_ == 0 }), 'with the database nothing goes to the spool');
is(health($receiver), '200 up empty', 'of which nobody says that it is full');
is($receiver->metric('spool_full'), 0, 'nor do the metrics');
$receiver->stop;

empty_table();
$receiver = TruustReceiver->start(node => $node, spool => 0, args => [ '--database-timeout', '200ms' ]);
is(send_some($receiver, 3), '200', 'without a spool');
$node->stop('fast');
is(send_some($receiver, 3), '503', 'an absent database means 503');
is(health($receiver), '503 down off', 'health says so');
$node->start;
ok($receiver->wait_for_metric('database_up', sub { $_ == 1 }), 'the database is back');
is(send_some($receiver, 3), '200', 'and used');
is(stored(), "@taken", 'what was answered 200 is there');
$receiver->stop;

# Connections that were lost while they were idle are found before something is sent.
$receiver = TruustReceiver->start(node => $node, spool => 0);
for my $round (1 .. 4)
{
    $receiver->wait_for_metric('database_connections', sub { $_ == 2 });
    end_sessions();
    is(send_some($receiver, 1), '200', "round $round: a webhook right after idle connections were closed");
}
is(stored(), "@taken", 'what was answered 200 is there');
$receiver->stop;

# A table that nothing can be written to: the database is down until it is known to take writes, webhooks or not.
sub stays_down
{
    my ($receiver, $name) = @_;
    my %seen;

    is(send_some($receiver, 1), '503', "$name: answered 503");
    $receiver->wait_for_metric('database_up', sub { $_ == 0 });
    for (1 .. 30)
    {
        $seen{ health($receiver) } = 1;
        sleep 0.05;
    }
    is(join(', ', keys %seen), '503 down off', "$name: the database is down, also after a while");
    is($receiver->metric('database_up'), 0, "$name: as a metric, too");
    return;
}

$receiver = TruustReceiver->start(dsn => TruustReceiver::dsn($node) . ' target_session_attrs=any', spool => 0,
    args => [ '--database-timeout', '200ms' ]);
my $begin = 'SET default_transaction_read_only = off; ALTER DATABASE postgres';
is(health($receiver), '200 up off', 'a database that takes writes');
$node->safe_psql('postgres', "$begin SET default_transaction_read_only = on");
end_sessions();
stays_down($receiver, 'read-only');
like($receiver->log_text, qr/cannot be written to: ERROR:  cannot execute INSERT in a read-only transaction/, 'the log says why');
$node->safe_psql('postgres', "$begin RESET default_transaction_read_only");
ok($receiver->wait_for_metric('database_up', sub { $_ == 1 }), 'writable again, it is up without a webhook');
is(send_some($receiver, 3), '200', 'and used');
ok($receiver->wait_for_metric('database_connections', sub { $_ == 2 }), 'with both connections');

$node->safe_psql('postgres', q{
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '55000' USING MESSAGE = 'out of order'; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON truust.webhooks EXECUTE FUNCTION fail()});
stays_down($receiver, 'failing writes on good connections');
$node->safe_psql('postgres', 'DROP TRIGGER fail ON truust.webhooks');
ok($receiver->wait_for_metric('database_up', sub { $_ == 1 }), 'they work again: it is up');
is(send_some($receiver, 3), '200', 'and used');
is(stored(), "@taken", 'what was answered 200 is there');
$receiver->stop;

# One connection hangs, and is given up while the other, which had failed and works again, hands in the spool: that one goes on.
$node->safe_psql('postgres', q{
    CREATE SEQUENCE hangs; CREATE SEQUENCE deaths;
    CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF NEW.event = 'hang' AND nextval('hangs') = 1 THEN PERFORM pg_sleep(12); END IF;
        IF NEW.event = 'death' THEN
            CASE nextval('deaths') WHEN 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); WHEN 2 THEN PERFORM pg_sleep(3); ELSE NULL; END CASE;
        END IF;
        RETURN NEW; END $$;
    CREATE TRIGGER once BEFORE INSERT ON truust.webhooks FOR EACH ROW EXECUTE FUNCTION once()});
$receiver = TruustReceiver->start(node => $node, args => [ '--database-timeout', '2s' ]);
$receiver->wait_for_metric('database_connections', sub { $_ == 2 });
my $hanging = q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'};
my $sender = fork // die;
if ($sender == 0)
{
    $receiver->send_hook('hang', 'hang');
    POSIX::_exit(0);
}
$node->poll_query_until('postgres', "SELECT ($hanging) = 1") or die "nothing hangs";
is($receiver->send_hook('death', 'death'), 200, 'one whose connection dies goes to the spool');
waitpid $sender, 0;
ok($receiver->wait_for_metric('database_up', sub { $_ == 1 }), 'the database is up');
ok($receiver->wait_until_drained, '... and has what was in the spool');
is(health($receiver), '200 up empty', '... as health says');
cmp_ok($node->safe_psql('postgres', $hanging), '>=', 1, '... while the first statement still hangs');
$receiver->stop;
$node->safe_psql('postgres', 'DROP TRIGGER once ON truust.webhooks');

# The database is up, but the spool cannot be handed in, and is full: nothing is taken.
empty_table();
$node->safe_psql('postgres', 'CREATE TRIGGER refuse_evil BEFORE INSERT ON truust.webhooks FOR EACH ROW EXECUTE FUNCTION refuse_evil()');
$receiver = TruustReceiver->start(node => $node, args => [ '--spool-limit', '16k' ]);
$receiver->wait_until_drained;
$node->stop('fast');
mkdir "$receiver->{dir}/spool/refused.seg" or die;
is($receiver->send_hook('evil', 'evil 4'), 200, 'one that will be refused, with no place for it');
$node->start;
ok($receiver->wait_for_metric('refused_total', sub { $_ >= 1 }), 'it holds up the spool');
is(send_some($receiver, 40, 1000), '200 503', 'which becomes full');
is(health($receiver), '503 up full', 'health says that nothing is taken');
rmdir "$receiver->{dir}/spool/refused.seg" or die;
ok($receiver->wait_until_drained, 'handed in');
is(health($receiver), '200 up empty', 'health is back');
$receiver->stop;
$node->safe_psql('postgres', 'DROP TRIGGER refuse_evil ON truust.webhooks');

# ------------------------------------------------------------------ two receivers, one spool

$receiver = TruustReceiver->start(node => $node);

# What a second receiver with the same spool says before it gives up.
sub refusal
{
    my $second = bless { %$receiver, how => { %{ $receiver->{how} }, listen => '127.0.0.1:0' } }, 'TruustReceiver';
    my ($out, $err) = ('', '');

    IPC::Run::run([ $second->command ], '>', \$out, '2>', \$err, IPC::Run::timeout(60));
    return $err;
}

like(refusal(), qr/another receiver is using it/, 'a spool belongs to one receiver');
is((stat "$receiver->{dir}/spool")[2] & 07777, 0700, 'a directory that it makes is for itself');
$receiver->stop;
unlike($receiver->log_text, qr/spool directory/, 'of which it has nothing to say');

# ------------------------------------------------------------------ a directory of others

for my $case ([ 0777, 'add and remove webhooks' ], [ 0755, 'see what is in it' ])
{
    my ($mode, $what) = @$case;

    $receiver->stop if $mode == 0755;
    chmod $mode, "$receiver->{dir}/spool" or die;
    $receiver->run;
    like($receiver->log_text, qr/warning: spool directory ".*" is open to others \(mode @{[ sprintf '%04o', $mode ]}\), who can $what; chmod go=/,
        sprintf 'mode %04o gets a warning', $mode);
}
is(send_some($receiver, 1), '200', 'and is used');
$receiver->stop;

# ------------------------------------------------------------------ failover

empty_table();
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $dsn = sprintf "host='%s,%s' port=%d,%d user=hook dbname=postgres", $standby->host, $node->host, $standby->port, $node->port;
$receiver = TruustReceiver->start(dsn => $dsn);
$receiver->wait_until_drained;
is(send_some($receiver, 5), '200', 'of two hosts the writable one is used');
is(stored(), "@taken", 'the first is a standby');
$node->wait_for_catchup($standby);
my $reader = TruustReceiver->start(dsn => TruustReceiver::dsn($standby) . ' target_session_attrs=any', spool => 0);
is(health($reader), '503 down off', 'a standby alone is a database that is down');
$reader->stop;
$node->stop('fast');
is(send_some($receiver, 10), '200', 'the primary is gone');
$standby->promote;
ok($receiver->wait_until_drained, 'after the promotion the spool is handed in');
is(send_some($receiver, 5), '200', 'at the new primary');
is(stored($standby), "@taken", 'nothing is missing there');
$receiver->stop;
$standby->stop;

done_testing;
