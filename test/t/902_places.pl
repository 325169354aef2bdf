# Places with unusual names: what is built in them, and where the tools work.

use strict;
use warnings FATAL => 'all';

use Cwd qw(getcwd);
use PostgreSQL::Test::Utils;
use Test::More;

my $version = slurp_file('truust.control') =~ /^default_version = '(.*)'/m ? $1 : die;
my $place = PostgreSQL::Test::Utils::tempdir . "/a b \xc3\xbc";

mkdir $place or die;
mkdir "$place/$_" or die for 'src', 'src/receiver';
system('cp', 'truust.control', "$place/") == 0 or die;
system('cp', 'src/receiver/Makefile', glob('src/receiver/*.[ch]'), "$place/src/receiver/") == 0 or die;
# make's own opinion of its variables, without a build
my $variables = do { local $ENV{LC_ALL} = 'C'; open my $make, '-|', 'make', '-C', "$place/src/receiver", '-pn' or die; local $/; <$make> };
like($variables, qr/^VERSION := \Q$version\E$/m, 'a checkout whose path has blanks: the receiver knows its version');

for my $dir ($place, 'relative', '/tmp')
{
	local $ENV{TMPDIR} = $dir;
	my $work = `bash -c '. tools/lib.sh; work_area; echo "\$WORK"'`;
	like($work, qr{^/tmp/truust\.\w+$}, "with TMPDIR=$dir the tools work where PostgreSQL can");
	chomp $work;
	ok(!-e $work, 'and leave nothing');
}

done_testing;
