# The simulator's own tests: the life of an order, validation, lists, each way of misbehaving, webhooks, the journal.
# Run by "make check"; needs Perl's core modules only. TRUUST_SIMULATOR names another binary.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $here = dirname(abs_path(__FILE__));
my $binary = $ENV{TRUUST_SIMULATOR} // "$here/truust-simulator";
my $dir = tempdir(CLEANUP => 1);
my $json = JSON::PP->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 20, proxy => undef, http_proxy => undef);
my $patience = $ENV{TRUUST_TEST_TIMEOUT} // 60;
my $testing = $$;
my %children;
my ($port, $pid);

$SIG{PIPE} = 'IGNORE';

# ------------------------------------------------------------------ tools

END
{
    if ($$ == $testing)
    {
        local $?;
        kill 'TERM', $_ for keys %children;
        waitpid $_, 0 for keys %children;
    }
}

# wait_until CODE, WHAT: what CODE answers, once that is true.
sub wait_until
{
    my ($code, $what) = @_;
    my $end = time + $patience;
    while (time < $end)
    {
        my $answer = $code->();
        return $answer if $answer;
        sleep 0.01;
    }
    die "timed out: $what";
}

sub slurp
{
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return scalar(<$file>) // '';
}

# start ARGUMENTS: a simulator; its process id and port.
sub start
{
    my @arguments = @_;
    my $out = "$dir/out." . scalar(keys %children) . '.' . int(rand(1e9));
    my $child = fork // die "fork: $!";
    if ($child == 0)
    {
        open STDOUT, '>', $out or die;
        exec $binary, '--facts', "$here/../facts", @arguments or die "exec: $!";
    }
    $children{$child} = 1;
    my $found = wait_until(sub { waitpid($child, 1) == $child ? die "the simulator ended: $?" : slurp($out) =~ /^port (\d+)\n/ ? $1 : 0 }, 'the simulator starts');
    return ($child, $found);
}

sub stop
{
    my ($child, $signal) = @_;
    kill $signal // 'TERM', $child;
    waitpid $child, 0;
    delete $children{$child};
    return $?;
}

sub request
{
    my ($method, $path, $body, %headers) = @_;
    my %options = (headers => {%headers});
    if (defined $body)
    {
        $options{headers}{'content-type'} //= 'application/json';
        $options{content} = ref $body ? $json->encode($body) : $body;
    }
    my $answer = $http->request($method, "http://127.0.0.1:$port$path", \%options);
    my $text = $answer->{content};
    $text =~ s/^\xEF\xBB\xBF//;
    $answer->{json} = eval { $json->decode($text) };
    return $answer;
}

# api METHOD, PATH, BODY: with a key.
sub api
{
    my ($method, $path, $body, %headers) = @_;
    return request($method, "/2.0$path", $body, authorization => 'Bearer sk_stage_made_up', %headers);
}

# sim METHOD, PATH, BODY: the control interface; dies where it refuses.
sub sim
{
    my ($method, $path, $body) = @_;
    my $answer = request($method, "/_sim$path", $body);
    die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
    return $answer->{json};
}

# data ANSWER: the resource in it.
sub data
{
    my ($answer) = @_;
    die "$answer->{status} $answer->{content}" unless $answer->{success} && $answer->{json};
    return $answer->{json}{data};
}

sub new_order
{
    my %more = @_;
    return data(api('POST', '/orders', { name => 'Bicycle', value => 100, %more }));
}

sub order_status
{
    my ($id) = @_;
    return sim('GET', "/orders/$id")->{status};
}

# raw TEXT: sends it as it is; (all that came back, how it ended).
sub raw
{
    my ($text) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp') or die "connect: $!";
    my ($got, $end) = ('', 'timeout');
    $socket->syswrite($text);
    my $select = IO::Select->new($socket);
    while ($select->can_read($patience))
    {
        my $n = $socket->sysread(my $chunk, 65536);
        $end = !defined $n ? 'reset' : $n == 0 ? 'eof' : '';
        last if $end;
        $got .= $chunk;
    }
    return ($got, $end);
}

sub raw_get
{
    my ($path) = @_;
    return raw("GET /2.0$path HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_stage_made_up\r\n\r\n");
}

# ------------------------------------------------------------------ a receiver of webhooks

# receiver SCRIPT: a server that answers with the statuses of SCRIPT in turn, then 200; writes each body into a file.
sub receiver
{
    my @script = @_;
    my $file = "$dir/received." . int(rand(1e9));
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20, Proto => 'tcp') or die "listen: $!";
    my $its_port = $listener->sockport;
    my $child = fork // die "fork: $!";
    if ($child == 0)
    {
        $SIG{TERM} = sub { require POSIX; POSIX::_exit(0) };
        serve($listener, $file, @script);
        require POSIX;
        POSIX::_exit(0);
    }
    $children{$child} = 1;
    return ("http://127.0.0.1:$its_port/hooks/in", $file, $child);
}

sub serve
{
    my ($listener, $file, @script) = @_;
    open my $log, '>>', $file or die;
    $log->autoflush(1);
    while (my $client = $listener->accept)
    {
        while (defined(my $line = <$client>))
        {
            my ($path) = $line =~ /^POST (\S+)/;
            my %header;
            while (defined(my $head = <$client>))
            {
                last if $head =~ /^\r?\n$/;
                $header{ lc $1 } = $2 if $head =~ /^([^:]+):\s*(.*?)\r?\n$/;
            }
            read $client, my $body, $header{'content-length'} // 0;
            my $status = @script ? shift @script : 200;
            print $log $json->encode({ path => $path, headers => \%header, body => $body, status => $status }), "\n";
            print $client "HTTP/1.1 $status Said\r\nContent-Length: 0\r\n\r\n";
            $client->flush;
        }
    }
    return;
}

sub received
{
    my ($file) = @_;
    return map { $json->decode($_) } grep { length } split /\n/, slurp($file);
}

