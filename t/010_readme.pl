# Every SQL example of README.md and of the worked example in doc/causes.md runs as it
# stands, in order, in a new database.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;

# Run a page's examples in one session, as a reader would type them: \gset needs that.
sub run_page
{
	my ($page, $database) = @_;
	my @blocks = slurp_file("$FindBin::Bin/../$page") =~ /^```sql\n(.*?)^```/msg;
	my $n = 0;
	my $script = "\\set ON_ERROR_STOP on\n";
	my ($stdout, $stderr) = ('', '');

	cmp_ok(scalar(@blocks), '>', 5, "$page has examples");
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_lstm');
	$script .= "\\echo block " . ++$n . "\n$_" foreach @blocks;
	my $status = $node->psql($database, $script, stdout => \$stdout, stderr => \$stderr);
	is($status, 0, "$page: all examples run") or diag("$stdout\n$stderr");
	like($stdout, qr/^block $_$/m, "$page: block $_ was reached") foreach 1 .. $n;
	return $stdout;
}

run_page('README.md', 'readme');
is($node->safe_psql('readme',
	q{SELECT metrics->>'accuracy' > '0.9' FROM lstm_versions WHERE model = 'tickets_root_cause' AND live}),
	't', 'the example model is a good one');

like(run_page('doc/causes.md', 'causes'), qr/firmware update 7/, 'the cause that was planted is found');
is($node->safe_psql('causes', q{SELECT count(*) > 0 FROM support_dashboard WHERE causes IS NOT NULL}),
	't', 'the dashboard has something to show');

$node->stop;
done_testing();
