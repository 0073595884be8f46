# The batch node: how much it gathers, what EXPLAIN says, the extended protocol,
# cancels, memory, and what happens around it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use BatchTest;
use WireClient;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = new_node('batch_node', 'max_worker_processes = 16', 'max_parallel_workers = 8', 'fsync = off', 'max_parallel_workers_per_gather = 0');

$node->safe_psql('postgres', batch_tables());

# ---- how much is gathered ------------------------------------------------------

# Batches, the largest, and the rows that the child was asked for.
sub gathered
{
	my ($sql, $settings) = @_;
	# the first call of a session loads the model
	my $plan = $node->safe_psql('postgres', "SELECT lstm_predict('m', 'x'); " . ($settings // '') . " EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $sql");
	my ($batches) = $plan =~ /\bBatches: (\d+)/ or return "nothing:\n$plan";
	my ($largest) = $plan =~ /Largest Batch: (\d+)/;
	my ($rows) = $plan =~ /Rows Replayed.*?actual rows=(\d+)/s;

	return "$batches batches, $largest at most, $rows rows";
}

is(gathered("SELECT lstm_predict('m', x) FROM t"), '4 batches, 127 at most, 200 rows', 'all rows');
my $dealt = gathered("SELECT max(lstm_predict('m', x)) FROM t", 'SET max_parallel_workers_per_gather = 1; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;');
cmp_ok($dealt =~ /(\d+) at most/ ? $1 : 200, '<=', 64, 'in a parallel plan nobody takes more than half of the rows that it expects');
is(gathered("SELECT lstm_predict('m', x) FROM t LIMIT 1"), '1 batches, 1 at most, 1 rows', 'LIMIT 1');
is(gathered("SELECT lstm_predict('m', x) FROM t LIMIT 10"), '4 batches, 4 at most, 10 rows', 'LIMIT 10');
is(gathered("SELECT lstm_predict('m', x) FROM t OFFSET 3 LIMIT 7"), '4 batches, 4 at most, 10 rows', 'OFFSET');
is(gathered("SELECT lstm_predict('m', x) FROM t LIMIT 100"), '7 batches, 37 at most, 100 rows', 'LIMIT 100');
is(gathered("SELECT lstm_predict('m', x) FROM p LIMIT 52"), '6 batches, 19 at most, 50 rows', 'LIMIT over partitions');
is(gathered("SELECT lstm_predict('m', x) FROM t ORDER BY y LIMIT 6"), '3 batches, 3 at most, 6 rows', 'LIMIT over a sort');
like(gathered("SELECT id FROM t WHERE lstm_predict('m', x) = 'nothing' LIMIT 3"), qr/^[89] batches/, 'a qual that never holds: batches grow');
is(gathered("SELECT id FROM bad WHERE lstm_predict('m', (id / 1)::text) = 'nothing' LIMIT 3"), '8 batches, 3 at most, 20 rows', 'and do not where an error could be seen');
is(gathered("SELECT lstm_predict('m', x) FROM t", 'SET pg_lstm.batch_size = 1;'), '200 batches, 1 at most, 200 rows', 'batch_size = 1');
is(gathered("SELECT lstm_predict('m', x) FROM t", 'SET pg_lstm.batch_size = 50;'), '6 batches, 50 at most, 200 rows', 'batch_size = 50');
is(gathered("SELECT count(*) FROM t, u WHERE k = 1 AND lstm_predict('m', x) = 'b'"), '4 batches, 127 at most, 200 rows', 'below a join');
like(gathered("SELECT lstm_predict('m', repeat(x, 1)) FROM (SELECT repeat(x, 300) AS x FROM t OFFSET 0) s", "SET work_mem = '64kB';"), qr/^(1[0-9]|[2-9][0-9]) batches/, 'work_mem bounds them');
is(gathered("SELECT id FROM bad WHERE id < 6 AND EXISTS (SELECT 1 FROM t WHERE lstm_predict('m', (t.id / 1)::text) > '' OFFSET 0)"), '1 batches, 1 at most, 1 rows', 'EXISTS');
is(gathered("SELECT id, CASE WHEN g = 1 THEN lstm_predict('m', x) END FROM t LIMIT 20") =~ s/,.*,/,/r, '5 batches, 20 rows', 'guarded calls');

# Rows computed: once for a call that stands twice, none for guards that do not hold.
sub computed
{
	my ($sql, $settings) = @_;
	my $plan = $node->safe_psql('postgres', "SELECT lstm_predict('m', 'x'), lstm_predict('r', 'x'); " . ($settings // '') . " EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $sql");
	my $sum = 0;

	$sum += $1 while $plan =~ /Rows Computed: (\d+)/g;
	return $sum;
}

is(computed("SELECT lstm_predict('m', y) FROM t WHERE lstm_predict('m', y) > ''"), 200, 'a call in WHERE and in the target list');
is(computed("SELECT CASE WHEN g = 1 THEN lstm_predict('m', y) END FROM t"), 40, 'CASE');
is(computed("SELECT CASE WHEN g = 1 THEN lstm_predict('m', y) END, lstm_predict('m', y) FROM t"), 200, 'with and without CASE');
is(computed("SELECT lstm_predict('r', y) FROM t WHERE g = 1 AND lstm_predict('m', y) = 'nothing'"), 40, 'WHERE guards the target list');
is(computed("SELECT lstm_predict('m', x) FROM t"), 182, 'NULLs are not computed');
is(computed("SELECT count(*) FILTER (WHERE g = 2), max(lstm_predict('m', y)) FILTER (WHERE g = 2) FROM t"), 40, 'FILTER');
# Which rows a worker gets together, and so which inputs it finds twice, is chance.
is(computed("SELECT max(lstm_predict('m', y || id)) FROM t", 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'),
	200, 'workers report');
is(computed("SELECT max(lstm_predict('m', y || id)) FROM t", 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;'),
	200, 'workers alone report');

# ---- EXPLAIN --------------------------------------------------------------------

is($node->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) SELECT id, lstm_predict('m', x), CASE WHEN g = 1 THEN lstm_predict('m', y) END FROM t WHERE g < 4 AND lstm_predict('m', x) LIKE 'a%'"),
	q{Custom Scan (LstmBatch)
  Output: id, (lstm_predict('m'::text, x)), CASE WHEN (g = 1) THEN (lstm_predict('m'::text, y)) ELSE NULL::text END
  Filter: ((lstm_predict('m'::text, t.x)) ~~ 'a%'::text)
  Batched Calls: lstm_predict('m'::text, t.x), lstm_predict('m'::text, t.y)
  ->  Seq Scan on public.t
        Output: id, x, g, y
        Filter: (t.g < 4)}, 'EXPLAIN VERBOSE');
foreach my $format (qw(JSON XML YAML))
{
	my $plan = $node->safe_psql('postgres', "EXPLAIN (ANALYZE, FORMAT $format) SELECT lstm_predict('m', x) FROM t");

	foreach my $name ('Batched Calls', 'Batches', 'Largest Batch', 'Rows Computed', 'Duplicate Rows', 'Packed Batches', 'Tokens', 'Rows Replayed')
	{
		my $tag = $format eq 'XML' ? $name =~ s/ /-/gr : $name;

		like($plan, qr/\b$tag\b/, "EXPLAIN (FORMAT $format) has \"$name\"");
	}
}

# What the networks did: rows computed, duplicates, packed batches and tokens of all nodes of a plan.
sub worked
{
	my ($sql, $settings) = @_;
	my $plan = $node->safe_psql('postgres', "SELECT lstm_predict('m', 'x'), lstm_predict('r', 'x'), lstm_predict('v', ARRAY[1, 2, 3]), lstm_predict('l', 'x'); "
		  . ($settings // '') . " EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $sql");
	my @sums = (0, 0, 0, 0);

	foreach my $i (0 .. 3)
	{
		my $name = ('Rows Computed', 'Duplicate Rows', 'Packed Batches', 'Tokens')[$i];

		$sums[$i] += $1 while $plan =~ /$name: (\d+)/g;
	}
	return join(' ', @sums);
}

sub tokens
{
	my ($call, $rows) = @_;

	return $node->safe_psql('postgres', "SELECT sum((lstm_classify($call)).tokens_used) FROM $rows");
}

my $alone = 'SET pg_lstm.batch_size = 1;';
my $n_y = tokens(q{'m', y}, 't');
my $n_x = tokens(q{'m', x}, 't WHERE x IS NOT NULL');

is(worked("SELECT lstm_predict('m', y) FROM t", $alone), "200 0 200 $n_y", 'alone, each row is a packed batch');
is(worked("SELECT lstm_predict('m', y), lstm_predict('m', x) FROM t", $alone), '382 0 382 ' . ($n_y + $n_x), 'two calls of a model: rows and tokens of both');
is(worked("SELECT lstm_predict('m', y), lstm_embed('m', y) FROM t", $alone), '400 0 400 ' . 2 * $n_y, 'two functions of a model');
my ($n_regress) = worked("SELECT lstm_regress('r', y) FROM t", $alone) =~ /^200 0 200 (\d+)$/;
is(worked("SELECT lstm_predict('m', y), lstm_regress('r', y) FROM t", $alone), '400 0 400 ' . ($n_y + $n_regress), 'two models');
# gathered: 1, 8, 64 and 127 rows, of which 48 make a packed batch
is(worked("SELECT lstm_predict('m', y || id) FROM t") =~ s/ \d+$//r, '200 0 7', 'packed batches of distinct inputs');
is(worked("SELECT lstm_predict('m', y), lstm_embed('m', y) FROM t WHERE id <= 9") =~ s/ \d+$//r, '18 0 4', 'of two calls');
is(worked("SELECT lstm_predict('m', y) FROM t ORDER BY 1"),
	$node->safe_psql('postgres', q{SELECT 200 || ' ' || 200 - sum(n) || ' 4 ' || sum(tokens) FROM (
		SELECT count(*) AS n, sum((lstm_classify('m', y)).tokens_used) AS tokens
		  FROM (SELECT DISTINCT y, CASE WHEN id <= 1 THEN 1 WHEN id <= 9 THEN 2 WHEN id <= 73 THEN 3 ELSE 4 END AS batch FROM t) s GROUP BY batch) b}),
	'duplicates are counted, and their tokens are not read');
foreach my $case ([ "lstm_score('l', y)", 'a likelihood' ], [ "lstm_predict('l', y)", 'texts that go on' ], [ "lstm_embed('l', y)", 'vectors of texts' ], [ "lstm_predict('v', ARRAY[g, id, 1]::real[])", 'series' ])
{
	my ($call, $what) = @$case;

	like(worked("SELECT $call FROM t WHERE id <= 20", $alone), qr/^20 0 20 [1-9]\d+$/, "$what: packed batches and tokens are counted");
}
my ($stdout, $stderr);
$node->psql('postgres', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET client_min_messages = log; SELECT count(lstm_predict('m', y)) FROM t",
	stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/LstmBatch/, 'auto_explain shows the node');
$node->psql('postgres', "EXPLAIN SELECT lstm_predict('nomodel', x) FROM t", stdout => \$stdout, stderr => \$stderr);
is($stderr, '', 'EXPLAIN opens no model');

# ---- extended protocol ------------------------------------------------------------

{
	my @queries = (
		[ q{SELECT id, lstm_predict('m', x) FROM t WHERE id < $1}, 50 ],
		[ q{SELECT id, lstm_predict('m', x || $1) FROM t WHERE lstm_predict('m', x) > $2}, 'more', 'a' ],
		[ q{SELECT id, lstm_predict('m', (1 / ($1 - id))::text) FROM bad}, 7 ],
		[ q{SELECT id, lstm_predict(m, x) FROM bad LIMIT $1}, 6 ],
		[ q{SELECT id, lstm_predict(m, x) FROM bad} ],
		[ q{SELECT a.id, v FROM (SELECT id, lstm_predict('m', (1 / (7 - id))::text) AS v FROM bad OFFSET 0) a JOIN u ON k < 3} ],
		[ q{SELECT lstm_predict('m', y), count(*) FROM t GROUP BY 1 ORDER BY 1} ],
		[ q{SELECT id, noisy(y), lstm_predict('m', x) FROM t WHERE id < 9} ],
		[ q{UPDATE t SET g = g + 1 WHERE lstm_predict('m', x) = $1 RETURNING id, lstm_predict('m', y)}, 'b' ],
		[ q{INSERT INTO o SELECT id, lstm_predict('m', x) FROM t RETURNING *} ]);
	my $n_different = 0;

	foreach my $max_rows (0, 1, 3, 7)
	{
		my %results;

		foreach my $setting ('off', 'on')
		{
			my $client = WireClient->connect($node, 'postgres');

			$client->query("SET pg_lstm.enable_batch = $setting", 0);
			foreach my $query (@queries)
			{
				my ($sql, @parameters) = @$query;

				# each in a transaction that is undone
				$client->query('BEGIN', 0);
				my $result = $client->query($sql, $max_rows, @parameters);

				# How many rows come before an error is nothing to rely on.
				$result =~ s/^.*?(?=^ERROR)//ms;
				push @{ $results{$setting} }, $result;
				$client->query('ROLLBACK', 0);
			}
			$client->close;
		}
		foreach my $i (0 .. $#queries)
		{
			next if $results{off}[$i] eq $results{on}[$i] && $results{off}[$i] ne '';
			$n_different++;
			diag("$queries[$i][0], $max_rows rows at once\n--- off\n$results{off}[$i]\n--- on\n$results{on}[$i]");
		}
	}
	is($n_different, 0, 'extended protocol, all rows and a few at a time');
}

# ---- around it ------------------------------------------------------------------------

# An extension that goes and comes under a prepared statement.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION pg_lstm; CREATE TABLE d AS SELECT n AS id, 'text ' || n AS x FROM generate_series(1, 20) n});
$node->psql('other', q{
	PREPARE q AS SELECT count(sentiment_score(x)) FROM d;
	EXECUTE q; EXECUTE q;
	DROP EXTENSION pg_lstm;
	EXECUTE q;
	CREATE EXTENSION pg_lstm;
	EXECUTE q;
	EXPLAIN (COSTS OFF) EXECUTE q}, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
like($stdout, qr/^20\n20\n20\nAggregate\n.*LstmBatch/s, 'a prepared statement over DROP and CREATE EXTENSION');
like($stderr, qr/^psql:\S+ ERROR:  function sentiment_score\(text\) does not exist/, 'which has no function in between');
is($stderr =~ tr/\n//, 1, 'and nothing else fails') or diag($stderr);

# The setting decides when a statement starts, not when it is planned.
is($node->safe_psql('postgres', q{
	PREPARE q AS SELECT lstm_predict('m', x) FROM t; SET plan_cache_mode = force_generic_plan;
	EXPLAIN (COSTS OFF) EXECUTE q; SET pg_lstm.enable_batch = off; EXPLAIN (COSTS OFF) EXECUTE q; RESET pg_lstm.enable_batch; EXPLAIN (COSTS OFF) EXECUTE q}) =~ s/^ .*\n//mgr,
	"Custom Scan (LstmBatch)\nSeq Scan on t\nCustom Scan (LstmBatch)\n  ->  Seq Scan on t", 'the setting applies to prepared statements');

# Memory: statements leave nothing, and those of a function do not add up.
my $left = "SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'pg_lstm plan%' OR name LIKE 'pg_lstm batch%' AND name <> 'pg_lstm batched functions'";
is($node->safe_psql('postgres', qq{
	SELECT FROM t WHERE lstm_predict('m', x) = 'nothing';
	SELECT count(not_inlined(id)) FROM t WHERE id < 20;
	$left}), "19\n0", 'no memory context is left');
my ($before, $after) = $node->safe_psql('postgres', q{
	SELECT FROM generate_series(1, 200) n WHERE counted(n - n + 3) < 0;
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts;
	SELECT FROM generate_series(1, 5000) n WHERE counted(n - n + 3) < 0;
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts}) =~ /(\d+)/g;
cmp_ok($after - $before, '<', 500_000, 'nor does memory grow with calls of a function');

# Cancel and timeout, wherever the node is.
$node->safe_psql('postgres', q{CREATE TABLE long AS SELECT n AS id, repeat('router cable word' || n || ' ', 400) AS x FROM generate_series(1, 3000) n});
{
	my $started = time;

	$node->psql('postgres', qq{
		SET statement_timeout = 300;
		SELECT count(lstm_predict('m', x)) FROM long;
		SELECT count(lstm_predict('m', x)) FROM long;
		BEGIN; DECLARE c CURSOR FOR SELECT lstm_predict('m', x) FROM long; SAVEPOINT s; MOVE ALL IN c; ROLLBACK TO s; ROLLBACK;
		RESET statement_timeout;
		$left;
		SELECT count(lstm_predict('m', x)) FROM t}, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	my $n_canceled = () = $stderr =~ /canceling statement due to statement timeout/g;

	is($n_canceled, 3, 'statements time out');
	is($stdout, "0\n182", 'leave nothing, and the session answers on');
	cmp_ok(time - $started, '<', 8, 'soon');
	note(sprintf('%.2f s for 3 timeouts of 0.3 s', time - $started));
}
{
	my ($handle, $out, $err) = background_sql($node, "SELECT count(lstm_predict('m', x)) FROM long; $left");
	my $pid = wait_for_activity($node, 'FROM long');

	sleep 0.3;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$handle->finish;
	like($$err, qr/canceling statement due to user request/, 'a statement is canceled');
	is($$out, "0\n", 'and leaves nothing');
}
# Errors in a savepoint, then on.
is($node->safe_psql('postgres', q{
	DO $$ BEGIN
		FOR i IN 1 .. 20 LOOP
			BEGIN PERFORM lstm_predict(m, x) FROM bad; RAISE 'not reached'; EXCEPTION WHEN undefined_object OR undefined_table OR invalid_parameter_value THEN NULL; END;
		END LOOP;
	END $$;
	} . $left), '0', 'errors that are caught leave nothing');

done_testing();