($pid, $port) = start();

# ------------------------------------------------------------------ customers

subtest 'customers' => sub {
    sim('POST', '/reset');
    my $ana = data(api('POST', '/customers', { name => 'Ana', email => 'ana@example.test', metadata => { a => [ 1, 'ñ' ] } }));
    is($ana->{name}, 'Ana', 'created');
    is_deeply($ana->{metadata}, { a => [ 1, 'ñ' ] }, 'metadata comes back');
    my $again = data(api('POST', '/customers', { first_name => 'A', email => 'ana@example.test', phone => '600' }));
    is($again->{id}, $ana->{id}, 'a known email is the same customer');
    is("$again->{name} $again->{first_name}", 'Ana A', 'updated');
    is(data(api('POST', '/customers', { phone => '600', tag => 't' }))->{id}, $ana->{id}, 'a known phone too');
    is(data(api('GET', "/customers/$ana->{uuid}"))->{tag}, 't', 'found by its uuid');
    is(api('GET', "/customers/$ana->{id}")->{status}, 404, 'not by its id');
    my $address = data(api('POST', "/customers/$ana->{uuid}/addresses",
        { name => 'Home', line1 => 'x', city => 'y', state => 'z', zip_code => '1', country => 'ES' }));
    is(data(api('GET', "/customers/$ana->{uuid}/addresses/$address->{uuid}"))->{city}, 'y', 'an address');
    is(scalar @{ data(api('GET', "/customers/$ana->{uuid}/addresses")) }, 1, 'in the list of addresses');
    is(sim('GET', '/summary')->{customers}, 1, 'one customer in all');
};

# ------------------------------------------------------------------ the life of an order

subtest 'the life of an order' => sub {
    sim('POST', '/reset');
    my $order = new_order(tag => 'shop-1', fee_value => 2, fee_percent => 1.5, metadata => { cart => 7 }, payin_method_types => ['BIZUM']);
    is($order->{status}, 'DRAFT', 'DRAFT');
    is($order->{amount}, "100.00 \x{20ac}", 'the amount for people');
    is($order->{fee_amount}, "2.00 \x{20ac}", 'of percentage and fixed value the higher');
    is_deeply($order->{payin_types}, ['BIZUM'], 'payment methods');
    my $id = $order->{id};
    my $payin = data(api('POST', '/payins', { order_id => $id, type => 'REDSYS_V2' }));
    is($payin->{status}, 'CREATED', 'a payin');
    is(order_status($id), 'PENDING_PUBLISH', 'PENDING_PUBLISH');
    is(api('POST', "/orders/$id/accept")->{json}{errors}{status} ? 1 : 0, 1, 'not to be accepted yet');
    is(sim('POST', "/orders/$id/pay", { outcome => 'denied' })->{status}, 'FAILURE', 'FAILURE');
    is(sim('POST', "/orders/$id/pay", {})->{status}, 'PUBLISHED', 'paid at the second attempt');
    is(data(api('GET', "/orders/$id/payin"))->{status}, 'CONFIRMED', 'the payin is confirmed');
    is(api('PUT', "/orders/$id", { name => 'x' })->{status}, 422, 'its name is fixed');
    is(data(api('PUT', "/orders/$id", { metadata => { b => 1 }, fee_value => 3 }))->{fee_value}, '3.00', 'its fee is not');
    is(data(api('POST', "/orders/$id/accept"))->{status}, 'ACCEPTED', 'ACCEPTED');
    is(api('POST', "/orders/$id/accept")->{status}, 422, 'once');
    is(api('POST', '/payouts', { order_id => $id, type => $_->[0] })->{json}{errors}{ $_->[1] } ? 1 : 0, 1, "a payout of type $_->[0] goes somewhere") for [ 'ACCOUNT', 'bankaccount_id' ], [ 'WALLET', 'wallet_id' ];
    my $payout = data(api('POST', '/payouts', { order_id => $id, type => 'ACCOUNT', bankaccount_id => 1 }));
    is($payout->{status}, 'CREATED', 'a payout');
    is(order_status($id), 'PENDING_VALIDATE', 'PENDING_VALIDATE');
    sim('POST', '/settings', { auto_release_ms => -1 });
    is(data(api('POST', "/orders/$id/validate", {}))->{status}, 'PENDING_RELEASE', 'PENDING_RELEASE');
    is(sim('POST', "/orders/$id/status", { status => 'BLOCKED_RELEASE' })->{status}, 'BLOCKED_RELEASE', 'BLOCKED_RELEASE');
    sim('POST', '/settings', { auto_release_ms => 1 });
    sim('POST', "/orders/$id/status", { status => 'PENDING_RELEASE' });
    wait_until(sub { order_status($id) eq 'RELEASED' }, 'the release');
    is(data(api('GET', "/payouts/$payout->{id}"))->{status}, 'CONFIRMED', 'the payout is confirmed');
    ok(data(api('GET', "/orders/$id"))->{released_at}, 'RELEASED, with its time');
    is_deeply(sim('GET', "/orders/$id")->{history},
        [qw(DRAFT PENDING_PUBLISH FAILURE PENDING_PUBLISH PUBLISHED ACCEPTED PENDING_VALIDATE PENDING_RELEASE BLOCKED_RELEASE PENDING_RELEASE RELEASED)],
        'its history');
};

