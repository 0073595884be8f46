# Root causes, groups of rows and similar rows: cancel and statement_timeout act soon at any stage, memory and temporary files are given
# back, a limit on memory is kept, and a parallel worker that is ended ends the statement alone.
#
# The promise is 200 ms; a test that shares its machine with others allows a second and prints what it measured.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $LIMIT_MS = 1000;
my $node = new_node('causes', 'max_worker_processes = 16', 'work_mem = 1MB');

# docs: many short texts, of which half of the words are each row's own; long: a few of many megabytes.
$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT n AS id, (ARRAY['network', 'billing'])[1 + n % 2] AS label, n % 3 = 0 AS is_cohort,
		   (ARRAY['router down again', 'invoice is wrong'])[1 + n % 2] || ' ' || (SELECT string_agg(left(md5((n * 31 + i)::text), 3 + i % 6), ' ') FROM generate_series(1, 20) i) AS body
	  FROM generate_series(1, 8000) n;
	CREATE TABLE small AS SELECT * FROM docs WHERE id <= 200;
	CREATE TABLE long AS SELECT n AS id, repeat('router down some words that are long to read ', 200000) || n AS body, n % 2 = 0 AS is_cohort FROM generate_series(1, 4) n;
	SELECT lstm_train('small', 'body', 'label', 'm', options => '{"epochs": 4, "max_tokens": 1000000}')});

my $left = q{SELECT 'left', (SELECT count(*) FROM pg_backend_memory_contexts WHERE name ~ '^pg_lstm (root causes|causes|rows|similar|explain)') || ' contexts, ' ||
	(SELECT count(*) FROM pg_ls_tmpdir()) || ' temporary files, ' || (SELECT count(*) FROM pg_cursors) || ' cursors'};
my $nothing = '0 contexts, 0 temporary files, 0 cursors';
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2};

# Run a statement under timeouts; it must end soon after each, or be done before; at least the first must come in time.
sub times_out
{
	my ($what, $sql, @timeouts) = @_;
	my $n_late = 0;
	my $n_out = 0;
	my $n_left = 0;
	my $worst = 0;

	foreach my $timeout (@timeouts)
	{
		my ($out, $err);

		$node->psql('postgres', qq{
			LOAD '\$libdir/pg_lstm';
			$parallel;
			SELECT clock_timestamp() AS started \\gset
			SET statement_timeout = $timeout;
			$sql;
			SET statement_timeout = 0;
			SELECT 'ms', round(1000 * extract(epoch FROM clock_timestamp() - :'started')) - $timeout;
			$left},
			stdout => \$out, stderr => \$err, on_error_stop => 0);
		my $is_out = $err =~ /canceling statement due to statement timeout/;
		my ($late_ms) = $out =~ /^ms\|(-?\d+)/m;

		$late_ms //= 1e9;
		diag("$what, $timeout ms: $err") if $err ne '' && !$is_out;
		$n_out += $is_out;
		$n_late++ if $is_out && $late_ms >= $LIMIT_MS;
		$worst = $late_ms if $is_out && $late_ms > $worst;
		$n_left++ unless $out =~ /^left\|\Q$nothing\E$/m;
	}
	note("$what: $n_out of " . @timeouts . " timeouts came before the end; at most $worst ms late");
	cmp_ok($n_out, '>', 0, "$what: times out");
	is($n_late, 0, "$what: soon");
	is($n_left, 0, "$what: leaves nothing");
}

my @moments = (50, 200, 500, 1000, 2000);

times_out('root causes', q{SELECT count(*) FROM lstm_root_causes('m', 'docs', 'body', 'network', 'is_cohort', options => '{"explain_rows": 4000, "min_rows": 2}')}, @moments);
times_out('root causes of long texts', q{SELECT count(*) FROM lstm_root_causes('m', 'long', 'body', 'network', 'is_cohort')}, @moments);
times_out('the aggregate', q{SELECT cardinality(lstm_root_causes_agg('m', body, 'network', is_cohort)) FROM docs GROUP BY id % 2}, @moments);
times_out('the aggregate of long texts', q{SELECT cardinality(lstm_root_causes_agg('m', body, 'network', is_cohort)) FROM long}, @moments);
times_out('groups', q{SELECT count(*) FROM lstm_causes('m', 'docs', 'body', 'network', 50)}, @moments, 4000);
times_out('groups of long texts', q{SELECT count(*) FROM lstm_causes('m', 'long', 'body', 'network', 2)}, @moments);
times_out('similar rows', q{SELECT count(*) FROM lstm_similar('m', 'router down', 'docs', 'body', 10000)}, 50, 200);
times_out('similar long texts', q{SELECT count(*) FROM lstm_similar('m', 'router down', 'long', 'body', 3)}, @moments);
times_out('a condition that takes long', q{SELECT count(*) FROM lstm_root_causes('m', 'docs', 'body', 'network', 'pg_sleep(0.01) IS NOT NULL')}, 300);

# Several in one session, in subtransactions that are undone, with a cursor that is left open.
my ($result, $out, $err) = $node->psql('postgres', qq{
	CREATE FUNCTION tries() RETURNS integer LANGUAGE plpgsql AS \$\$
	DECLARE n integer := 0;
	BEGIN
		FOR i IN 1..5 LOOP
			BEGIN
				PERFORM lstm_root_causes('m', 'small', 'body', 'network', 'is_cohort AND id / (id - ' || 30 * i || ') IS NOT NULL');
			EXCEPTION WHEN division_by_zero THEN n := n + 1;
			END;
		END LOOP;
		RETURN n;
	END \$\$;
	SELECT tries();
	BEGIN; DECLARE c CURSOR FOR SELECT rank FROM lstm_similar('m', 'router', 'small', 'body', 100), generate_series(1, 1000); FETCH 1 FROM c; COMMIT;
	$left});
is($result, 0, 'a session of errors');
like($out, qr/^5$/m, 'each was caught');
like($out, qr/^left\|\Q$nothing\E$/m, 'they leave nothing');

# Memory: a clear error where the limit is too low.
foreach my $call (q{lstm_root_causes('m', 'docs', 'body', 'network', 'is_cohort')}, q{lstm_causes('m', 'docs', 'body', 'network', 5)})
{
	($result, $out, $err) = $node->psql('postgres', "SET pg_lstm.train_memory = '1MB'; SELECT count(*) FROM $call");
	like($err, qr/ERROR: .*(memory|MB)/, "$call: a limit that is too low");
}

# A worker of the aggregate is ended: the statement fails, the session goes on, and the answer is then as before.
my $ask = q{SELECT md5(lstm_root_causes_agg('m', body, 'network', is_cohort)::text) FROM docs WHERE id <= 2000};
my $answer = $node->safe_psql('postgres', "$parallel; $ask");
my ($handle, $said, $failed) = background_sql($node, qq{
	LOAD '\$libdir/pg_lstm';
	$parallel;
	SET application_name = 'asker';
	SELECT md5(lstm_root_causes_agg('m', body || CASE WHEN pg_sleep(0.01) IS NULL THEN 'x' ELSE '' END, 'network', is_cohort)::text) FROM docs;
	$ask;
	$left});
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 'there is a worker');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
$handle->finish;
like($$failed, qr/terminating/, 'a worker that is ended ends the statement');
like($$said, qr/^\Q$answer\E$/m, 'the session answers as before');
like($$said, qr/^left\|\Q$nothing\E$/m, 'and nothing is left');

$node->stop;
done_testing();
