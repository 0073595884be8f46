# Every SQL example of README.md runs as it stands, in order, in a new database.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::Bin/../README.md");
my @blocks = $readme =~ /^```sql\n(.*?)^```/msg;
cmp_ok(scalar(@blocks), '>', 5, 'README has examples');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_lstm');

# One session, as a reader would type it: \gset needs that.
my $n = 0;
my $script = "\\set ON_ERROR_STOP on\n";
$script .= "\\echo block " . ++$n . "\n$_" foreach @blocks;
my ($stdout, $stderr) = ('', '');
my $status = $node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr);
is($status, 0, 'all examples run') or diag("$stdout\n$stderr");

for my $i (1 .. $n)
{
	like($stdout, qr/^block $i$/m, "block $i was reached");
}

is($node->safe_psql('postgres',
	q{SELECT metrics->>'accuracy' > '0.9' FROM lstm_versions WHERE model = 'tickets_root_cause' AND live}),
	't', 'the example model is a good one');

$node->stop;
done_testing();