subtest 'other ways of an order' => sub {
    sim('POST', '/reset');
    my $settled = new_order(auto_settle => 1);
    is(sim('POST', "/orders/$settled->{id}/pay", {})->{status}, 'ACCEPTED', 'settled without a seller');
    my $skipped = new_order();
    sim('POST', "/orders/$skipped->{id}/pay", {});
    is(api('POST', "/orders/$skipped->{id}/validate", {})->{status}, 422, 'nothing to validate');
    is(data(api('POST', "/orders/$skipped->{id}/validate", { auto_accept => JSON::PP::true }))->{status}, 'PENDING_RELEASE', 'acceptance skipped');
    wait_until(sub { order_status($skipped->{id}) eq 'RELEASED' }, 'the release');
    my $rejected = new_order();
    sim('POST', "/orders/$rejected->{id}/pay", {});
    is(sim('POST', "/orders/$rejected->{id}/reject")->{status}, 'REJECTED', 'rejected');
    my $cancelled = new_order();
    sim('POST', "/orders/$cancelled->{id}/pay", {});
    is(data(api('POST', "/orders/$cancelled->{id}/cancel", { tag => 'why' }))->{status}, 'CANCELLED', 'cancelled');
    is(data(api('GET', "/orders/$cancelled->{id}/payin"))->{status}, 'REFUNDED', 'its payin is refunded');
    is($_->{amount} . $_->{tag}, "100.00 \x{20ac}why", 'by a refund') for api('GET', '/refunds')->{json}{data}[0];
    is(api('POST', "/orders/$cancelled->{id}/cancel")->{status}, 422, 'once');
    my $link = new_order()->{buyer_link};
    like($http->get($link)->{content}, qr/<form/, 'the page behind the buyer link');
    is($http->post($link)->{status}, 200, 'paying there');
    is($http->post($link)->{status}, 409, 'once');
};

subtest 'payins and refunds' => sub {
    sim('POST', '/reset');
    my $order = new_order();
    my $payin = data(api('POST', '/payins', { order_id => $order->{id}, type => 'REDSYS_V2', save_card => 1 }));
    is($http->post($payin->{direct_link})->{status}, 200, 'a direct link charges');
    is($http->post($payin->{direct_link})->{status}, 422, 'once');
    is(sim('GET', '/requests/count?operation=directLink')->{effects}, 1, 'and is recorded');
    is(sim('GET', '/summary')->{cards}, 1, 'the card is kept');
    is(api('POST', "/payins/$payin->{id}/refund", { amount => 100.01 })->{status}, 422, 'no more than was paid');
    is(data(api('POST', "/payins/$payin->{id}/refund", { amount => 40 }))->{status}, 'CONFIRMED', 'a part');
    is(api('POST', "/orders/$order->{id}/reimburse", { amount => 60.01 })->{status}, 422, 'no more than is left');
    api('POST', "/orders/$order->{id}/reimburse", {});
    is(data(api('GET', "/payins/$payin->{id}"))->{status}, 'REFUNDED', 'the rest');
    is(sim('GET', "/orders/$order->{id}")->{refunded}, 100, 'all of it');
    my $wired = new_order();
    my $wire = data(api('POST', '/payins', { order_id => $wired->{id}, type => 'BANKWIRE' }));
    sim('POST', "/orders/$wired->{id}/pay", { payin_id => $wire->{id} });
    is(api('POST', "/payins/$wire->{id}/refund", {})->{status}, 403, 'a bank wire cannot be refunded');
    my $held = new_order();
    sim('POST', "/orders/$held->{id}/pay", { outcome => 'authorized' });
    my $hold = data(api('GET', "/orders/$held->{id}/payin"));
    is(data(api('POST', "/payins/$hold->{id}/cancelpreauth"))->{status}, 'CANCELLED', 'an authorisation given back');
    my $unknown = api('POST', '/payins', { order_id => 5, type => 'X' });
    is($unknown->{status} . ' ' . join(',', keys %{ $unknown->{json}{errors} }), '404 order_id', 'an unknown order');
    my $wallet = data(api('POST', '/wallets', { currency => 'EUR' }));
    my $from_wallet = { order_id => new_order()->{id}, type => 'WALLET', wallet_id => $wallet->{id} };
    is(api('POST', '/payins', $from_wallet)->{status}, 422, 'an empty wallet pays nothing');
    sim('POST', "/wallets/$wallet->{id}/credit", { amount => 150.5 });
    is(data(api('POST', '/payins', $from_wallet))->{status}, 'CONFIRMED', 'a full one does');
    is(data(api('GET', "/wallets/$wallet->{uuid}"))->{balance}, '50.50', 'its balance');
    is(scalar @{ data(api('GET', "/wallets/$wallet->{uuid}/transactions")) }, 2, 'its transactions');
};

# ------------------------------------------------------------------ validation

# refused METHOD, PATH, BODY: the fields that a 422 names.
sub refused
{
    my $answer = api(@_);
    return $answer->{status} == 422 ? join(' ', sort keys %{ $answer->{json}{errors} }) : $answer->{status};
}

subtest 'validation' => sub {
    sim('POST', '/reset');
    my %good = (name => 'x', value => 1);
    is(refused('POST', '/orders', {}), 'name value', 'what is required');
    is(refused('POST', '/orders', { %good, nmae => 1 }), 'nmae', 'an unknown field');
    is(refused('POST', '/orders', { %good, value => '1' }), 'value', 'a number in quotes');
    is(refused('POST', '/orders', { %good, value => -0.01 }), 'value', 'a minimum');
    is(refused('POST', '/orders', { %good, fee_percent => 100.01 }), 'fee_percent', 'a maximum');
    is(refused('POST', '/orders', { %good, auto_settle => 2 }), 'auto_settle', 'a flag');
    is(refused('POST', '/orders', { %good, auto_settle => JSON::PP::true }), 'auto_settle', 'a flag that is 0 or 1');
    is(refused('POST', '/orders', { %good, name => "\x{e9}" x 121 }), 'name', 'too many characters');
    is(refused('POST', '/orders', { %good, name => "\x{e9}" x 120 }), 200, 'which are not bytes');
    is(refused('POST', '/orders', { %good, images => [1] }), 'images', 'elements of an array');
    is(refused('POST', '/orders', { %good, metadata => [] }), 'metadata', 'an object');
    is(refused('POST', '/orders', { %good, buyer_confirmed_url => 'nowhere' }), 'buyer_confirmed_url', 'a URL');
    is(refused('POST', '/orders', { %good, currency => 'XYZ' }), 'currency', 'a list of values');
    is(refused('POST', '/customers', { email => 'a@b' }), 'email', 'an email address');
    is(refused('GET', '/orders?date_begin=2026-02-30'), 'date_begin', 'a date');
    is(refused('POST', '/bundles', { name => 'b', expiration => 'soon' }), 'expiration', 'a time');
    is(refused('GET', '/orders?per_page=101'), 'per_page', 'a limit in a query');
    is(api('GET', '/orders?pgae=1')->{status}, 400, 'an unknown parameter');
    is(api('POST', '/orders', '{"name": }')->{status}, 400, 'bad JSON');
    is(request('GET', '/2.0/orders')->{json}{message}, 'Unauthenticated.', 'no key');
    is(api('GET', '/orders/1')->{status}, 404, 'an unknown order');
    is(api('GET', '/nothing')->{status}, 404, 'an unknown path');
    is(sim('GET', '/requests/count')->{effects}, 1, 'what is refused has no effect');
    sim('POST', '/settings', { strict => JSON::PP::false });
    is(refused('POST', '/orders', { %good, nmae => 1 }), 200, 'the setting strict');
};

