#!/usr/bin/env perl
# tools/meta-check.pl FILE: what a META.json lacks of the PGXN Meta Spec 1.0.0, a line for each; nothing where it is well.
# Files that it names are looked for beside it.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use JSON::PP ();

my ($path) = @ARGV;
my $home = dirname($path);
my @wrong;

my $SEMVER = qr/^\d+\.\d+\.\d+(-?[A-Za-z][-A-Za-z0-9.]*)?$/;
my $RANGE = qr/^(0|((==|!=|>=|>|<=|<)\s*)?\d+\.\d+\.\d+(-?[A-Za-z][-A-Za-z0-9.]*)?(\s*,\s*(==|!=|>=|>|<=|<)?\s*\d+\.\d+\.\d+)*)$/;
my $TERM = qr/^[^\s\/\\[:cntrl:]][^\/\\[:cntrl:]]+$/;
my %LICENSE = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3
	lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown);

# The value is as a check wants it; both are scalars, so that a match is no list of what it captured.
sub want($$)
{
	my ($good, $what) = @_;
	push @wrong, $what unless $good;
	return $good;
}

sub is_text { return defined $_[0] && !ref $_[0] && length $_[0] }
sub is_texts { return ref $_[0] eq 'ARRAY' ? @{ $_[0] } && !grep { !is_text($_) } @{ $_[0] } : is_text($_[0]) }

# A member is of a kind; without it, it may be missing.
my %CHECK = (
	name => sub { is_text($_[0]) && $_[0] =~ $TERM },
	version => sub { is_text($_[0]) && $_[0] =~ $SEMVER },
	abstract => \&is_text,
	description => \&is_text,
	generated_by => \&is_text,
	maintainer => \&is_texts,
	license => sub {
		return !grep { !/^https?:/ } values %{ $_[0] } if ref $_[0] eq 'HASH';
		return is_texts($_[0]) && !grep { !$LICENSE{$_} } ref $_[0] ? @{ $_[0] } : $_[0];
	},
	provides => sub { ref $_[0] eq 'HASH' && %{ $_[0] } },
	prereqs => sub { ref $_[0] eq 'HASH' },
	tags => sub { ref $_[0] eq 'ARRAY' && !grep { !is_text($_) || length > 255 || !/$TERM/ } @{ $_[0] } },
	release_status => sub { is_text($_[0]) && $_[0] =~ /^(stable|testing|unstable)$/ },
	resources => sub { ref $_[0] eq 'HASH' },
	no_index => sub { ref $_[0] eq 'HASH' && !grep { !/^(file|directory)$/ } keys %{ $_[0] } },
	'meta-spec' => sub { ref $_[0] eq 'HASH' && ($_[0]{version} // '') =~ /^1\.0\.\d+$/ && ($_[0]{url} // '') =~ m{^https?://pgxn\.org/meta/spec\.txt$} });

open my $file, '<:raw', $path or die "$path: $!\n";
my $meta = eval { JSON::PP->new->utf8->decode(do { local $/; <$file> }) };
want(ref $meta eq 'HASH', 'is no JSON object: ' . ($@ || 'something else')) or report();

want(exists $meta->{$_}, "has no $_") for qw(name version abstract maintainer license provides meta-spec);
for my $member (sort keys %$meta)
{
	next if $member =~ /^[xX]_/;
	want($CHECK{$member}, "$member is not known") or next;
	want($CHECK{$member}->($meta->{$member}), "$member is not as the specification wants it");
}

for my $extension (sort keys %{ $meta->{provides} // {} })
{
	my %part = %{ $meta->{provides}{$extension} };

	want($extension =~ $TERM, "provides: $extension is no name");
	want(is_text($part{file}) && -f "$home/$part{file}", "provides: $extension: there is no file " . ($part{file} // ''));
	want(($part{version} // '') =~ $SEMVER, "provides: $extension: has no version");
	want(!exists $part{docfile} || -f "$home/$part{docfile}", "provides: $extension: there is no docfile");
	want(/^(file|version|abstract|docfile|[xX]_.*)$/, "provides: $extension: $_ is not known") for sort keys %part;
}

for my $phase (sort keys %{ $meta->{prereqs} // {} })
{
	want($phase =~ /^(configure|build|test|runtime|develop|[xX]_.*)$/, "prereqs: $phase is no phase");
	for my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		my %needed = %{ $meta->{prereqs}{$phase}{$relation} };

		want($relation =~ /^(requires|recommends|suggests|conflicts|[xX]_.*)$/, "prereqs: $phase: $relation is no relation");
		want($needed{$_} =~ $RANGE, "prereqs: $phase: $relation: $_: $needed{$_} is no version") for sort keys %needed;
	}
}

sub report
{
	print map { "$path: $_\n" } @wrong;
	exit(@wrong ? 1 : 0);
}
report();
