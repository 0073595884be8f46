# What the tests in this folder share: a server with the extension, rows to
# learn from, and timing.
package LstmTest;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw($library new_node preload make_tickets small background_sql wait_for_activity);

# Options of a training of some milliseconds.
sub small
{
	my ($more) = @_;
	my $options = '"epochs": 8, "hidden": 8, "embedding": 8, "bag_hidden": 8, "bag_features": 2000, "subwords": 100, "refit": false';

	return "'{$options" . (defined $more ? ", $more" : '') . "}'";
}

# A server that runs and has the extension in database postgres; settings as lines of its configuration.
sub new_node
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', join("\n", 'autovacuum = off', @settings) . "\n");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_lstm');
	# before 14 no server tells; then nothing is found that was left
	$node->safe_psql('postgres', q{
		SELECT current_setting('server_version_num')::integer < 140000 AS is_old \gset
		\if :is_old
			CREATE TABLE pg_backend_memory_contexts AS SELECT 'TopMemoryContext' AS name, 0 AS total_bytes;
		\endif
	});
	return $node;
}

# The library for LOAD.  In a private folder it is found below extension_destdir, where a server knows that, and
# along dynamic_library_path where it does not.
our $library = (defined $ENV{TEMP_CONFIG} ? slurp_file($ENV{TEMP_CONFIG}) : '') =~ /^extension_destdir/m ? '$libdir/pg_lstm' : 'pg_lstm';

# The setting that loads it when the server starts.
sub preload
{
	return "shared_preload_libraries = '$library'";
}

# Table ticket (id, body, cause, grid, hours) of n rows; cause can be told from body, its sign from grid.
sub make_tickets
{
	my ($node, $n, $database) = @_;

	$node->safe_psql($database // 'postgres', qq{
		CREATE TABLE ticket AS
		SELECT n AS id,
			   concat_ws(' ', (ARRAY['Hello', 'Please help', 'Again', 'Dear team'])[1 + n % 4],
						 (ARRAY['router', 'invoice', 'crash', 'cable', 'refund', 'freeze'])[1 + n % 6],
						 (ARRAY['since', 'after', 'before'])[1 + n / 3 % 3],
						 (ARRAY['the update', 'lunch', 'midnight', 'a call', 'the weekend'])[1 + n / 5 % 5], n % 101) AS body,
			   (ARRAY['network', 'billing', 'software'])[1 + n % 3] AS cause,
			   (SELECT array_agg(ARRAY[i::real / 4, (CASE WHEN n % 2 = 0 THEN i ELSE -i END)::real / 4] ORDER BY i)
				  FROM generate_series(1, 4 + n % 5) i) AS grid,
			   n % 2 = 0 AS is_even,
			   10.0 * (1 + n % 3) AS hours
		  FROM generate_series(1, $n) n});
}

# Start psql with a script and do not wait; returns a handle for finish() of IPC::Run and references to what it prints.
sub background_sql
{
	my ($node, $sql, $database) = @_;
	my ($out, $err) = ('', '');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script.sql';

	append_to_file($file, $sql);
	my $handle = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database // 'postgres'), '-f', $file ],
		'<', \undef, '>', \$out, '2>', \$err);

	return ($handle, \$out, \$err);
}

# Wait until a session runs a statement that contains the text; returns its process.
sub wait_for_activity
{
	my ($node, $text) = @_;
	my $query = "FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%$text%'";

	$node->poll_query_until('postgres', "SELECT count(*) > 0 $query")
	  or die "no session runs \"$text\"";
	return $node->safe_psql('postgres', "SELECT pid $query LIMIT 1");
}

1;