subtest 'bodies' => sub {
    sim('POST', '/reset');
    my %form = ('content-type' => 'application/x-www-form-urlencoded');
    my $order = data(api('POST', '/orders', 'name=a+%26+b&value=12.30&images[]=http%3A%2F%2Fx&metadata[k]=v', %form));
    is("$order->{name} $order->{value} $order->{images}[0] $order->{metadata}{k}", 'a & b 12.30 http://x v', 'a form');
    my $parts = join '', map { "--b0\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n\r\n$_->[1]\r\n" } [ name => 'n' ], [ value => '7' ];
    is(data(api('POST', '/orders', "$parts--b0--\r\n", 'content-type' => 'multipart/form-data; boundary=b0'))->{value}, '7.00', 'a multipart form');
    for my $case ([ '0.1', '0.10' ], [ '1e3', '1000.00' ], [ '12345678901234567890.123456789', '12345678901234567890.123456789' ], [ '5E-2', '0.05' ])
    {
        is(data(api('POST', '/orders', qq({"name":"x","value":$case->[0]})))->{value}, $case->[1], "$case->[0] is exact");
    }
    my $path = sim('GET', '/requests?operation=createOrder&limit=1')->{requests}[0];
    is($path->{path} . $path->{raw}, '/ordersname=a+%26+b&value=12.30&images[]=http%3A%2F%2Fx&metadata[k]=v', 'recorded as it came');
};

# ------------------------------------------------------------------ lists

subtest 'lists' => sub {
    sim('POST', '/reset');
    my $bulk = sim('POST', '/orders/bulk', { count => 250 });
    is($bulk->{last_id} - $bulk->{first_id}, 249, 'many at once');
    my $first = api('GET', '/orders?per_page=100')->{json};
    is_deeply([ @$first{qw(current_page last_page per_page total from to)} ], [ 1, 3, 100, 250, 1, 100 ], 'the numbers of a page');
    is($first->{data}[0]{id}, $bulk->{last_id}, 'the newest first');
    my $last = api('GET', '/orders?per_page=100&page=3&sort=asc')->{json};
    is($last->{data}[-1]{id} . ' ' . $last->{to}, "$bulk->{last_id} 250", 'the oldest first');
    is_deeply(api('GET', '/orders?page=99')->{json}{data}, [], 'a page behind the last');
    is(scalar @{ api('GET', '/orders')->{json}{data} }, 15, 'fifteen by default');
    my $id = new_order(tag => 'one "two"', value => 5)->{id};
    is($_->{data}[0]{id} . " $_->{total}", "$id 1", 'a search for a tag') for api('GET', '/orders?search=tag&query=one+%22two%22')->{json};
    is($_->{data}[0]{id} . " $_->{total}", "$id 1", 'a search for an id') for api('GET', "/orders?search=id&query=$id")->{json};
    is($_->{data}[0]{id} . " $_->{total}", "$id 1", 'a search anywhere') for api('GET', '/orders?query=bicy')->{json};
    is(refused('GET', '/orders?search=nothing&query=x'), 'search', 'a search in no field');
    is(api('GET', '/orders?order=value&sort=asc&per_page=1')->{json}{data}[0]{id}, $id, 'ordered by value');
    is(api('GET', '/orders?date_begin=2001-01-01&date_end=2001-12-31')->{json}{total}, 0, 'nothing of that year');
    is(api('GET', '/orders?date_begin=2001-01-01')->{json}{total}, 251, 'all since then');
    sim('POST', "/orders/$id/pay", {});
    is(api('GET', '/orders?status=PUBLISHED')->{json}{total}, 1, 'by status');
    sim('POST', '/settings', { last_page_lies => 2, page_shift => JSON::PP::true });
    is(api('GET', '/orders?per_page=100')->{json}{last_page}, 5, 'a wrong number of pages');
    is(sim('GET', '/summary')->{orders}, 252, 'a row shifted in');
    is(sim('GET', '/requests?operation=listOrders')->{requests}[-1]{effect} ? 1 : 0, 0, 'which is no effect of the list');
};

# ------------------------------------------------------------------ settings

