# What the tests of faults share: a mixture of requests of every kind of repetition, and an audit that compares what the
# simulator did with what was committed.
#
#	my $f = TruustAudit->new($t);		# of a TruustOutbox
#	$f->start_over;						# an empty outbox, and orders at the simulator for the requests to act on
#	$f->create_orders(20, 'name');
#	$f->enqueue_mixture;				# one request, or chain of requests, of each kind
#	...faults...
#	$f->audit('what happened');			# all have ended, and each took effect exactly once
#
# The audit believes only the simulator: its rows survive its being killed (--journal), and each has what it takes to
# tell one effect from two: the marker of the request, the order's own history, a count.
package TruustAudit;

use strict;
use warnings;

use JSON::PP ();
use Test::More;

# Orders that start_over() makes, by what will be done to them.
my %STATUS = (
	chain => 'PUBLISHED',		# accept_order, create_payout, validate_order
	cancel => 'PUBLISHED',		# cancel_order
	never => 'PUBLISHED',		# cancel_order, rolled back
	payin => 'DRAFT',			# create_payin
	refund => 'DRAFT',			# is paid; then refund_payin
	reimburse => 'DRAFT',		# is paid; then reimburse_order
	receipt => 'PUBLISHED',		# send_order_receipt
	update => 'DRAFT');			# update_order, several times
my $EACH = 3;

sub new
{
	my ($class, $t) = @_;
	return bless { t => $t }, $class;
}

# ---------------------------------------------------------------- requests

sub start_over
{
	my ($self) = @_;
	my $t = $self->{t};

	$t->sim(POST => 'reset');
	$t->sql('TRUNCATE truust.requests, truust.orders, truust.payins, truust.payouts, truust.events');
	$self->{base} = {};
	$self->{payin} = {};
	for my $use (sort keys %STATUS)
	{
		my $made = $t->sim(POST => 'orders/bulk', { count => $EACH, status => $STATUS{$use} });
		$self->{base}{$use} = [ $made->{first_id} .. $made->{last_id} ];
	}
	for my $id (@{ $self->{base}{refund} }, @{ $self->{base}{reimburse} })
	{
		$t->sim(POST => "orders/$id/pay", { outcome => 'confirmed' });
		$self->{payin}{$id} = $t->sim(GET => "orders/$id")->{payin_id};
	}
	return;
}

# SQL that enqueues n orders.
sub order_sql
{
	my ($self, $n, $name) = @_;
	return qq{SELECT count(truust_enqueue('create_order', jsonb_build_object('name', '$name ' || i, 'value', i))) FROM generate_series(1, $n) i};
}

sub create_orders
{
	my ($self, $n, $name) = @_;
	return $self->{t}->sql($self->order_sql($n, $name));
}

sub _call
{
	my ($operation, %args) = @_;
	my $json = JSON::PP->new->canonical->encode(\%args);
	return "SELECT truust_enqueue('$operation', '$json');";
}

# One of each kind, in one transaction; what is rolled back in another. Returns how many were committed.
sub enqueue_mixture
{
	my ($self) = @_;
	my $t = $self->{t};
	my ($base, $payin) = @{$self}{qw(base payin)};
	my @calls;

	for my $id (@{ $base->{chain} })
	{
		push @calls, _call(accept_order => order_id => 0 + $id),
		  _call(create_payout => order_id => 0 + $id, type => 'ACCOUNT', bankaccount_id => 1),
		  _call(validate_order => order_id => 0 + $id);
	}
	push @calls, map { _call(cancel_order => order_id => 0 + $_) } @{ $base->{cancel} };
	push @calls, map { _call(create_payin => order_id => 0 + $_, type => 'REDSYS_V2') } @{ $base->{payin} };
	push @calls, map { _call(refund_payin => payin_id => 0 + $payin->{$_}, amount => 1) } @{ $base->{refund} };
	push @calls, map { _call(reimburse_order => order_id => 0 + $_, amount => 1) } @{ $base->{reimburse} };
	push @calls, map { _call(send_order_receipt => order_id => 0 + $_) } @{ $base->{receipt} };
	for my $id (@{ $base->{update} })
	{
		push @calls, map { _call(update_order => order_id => 0 + $id, name => "step $_") } 1 .. 5;
	}
	push @calls, map { (
		_call(create_wallet => currency => 'EUR'),
		_call(create_bundle => name => "Bundle $_"),
		_call(create_customer => email => "fault-$_\@example.test")) } 1 .. $EACH;
	$t->sql(join ' ', 'BEGIN;', @calls, 'COMMIT');
	$t->sql(join ' ', 'BEGIN;', (map { _call(cancel_order => order_id => 0 + $_) } @{ $base->{never} }), 'ROLLBACK');
	return scalar @calls;
}

# ---------------------------------------------------------------- the audit

# All rows of a kind, as the simulator has them inside.
sub _all
{
	my ($self, $kind) = @_;
	return @{ $self->{t}->sim(GET => "rows?kind=$kind")->{rows} };
}

# What carries a marker is there once for each request that is done, and is what the request's answer says; field: where
# a row has the id of what the operation answers with, if that is another.
sub _audit_marked
{
	my ($self, $operation, $kind, $field) = @_;
	my (%made, @wrong);

	for my $row ($self->_all($kind))
	{
		my $marker = (ref $row->{metadata} ? $row->{metadata}{truust_request} : undef)
		  // (($row->{tag} // '') =~ /^truust:(.*)/ ? $1 : undef) // next;
		push @{ $made{$marker} }, $row->{ $field // 'id' };
	}
	for my $line (split /\n/, $self->{t}->sql(qq{SELECT marker, state, response ->> 'id' FROM truust.requests WHERE operation = '$operation'}))
	{
		my ($marker, $state, $id) = split /\|/, $line;
		my @ids = @{ delete $made{$marker} // [] };
		push @wrong, "$operation $marker is $state with $id, and made [@ids]"
		  unless $state eq 'done' && @ids == 1 && $ids[0] eq $id;
	}
	push @wrong, map { "$operation $_, which nobody has committed, made [@{ $made{$_} }]" } keys %made;
	return @wrong;
}

# How many rows of a kind there are for each value of a field.
sub _count_by
{
	my ($self, $kind, $field) = @_;
	my %n;

	$n{ $_->{$field} // '' }++ for $self->_all($kind);
	return \%n;
}

# Requests that name an order, by its id.
sub _states
{
	my ($self, $operation) = @_;
	return map { split /\|/ } split /\n/, $self->{t}->sql(
		qq{SELECT args ->> 'order_id', state FROM truust.requests WHERE operation = '$operation'});
}

# What acts on an order: its history has each step once; its payin, payout and refunds are there once.
sub _audit_orders
{
	my ($self) = @_;
	my ($t, $base) = @{$self}{qw(t base)};
	my @wrong;
	my $payins = $self->_count_by('payins', 'order_id');
	my $payouts = $self->_count_by('payouts', 'order_id');
	my $expect = sub {
		my ($id, $history, $what, $n) = @_;
		my $said = join ' ', @{ $t->sim(GET => "orders/$id")->{history} };
		push @wrong, "order $id went $said" if $said !~ $history;
		push @wrong, "order $id has $n $what" if defined $n && $n != 1;
	};

	$expect->($_, qr/^PUBLISHED ACCEPTED PENDING_VALIDATE PENDING_RELEASE( RELEASED)?$/, 'payouts', $payouts->{$_} // 0)
	  for @{ $base->{chain} };
	$expect->($_, qr/^PUBLISHED CANCELLED$/) for @{ $base->{cancel} };
	$expect->($_, qr/^PUBLISHED$/) for @{ $base->{never} };
	$expect->($_, qr/^DRAFT PENDING_PUBLISH$/, 'payins', $payins->{$_} // 0) for @{ $base->{payin} };
	for my $id (@{ $base->{update} })
	{
		my $name = $t->sim(GET => "orders/$id")->{name};
		push @wrong, "order $id is named $name" if $name ne 'step 5';
	}
	return @wrong;
}

# What cannot be looked up took effect once if it is done, and never twice.
sub _audit_uncertain
{
	my ($self) = @_;
	my $t = $self->{t};
	my @wrong;
	my %cases = (
		send_order_receipt => sub { $t->sim(GET => "orders/$_[0]")->{receipts} // 0 },
		reimburse_order => sub { 0 + ($t->sim(GET => "orders/$_[0]")->{refunded} // 0) });

	for my $operation (sort keys %cases)
	{
		my %state = $self->_states($operation);
		for my $id (sort keys %state)
		{
			my $n = $cases{$operation}->($id);
			push @wrong, "$operation of order $id is $state{$id}, and happened $n times"
			  unless $state{$id} eq 'done' ? $n == 1 : $state{$id} eq 'uncertain' && ($n == 0 || $n == 1);
		}
	}
	return @wrong;
}

sub _audit_customers
{
	my ($self) = @_;
	my $customers = $self->_count_by('customers', 'email');

	return map { "there are " . ($customers->{$_} // 0) . " customers $_" }
	  grep { ($customers->{$_} // 0) != 1 }
	  split /\n/, $self->{t}->sql(q{SELECT args ->> 'email' FROM truust.requests WHERE operation = 'create_customer'});
}

# The outbox's own view: everything has ended, and only what cannot be looked up in doubt.
sub _audit_states
{
	my ($self) = @_;
	return split /\n/, $self->{t}->sql(<<~'SQL');
		SELECT format('request %s (%s) is %s: %s', r.id, r.operation, r.state, r.error)
		  FROM truust.requests r JOIN truust.endpoints() e ON e.name = r.operation
		 WHERE NOT (r.state = 'done' OR r.state = 'uncertain' AND e.repeat = 'uncertain') OR r.done_state = 'dead'
		UNION ALL
		SELECT format('order %s of request %s is not in truust.orders', r.response ->> 'id', r.id)
		  FROM truust.requests r
		 WHERE r.operation = 'create_order' AND r.state = 'done'
		   AND NOT EXISTS (SELECT FROM truust.orders o WHERE o.id = (r.response ->> 'id')::bigint)
		UNION ALL
		SELECT format('order %s in truust.orders is of no request', o.id)
		  FROM truust.orders o
		 WHERE NOT EXISTS (SELECT FROM truust.requests r WHERE r.response ->> 'id' = o.id::text OR r.args ->> 'order_id' = o.id::text)
		SQL
}

# Waits for the end of all, then compares; committed: how many requests there must be. Two tests.
sub audit
{
	my ($self, $name, $committed, $seconds) = @_;
	my $t = $self->{t};
	my @wrong;

	ok($t->settled($seconds // 120), "$name: all end") or diag $t->sql(<<~'SQL');
		SELECT state, operation, count(*), now(), min(next_attempt_at), max(next_attempt_at), max(attempts), max(looks), max(error)
			FROM truust.requests WHERE state IN ('queued', 'sending') GROUP BY 1, 2 ORDER BY 1, 2;
		SELECT * FROM truust_status();
		SELECT pid, backend_type, state, wait_event_type, wait_event, now() - xact_start, query FROM pg_stat_activity WHERE backend_type LIKE 'truust%';
		SELECT now() - sent_at, created_at, * FROM truust.requests WHERE state = 'sending' ORDER BY id LIMIT 3;
		SQL
	my $n = $t->sql('SELECT count(*) FROM truust.requests');
	push @wrong, "there are $n requests instead of $committed" if $n != $committed;
	push @wrong, $self->_audit_states;
	push @wrong, $self->_audit_marked(create_order => 'orders'), $self->_audit_marked(create_wallet => 'wallets'),
	  $self->_audit_marked(create_bundle => 'bundles'), $self->_audit_marked(refund_payin => 'refunds', 'payin_id');
	push @wrong, $self->_audit_customers;
	push @wrong, $self->_audit_orders, $self->_audit_uncertain if $self->{t}->sql(q{SELECT EXISTS (SELECT FROM truust.requests WHERE operation = 'accept_order')}) eq 't';
	is(join("\n", @wrong[ 0 .. ($#wrong > 9 ? 9 : $#wrong) ]), '', "$name: each took effect exactly once");
	return;
}

1;