subtest 'how answers look' => sub {
    sim('POST', '/reset');
    my $id = new_order(value => 23.77)->{id};
    sim('POST', '/settings', { map { $_ => JSON::PP::false } qw(envelope value_as_string flags_as_integer) });
    my $plain = api('GET', "/orders/$id");
    like($plain->{content}, qr/^\{"id":$id,.*"value":23\.77,.*"sandbox":true,/, 'bare, with numbers and flags as described');
    is(ref api('GET', '/wallets')->{json}, 'ARRAY', 'a bare list');
    sim('POST', '/settings', { bom => JSON::PP::true, envelope => JSON::PP::true, ids_as_string => JSON::PP::true });
    like(api('GET', "/orders/$id")->{content}, qr/^\xEF\xBB\xBF\{"data":\{"id":"$id",/, 'with a byte-order mark, an envelope, an id as text');
    is(request('POST', '/_sim/settings', { bmo => JSON::PP::true })->{status}, 400, 'an unknown setting');
    is(request('POST', '/_sim/settings', { delay_ms => 'x' })->{status}, 400, 'a setting of another type');
    sim('POST', '/reset');
    is(sim('GET', '/settings')->{bom} ? 1 : 0, 0, 'a reset');
    sim('POST', '/settings', { rate_limit => 2 });
    my @statuses = map { api('GET', '/orders')->{status} } 1 .. 12;
    ok((grep { $_ == 429 } @statuses) && (grep { $_ == 200 } @statuses), 'a limit to the rate');
    sim('POST', '/settings', { rate_limit => 0, delay_ms => 50 });
    my $begin = time;
    api('GET', '/orders');
    cmp_ok(time - $begin, '>=', 0.05, 'a delay of everything');
};

# ------------------------------------------------------------------ misbehaviour

# rule RULE: one that stands alone.
sub rule
{
    sim('DELETE', '/rules');
    return sim('POST', '/rules', {@_});
}

subtest 'misbehaviour' => sub {
    sim('POST', '/reset');
    my $id = new_order()->{id};
    my $get = "/orders/$id";
    my ($got, $end);

    rule(operation => 'createOrder', do => 'drop');
    ($got, $end) = raw("POST /2.0/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_stage_x\r\nContent-Length: 22\r\n\r\n{\"name\":\"d\",\"value\":1}");
    is("$got|$end", '|eof', 'drop');
    is(sim('GET', '/summary')->{orders}, 1, 'before the work');
    rule(operation => 'createOrder', do => 'reset', when => 'after');
    ($got, $end) = raw("POST /2.0/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_stage_x\r\nContent-Length: 22\r\n\r\n{\"name\":\"d\",\"value\":1}");
    is("$got|$end", '|reset', 'reset');
    is(sim('GET', '/summary')->{orders}, 2, 'after the work');
    is_deeply([ map { $_->{effect} ? "$_->{status}+" : "$_->{status}-" } @{ sim('GET', '/requests?operation=createOrder')->{requests} } ],
        [ '200+', '0-', '0+' ], 'the record tells them apart');

    rule(do => 'truncate');
    ($got, $end) = raw_get($get);
    my ($length, $body) = $got =~ /Content-Length: (\d+)\r\n.*?\r\n\r\n(.*)/s;
    is($end . ' ' . length $body, 'eof ' . int($length / 2), 'truncate');
    rule(do => 'garbage');
    unlike((raw_get($get))[0], qr/HTTP\/1/, 'garbage');
    rule(do => 'garbage', body => '<html>');
    is(api('GET', $get)->{content}, '<html>', 'garbage that is a body');
    rule(do => 'status', status => 503, headers => { 'Retry-After' => '7' }, body => '{"message":"no"}');
    is(join(' ', @$_{qw(status content)}, $_->{headers}{'retry-after'}), '503 {"message":"no"} 7', 'status') for api('GET', $get);
    for my $slow (qw(drip slow_headers))
    {
        rule(do => $slow, ms => 1);
        my $begin = time;
        ($got, $end) = raw_get($get);
        like($got, qr/^HTTP\/1\.1 200 .*\r\n\r\n\{"data":\{"id":$id,.*\}\}$/s, "$slow: all of it");
        cmp_ok(time - $begin, '>', 0.1, "$slow: slowly");
    }
    rule(do => 'delay', ms => 60);
    my $begin = time;
    is(api('GET', $get)->{status}, 200, 'delay');
    cmp_ok(time - $begin, '>=', 0.06, 'takes its time');
    is(request('POST', '/_sim/rules', { do => 'drop', tmies => 1 })->{status}, 400, 'an unknown member');
    is(request('POST', '/_sim/rules', { do => 'drop', operation => 'createOdrer' })->{status}, 400, 'an unknown operation');
};

subtest 'which requests a rule is for' => sub {
    sim('POST', '/reset');
    my $id = new_order()->{id};
    my $statuses = sub { join ' ', map { api('GET', "/orders/$id")->{status} } 1 .. shift };
    rule(operation => 'getOrder', do => 'status', status => 500, after => 1, times => 2);
    is($statuses->(4), '200 500 500 200', 'after and times');
    rule(do => 'status', status => 500, times => 0, path => '/orders/*/payin');
    is($statuses->(1), '200', 'a path that is another');
    is(api('GET', "/orders/$id/payin")->{status}, 500, 'a path that matches');
    rule(do => 'status', status => 500, times => 0, method => 'POST');
    is($statuses->(1), '200', 'a method');
    rule(do => 'status', status => 500, times => 0, probability => 0.5, seed => 3);
    my $once = $statuses->(20);
    rule(do => 'status', status => 500, times => 0, probability => 0.5, seed => 3);
    is($statuses->(20), $once, 'chance, the same each time');
    ok($once =~ /200/ && $once =~ /500/, 'and chance it is');
};

subtest 'hanging, and clients that leave' => sub {
    sim('POST', '/reset');
    my $id = new_order()->{id};
    rule(do => 'hang');
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp');
    $socket->syswrite("GET /2.0/orders/$id HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_stage_x\r\n\r\n");
    wait_until(sub { sim('GET', '/requests/count?operation=getOrder')->{count} == 1 }, 'the request arrives');
    ok(!IO::Select->new($socket)->can_read(0.05), 'no answer');
    sim('DELETE', '/rules');
    is($socket->sysread(my $nothing, 10), 0, 'until the rules are gone');
    rule(operation => 'createOrder', do => 'delay', ms => 100);
    $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp');
    $socket->syswrite("POST /2.0/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_stage_x\r\nContent-Length: 22\r\n\r\n{\"name\":\"d\",\"value\":1}");
    wait_until(sub { sim('GET', '/requests/count?operation=createOrder')->{count} == 2 }, 'the request arrives');
    close $socket;
    wait_until(sub { sim('GET', '/summary')->{orders} == 2 }, 'a delayed write takes effect without its client');
    pass('a delayed write takes effect without its client');
};

# ------------------------------------------------------------------ webhooks

sub events
{
    return join ' ', map { $_->{event} } @{ sim('GET', '/webhooks')->{deliveries} };
}

subtest 'webhooks' => sub {
    sim('POST', '/reset');
    my ($url, $file) = receiver(500, 503);
    sim('POST', '/settings', { webhook_retry_ms => 1, webhooks => [ { url => $url, append_event => JSON::PP::true, headers => { 'X-Token' => 'T' } } ] });
    my $order = new_order(tag => 'shop-9', auto_settle => 1, metadata => { cart => 1 });
    data(api('POST', '/payins', { order_id => $order->{id}, type => 'BIZUM' }));
    sim('POST', "/orders/$order->{id}/pay", {});
    api('POST', '/payouts', { order_id => $order->{id}, type => 'ACCOUNT', bankaccount_id => 1 });
    api('POST', "/orders/$order->{id}/validate", {});
    wait_until(sub { order_status($order->{id}) eq 'RELEASED' }, 'the release');
    is(sim('POST', '/webhooks/wait', { ms => 20000 })->{pending}, 0, 'all delivered');
    is(events(), 'order.published payin.confirmed order.accepted payout.created order.released', 'the events');
    my @got = received($file);
    is(scalar @got, 7, 'five, and two again');
    my ($paid) = grep { $_->{path} =~ /payin\.confirmed$/ } @got;
    is($paid->{path}, '/hooks/in/payin.confirmed', 'the event in the path');
    is($paid->{headers}{'x-token'}, 'T', 'a header of the hook');
    my $body = $json->decode($paid->{body});
    is(ref $body eq 'ARRAY' && @$body, 1, 'an array of one');
    like($paid->{body}, qr/"escrow":\{"id":"$order->{id}"/, 'the id as text');
    is(join(' ', @{ $body->[0]{escrow} }{qw(status tag auto_settled amount)}), 'PUBLISHED shop-9 1 100', 'the escrow');
    is(join(' ', @{ $body->[0]{payin} }{qw(escrow_id type status)}), "$order->{id} BIZUM CONFIRMED", 'the payin');
    my ($payout) = grep { $_->{path} =~ /payout\.created$/ } @got;
    is($json->decode($payout->{body})->[0]{payout}{status}, 'CREATED', 'the payout');
    my ($first) = grep { $_->{seq} == 1 } @{ sim('GET', '/webhooks')->{deliveries} };
    is(join(' ', $first->{attempts}, $first->{delivered} ? 1 : 0, $first->{status}), '2 1 200', 'attempts');
    sim('POST', '/webhooks/resend', { seq => 1 });
    sim('POST', '/webhooks/wait', { ms => 20000 });
    is((received($file))[-1]{body}, (received($file))[0]{body}, 'sent again, the same');
};

subtest 'webhooks that go wrong' => sub {
    sim('POST', '/reset');
    my ($url, $file) = receiver((500) x 3);
    my ($other, $other_file) = receiver();
    sim('POST', '/settings', { webhook_retry_ms => 1, webhook_attempts => 3,
        webhooks => [ { url => $url, events => ['order.failed'] }, { url => $other, events => [ 'order.published', 'order.accepted' ] } ] });
    my $id = new_order()->{id};
    sim('POST', "/orders/$id/pay", { outcome => 'denied' });
    is(sim('POST', '/webhooks/wait', { ms => 20000 })->{pending}, 0, 'given up');
    my $given_up = sim('GET', '/webhooks')->{deliveries}[0];
    is(join(' ', $given_up->{attempts}, $given_up->{delivered} ? 1 : 0), '3 0', 'after its attempts');
    sim('POST', '/settings', { webhook_duplicate => 2, webhook_shuffle => JSON::PP::true, webhook_hold_ms => 500, seed => 5 });
    for (1 .. 10)
    {
        my $next = new_order()->{id};
        sim('POST', "/orders/$next/pay", {});
    }
    sim('POST', '/webhooks/wait', { ms => 20000 });
    my @ids = map { $json->decode($_->{body})->[0]{escrow}{id} } received($other_file);
    is(scalar @ids, 30, 'three of each');
    isnt("@ids", join(' ', sort @ids), 'not in their order');
    sim('POST', '/settings', { webhooks => [ { url => 'http://127.0.0.1:1/x' } ], webhook_retry_ms => 60000, webhook_shuffle => JSON::PP::false });
    sim('POST', '/orders/' . new_order()->{id} . '/pay', {});
    is(request('POST', '/_sim/webhooks/wait', { ms => 10 })->{status}, 504, 'pending ones are told of');
    sim('POST', '/reset');
    is(sim('POST', '/webhooks/wait', { ms => 20000 })->{pending}, 0, 'a reset forgets them');
    is(request('POST', '/_sim/settings', { webhooks => [ { url => 'x', events => ['order.lost'] } ] })->{status}, 400, 'an unknown event');
};

# ------------------------------------------------------------------ every operation

subtest 'every operation answers' => sub {
    sim('POST', '/reset');
    my ($customer, $order) = (data(api('POST', '/customers', { name => 'c', email => 'c@d.test' })), new_order(auto_settle => 1));
    my $verify = { type => 'NATURAL', map { $_ => 'x' } qw(first_name last_name vat_id legal_address legal_city legal_zip legal_state) };
    my $c = "/customers/$customer->{uuid}";
    my $account = data(api('GET', '/accounts/me'));
    is($account->{is_active}, 1, 'getAccount');
    is(data(api('PUT', '/accounts/me', { allow_shipping => 1, name => 'New' }))->{name}, 'New', 'updateAccount');
    is(request('POST', '/2.0/accounts', { name => 'n', slug => 's', country_code => 'ES', email => 'n@s.test', password => 'p' })->{status}, 200, 'createAccount without a key');
    is(data(api('GET', '/accounts/fees/EUR'))->{currency}, 'EUR', 'getAccountFees');
    is(api('GET', '/accounts/fees')->{status}, 200, 'without its currency');
    is(api('POST', '/accounts/verify', $verify)->{status}, 200, 'verifyAccount');
    is(data(api('PUT', $c, { locale => 'es', tag => 'z' }))->{tag}, 'z', 'updateCustomer');
    my $card = data(api('POST', "$c/cards", {}));
    is($card->{confirmed}, 0, 'createCard');
    is(data(api('GET', "/cards/$card->{uuid}"))->{id}, $card->{id}, 'getCard');
    is(scalar @{ data(api('GET', "$c/cards")) }, 1, 'listCustomerCards');
    is($_->{status} . length $_->{content}, '2000', 'deleteCard') for api('DELETE', "/cards/$card->{uuid}");
    is(api('GET', "/cards/$card->{uuid}")->{status}, 404, 'it is gone');
    my $bank = data(api('POST', '/bankaccounts', { customer_id => $customer->{id}, name => 'n', type => 'IBAN', number => 'ES00' }));
    is(data(api('GET', "/bankaccounts/$bank->{uuid}"))->{number}, 'ES00', 'getBankAccount');
    is(scalar @{ data(api('GET', "$c/bankaccounts")) }, 1, 'listCustomerBankAccounts');
    is(data(api('GET', '/bankaccounts/validation?currency=EUR&country=ES&type=IBAN'))->{country}, 'ES', 'getBankAccountValidation');
    ok(data(api('GET', '/forex/rates?type=x&sell_currency=EUR&buy_currency=USD'))->{rate}, 'getForexRates');
    my $wallet = data(api('POST', '/wallets', { currency => 'USD', customer_id => $customer->{id} }));
    is(data(api('PUT', "/wallets/$wallet->{uuid}", { tag => 'w' }))->{tag}, 'w', 'updateWallet');
    is(scalar @{ data(api('GET', "$c/wallets")) }, 1, 'listCustomerWallets');
    is(scalar @{ data(api('GET', '/wallets')) }, 2, 'listWallets');
    my $subscription = data(api('POST', '/subscriptions', { buyer_id => $customer->{id}, seller_id => 9, name => 's', value => 3, type => 'MONTHLY' }));
    is(data(api('GET', "/subscriptions/$subscription->{id}"))->{amount}, '3.00', 'getSubscription');
    is(scalar @{ data(api('GET', "$c/subscriptions")) }, 1, 'listCustomerSubscriptions');
    is(api('GET', '/subscriptions')->{json}{total}, 1, 'listSubscriptions');
    is(data(api('PUT', "/subscriptions/$subscription->{id}/cancel"))->{status}, 'CANCELLED', 'cancelSubscription');
    is(api('PUT', "/subscriptions/$subscription->{id}/cancel")->{status}, 422, 'once');
    is(api('GET', "$c/verification")->{status}, 404, 'no verification');
    my $check = data(api('POST', "$c/verify", $verify));
    is($check->{type}, 'INDIVIDUAL', 'createCustomerVerification');
    is(data(api('GET', "$c/verification"))->{id}, $check->{id}, 'getCustomerVerification');
    my $v = "/verifications/$check->{uuid}";
    is(data(api('PUT', $v, { %$verify, type => 'LEGAL' }))->{type}, 'LEGAL', 'submitVerification');
    is(data(api('POST', "$v/request"))->{status}, 'PENDING', 'requestVerification');
    is(data(api('GET', $v))->{status}, 'PENDING', 'getVerification');
    is(api('GET', '/verifications')->{json}{total}, 1, 'listVerifications');
    my $document = data(api('POST', "$v/documents", { type => 'IDENTITY_PROOF', content => 'x' x 1_000_000 }));
    is(data(api('GET', "$v/documents/$document->{uuid}"))->{type}, 'IDENTITY_PROOF', 'getVerificationDocument');
    is(data(api('PUT', "$v/documents/$document->{uuid}", { type => 'ADDRESS_PROOF', content => 'y' }))->{type}, 'ADDRESS_PROOF', 'updateVerificationDocument');
    is(scalar @{ data(api('GET', "$v/documents")) }, 1, 'listVerificationDocuments');
    my $bundle = data(api('POST', '/bundles', { name => 'b', value => 4, expiration => '2001-01-01T00:00:00Z' }));
    is($bundle->{is_expired}, 1, 'createBundle');
    is(data(api('PUT', "/bundles/$bundle->{id}", { description => 'd' }))->{description}, 'd', 'updateBundle');
    is(data(api('GET', "/bundles/$bundle->{id}"))->{amount}, "4.00 \x{20ac}", 'getBundle');
    is(api('GET', "/bundles$_")->{json}{total}, 1, "bundles$_") for '', '/expired';
    new_order(bundle => $bundle->{id});
    is(api('GET', "/bundles/$bundle->{id}/orders")->{json}{total}, 1, 'listBundleOrders');
    is(data(api('POST', "/orders/$order->{id}/receipt"))->{id}, $order->{id}, 'sendOrderReceipt');
    my $payin = data(api('POST', '/payins', { order_id => $order->{id}, type => 'X' }));
    is(data(api('POST', "/payins/$payin->{id}/request"))->{status}, 'CREATED', 'requestToPay');
    is(data(api('PUT', "/payins/$payin->{id}"))->{id}, $payin->{id}, 'syncPayin');
    sim('POST', "/orders/$order->{id}/pay", {});
    my $payout = data(api('POST', '/payouts', { order_id => $order->{id}, type => 'WALLET', wallet_id => $wallet->{id} }));
    is(data(api('POST', "/payouts/$payout->{id}/update"))->{id}, $payout->{id}, 'syncPayout');
    is(data(api('GET', "/orders/$order->{id}/payout"))->{id}, $payout->{id}, 'getOrderPayout');
    is(api('GET', "/$_")->{json}{total}, 1, $_) for qw(payins payouts customers);
    is(api('GET', '/refunds')->{json}{total}, 0, 'listRefunds');
    is(api('GET', '/refunds/1')->{status}, 404, 'getRefund');
    my %met = map { $_->{operation} => 1 } grep { $_->{operation} } @{ sim('GET', '/requests')->{requests} };
    my %tested = (%met, map { $_ => 1 } qw(getOrder updateOrder getOrderPayin acceptOrder cancelOrder validateOrder reimburseOrder listOrders
            getPayin refundPayin cancelPreAuth getPayout getCustomer listCustomers listCustomerAddresses createCustomerAddress getCustomerAddress
            getWallet listWalletTransactions updateCustomerAddress));
    my @operations = map { (split /\t/)[0] } grep { !/^operation\t/ } split /\n/, slurp("$here/../facts/operations.tsv");
    is_deeply([ grep { !$tested{$_} } @operations ], [], 'none was left out');
};

# Every field of the table is in the answer, in its order.
subtest 'answers have all fields' => sub {
    sim('POST', '/reset');
    my %fields;
    for my $line (split /\n/, slurp("$here/../facts/fields.tsv"))
    {
        my ($schema, $field) = split /\t/, $line;
        push @{ $fields{$schema} }, $field;
    }
    my ($text) = api('POST', '/orders', { name => 'x', value => 1 })->{content} =~ /^\{"data":\{(.*)\}\}$/;
    $text =~ s/\{[^{}]*\}/0/g;
    is_deeply([ $text =~ /"(\w+)":/g ], $fields{OrderResponse}, 'of an order');
};

# ------------------------------------------------------------------ records

subtest 'records' => sub {
    sim('POST', '/reset');
    api('GET', '/orders?search=tag&query=a%20b+c');
    my $record = sim('GET', '/requests')->{requests}[0];
    is(join(' ', @$record{qw(method path query)}), 'GET /orders search=tag&query=a%20b+c', 'a path and its query');
    is($record->{args}{query}, 'a b c', 'decoded');
    is($record->{headers}{authorization}, 'Bearer sk_stage_made_up', 'headers in lower case');
    sim('POST', '/settings', { record => JSON::PP::false });
    new_order();
    is_deeply([ sort keys %{ sim('GET', '/requests?since=1')->{requests}[0] } ], [qw(at effect operation seq status)], 'without detail');
    is_deeply(sim('GET', '/requests/count'), { count => 2, effects => 1 }, 'counts are right');
    sim('DELETE', '/requests');
    is(sim('GET', '/requests/count')->{count}, 0, 'forgotten');
};

is(stop($pid), 0, 'a clean end');

# ------------------------------------------------------------------ other ways to start

subtest 'the journal' => sub {
    my $journal = "$dir/journal";
    ($pid, $port) = start('--journal', $journal);
    sim('POST', '/settings', { auto_release_ms => 1, webhooks => [ { url => 'http://127.0.0.1:1/x' } ], webhook_retry_ms => 1, webhook_attempts => 1 });
    my $order = new_order(tag => 'kept', value => 12.3, metadata => { a => "\x{20ac}\n" }, auto_settle => 1);
    my $card = data(api('POST', '/customers/' . data(api('POST', '/customers', { name => 'c', email => 'k@k.test' }))->{uuid} . '/cards', {}));
    api('DELETE', "/cards/$card->{uuid}");
    sim('POST', "/orders/$order->{id}/pay", {});
    api('POST', '/payouts', { order_id => $order->{id}, type => 'ACCOUNT', bankaccount_id => 1 });
    sim('POST', '/webhooks/wait', { ms => 20000 });
    my @before = map { request('GET', $_)->{content} } '/_sim/summary', '/_sim/settings', "/_sim/orders/$order->{id}", '/_sim/webhooks';
    stop($pid, 'KILL');
    open my $torn, '>>', $journal or die;
    print $torn '{"row":"orders","id":';
    close $torn;
    ($pid, $port) = start('--journal', $journal);
    my @after = map { request('GET', $_)->{content} } '/_sim/summary', '/_sim/settings', "/_sim/orders/$order->{id}", '/_sim/webhooks';
    is_deeply(\@after, \@before, 'nothing is lost by kill -9, whatever the last line looks like');
    is(data(api('POST', '/customers', { email => 'k@k.test' }))->{id}, 1, 'the index is back');
    api('POST', "/orders/$order->{id}/validate", {});
    wait_until(sub { order_status($order->{id}) eq 'RELEASED' }, 'the release');
    sim('POST', '/reset');
    is(stop($pid), 0, 'a clean end');
    ($pid, $port) = start('--journal', $journal);
    is(sim('GET', '/summary')->{orders}, 0, 'a reset lasts');
    stop($pid);
};

subtest 'keys and threads' => sub {
    ($pid, $port) = start('--key', 'sk_stage_one', '--key', 'sk_stage_two', '--threads', '3');
    is(request('GET', '/2.0/orders', undef, authorization => "Bearer $_->[0]")->{status}, $_->[1], "$_->[0]")
        for [ sk_stage_one => 200 ], [ sk_stage_two => 200 ], [ sk_stage_three => 401 ];
    is(stop($pid, 'INT'), 0, 'a clean end');
};

done_testing();
