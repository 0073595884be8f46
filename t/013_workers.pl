# Several processes train one model: the same bytes with any number of them, and
# all of them end when one does.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

# The promise is 200 ms; a test that shares its machine with others allows a second.
my $LIMIT_MS = 1000;
# Segments of shared memory are files of the server, so that they can be counted.
my $node = new_node('workers', 'max_worker_processes = 12', 'dynamic_shared_memory_type = mmap');

$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT n AS id, (ARRAY['network', 'billing', 'crash'])[1 + n % 3] AS label,
		   (SELECT string_agg(substr(md5((n * 31 + i)::text), 1, 2), ' ') FROM generate_series(1, 3 + n % 30) i) AS body,
		   (SELECT array_agg(sin(n * i)::real ORDER BY i) FROM generate_series(1, 12) i) AS series
	  FROM generate_series(1, 400) n;
	CREATE TABLE tags AS
	SELECT ARRAY['see', 'Dr', 'name' || n % 50, 'now'] AS words, ARRAY['O', 'O', 'B-person', 'O'] AS tag FROM generate_series(1, 200) n;
	CREATE FUNCTION digest_of(input name, target name, relation regclass, options jsonb) RETURNS text LANGUAGE plpgsql AS
	$$
	BEGIN
		PERFORM lstm_train(relation, input, target, concat_ws('_', 'm', input, target), options => options);
		RETURN (SELECT digest FROM lstm_versions WHERE model = concat_ws('_', 'm', input, target) AND live);
	END
	$$;
});

my $small = '{"epochs": 3, "hidden": 16, "embedding": 16, "batch": 32, "shards": 8}';
# A training that is still under way when it is looked at.
my $long = q{SELECT lstm_train('docs', 'body', 'label', 'x', options => '{"epochs": 1000, "hidden": 64, "batch": 64, "workers": 3}')};

# ---- one result ------------------------------------------------------------------

foreach my $case (
	[ 'texts', qq{'body', 'label', 'docs', '$small' || '{"class_weights": "balanced", "refit": true}'::jsonb} ],
	[ 'numbers', qq{'series', 'label', 'docs', '$small'::jsonb - 'embedding'} ],
	[ 'tags', qq{'words', 'tag', 'tags', '$small'} ],
	[ 'a running text', qq{'body', NULL, 'docs', '$small' || '{"running": true, "bptt": 5}'::jsonb} ],
	[ 'forecasts', qq{'series', NULL, 'docs', '{"epochs": 2, "hidden": 8, "horizon": 2, "window": 4, "shards": 8}'::jsonb} ])
{
	my ($what, $arguments) = @$case;
	my ($out, $err);

	$node->psql('postgres', qq{
		SET pg_lstm.progress = off;
		SELECT count(DISTINCT digest_of($arguments || jsonb_build_object('workers', w)))
		  FROM unnest('{1,2,3,4,8}'::int[]) w},
		stdout => \$out, stderr => \$err);
	is($out, '1', "$what: 1, 2, 3, 4 and 8 processes make the same bytes");
	is($err, '', "$what: nothing is said");
}

# Of texts by default, at all defaults of the setting.
is($node->safe_psql('postgres', qq{
	SELECT digest_of('body', 'label', 'docs', '$small') = digest_of('body', 'label', 'docs', '$small' || '{"workers": 2}'::jsonb)}),
	't', 'without a number of workers: the same bytes');
isnt($node->safe_psql('postgres', qq{
	SELECT digest_of('body', 'label', 'docs', '$small') = digest_of('body', 'label', 'docs', '$small' || '{"shards": 4}'::jsonb)}),
	't', 'in other shards: other bytes');

# ---- what is seen -------------------------------------------------------------------

my $count_workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker'};

sub no_worker_left
{
	my ($what) = @_;
	my $asked = time;

	ok($node->poll_query_until('postgres', "SELECT ($count_workers) = 0"), "$what: no worker is left");
	cmp_ok(1000 * (time - $asked), '<', $LIMIT_MS, "$what: soon");
}

sub segments
{
	return scalar(() = glob($node->data_dir . '/pg_dynshmem/*'));
}

# Starts the long training; returns its handle, its messages and its process once both workers run.
sub start_long
{
	my ($sql) = @_;
	my ($handle, $out, $err) = background_sql($node, "LOAD '$library'; SET application_name = 'long'; " . ($sql // $long));

	$node->poll_query_until('postgres', "SELECT ($count_workers AND state = 'active') = 2") or die 'the workers do not run';
	return ($handle, $err, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'long'}));
}

{
	my ($handle, $err, $pid) = start_long();

	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' AND datname = 'postgres' AND query LIKE 'training with process %'}),
		'2', 'pg_stat_activity shows the workers');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)}),
		'0', 'which hold no snapshot');
	my $asked = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$handle->finish;
	note(sprintf('%d ms after the cancel', 1000 * (time - $asked)));
	cmp_ok(1000 * (time - $asked), '<', $LIMIT_MS, 'a cancel ends the training soon');
	like($$err, qr/canceling statement due to user request/, 'as a cancel');
	no_worker_left('after a cancel');
}

{
	my ($handle, $err, $pid) = start_long();

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	$handle->finish;
	no_worker_left('after the session was terminated');
}

{
	my ($handle, $err, $pid) = start_long();
	my $asked = time;

	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' LIMIT 1});
	$handle->finish;
	note(sprintf('%d ms after a worker was terminated', 1000 * (time - $asked)));
	cmp_ok(1000 * (time - $asked), '<', 2 * $LIMIT_MS, 'a terminated worker ends the training soon');
	like($$err, qr/ERROR:  worker process \d+ of the training was terminated/, 'which says so');
	no_worker_left('after a worker was terminated');
}

{
	my ($handle, $err, $pid) = start_long();

	$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' LIMIT 1});
	$handle->finish;
	like($$err, qr/ERROR:  canceling statement due to user request/, 'a canceled worker cancels the training');
	no_worker_left('after a worker was canceled');
}

# In one session, with what follows: errors that are caught, timeouts, and a training that works.
{
	my ($out, $err);
	my $before = segments();

	$node->psql('postgres', qq{
		DO \$\$
		BEGIN
			FOR i IN 1 .. 3 LOOP
				BEGIN
					SET LOCAL statement_timeout = 0;
					PERFORM lstm_train('docs', 'body', 'label', 'x', options => '{"epochs": 20, "rate": 10, "rate_bag": 10, "clip": 0, "optimizer": "sgd", "rate_embedding": 10, "hidden": 16, "batch": 32, "workers": 3}');
				EXCEPTION WHEN floating_point_exception THEN
					NULL;
				END;
			END LOOP;
		END \$\$;
		SET statement_timeout = 300;
		$long;
		$long;
		SET statement_timeout = 0;
		SELECT 'again', digest_of('body', 'label', 'docs', '$small' || '{"workers": 3}'::jsonb) = digest_of('body', 'label', 'docs', '$small')},
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($out, qr/^again\|t$/m, 'after errors and timeouts the session trains as before');
	is(() = $err =~ /canceling statement due to statement timeout/g, 2, 'timeouts act');
	unlike($err, qr/leak|WARNING/, 'nothing leaks');
	no_worker_left('after all that');
	is(segments(), $before, 'no segment of shared memory is left');
}

# ---- what is foreseen ------------------------------------------------------------------

# Processors that a training can have.
my ($n_processors) = $node->safe_psql('postgres', q{SELECT value FROM lstm_doctor() WHERE item = 'pg_lstm.max_workers'}) =~ /; (\d+) processors,/;

{
	my $options = qq{'{"epochs": 4, "hidden": 64, "batch": 64, "shards": 8, "refit": false, "bag": false}'};
	my ($alone, $together, $alone_s, $together_s) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT max(peak_bytes) FILTER (WHERE w = 1), max(peak_bytes) FILTER (WHERE w = 2), min(seconds) FILTER (WHERE w = 1), min(seconds) FILTER (WHERE w = 2)
		  FROM unnest('{1,2,1,2,1,2}'::int[]) w, LATERAL lstm_estimate('docs', 'body', 'label', options => $options || jsonb_build_object('workers', w))});
	my $peak = $node->safe_psql('postgres', qq{SELECT metrics->>'peak_bytes' FROM lstm_train('docs', 'body', 'label', 'x', options => $options || '{"workers": 2}'::jsonb)});

	cmp_ok($together, '>', $alone, 'an estimate counts the memory of workers');
	cmp_ok(abs($peak - $together), '<', 0.1 * $together, sprintf('and is right: %d kB, %d kB were taken', $together / 1024, $peak / 1024));
  SKIP:
	{
		skip 'one processor', 1 if $n_processors < 2;
		cmp_ok($together_s, '<', 0.8 * $alone_s, 'and their help');
	}
}

# What lstm_doctor says of workers.
sub advice_on_workers
{
	return $node->safe_psql('postgres', ($_[0] // '') . q{SELECT value || ': ' || coalesce(advice, 'fine') FROM lstm_doctor() WHERE item = 'pg_lstm.max_workers'});
}

like(advice_on_workers(), qr/^2; \d+ processors, 11 of 12 background workers are free: fine$/, 'lstm_doctor knows workers');
{
	my ($handle, $err, $pid) = start_long();

	like(advice_on_workers(), qr/ 9 of 12 background workers are free/, 'and sees those at work');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$handle->finish;
}
SKIP:
{
	skip 'one processor', 1 if $n_processors < 2;
	like(advice_on_workers('SET pg_lstm.max_workers = 1; '), qr/Trainings use one of \d+ processors; raise pg_lstm\.max_workers/, 'and says what is wasted');
}

# ---- what is missing ------------------------------------------------------------------

{
	my ($out, $err);

	$node->psql('postgres', qq{
		SET pg_lstm.train_memory = '8MB';
		SELECT digest_of('body', 'label', 'docs', '$small' || '{"workers": 8}'::jsonb) IS NOT NULL},
		stdout => \$out, stderr => \$err);
	is($out, 't', 'little memory is no error');
	like($err, qr/NOTICE:  training with \d of 8 workers\n.*pg_lstm.train_memory/, 'but a smaller team, and a notice');
}

$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
{
	my ($out, $err);

	$node->psql('postgres', qq{SELECT digest_of('body', 'label', 'docs', '$small' || '{"workers": 8}'::jsonb) = digest_of('body', 'label', 'docs', '$small' || '{"workers": 1}'::jsonb)},
		stdout => \$out, stderr => \$err);
	is($out, 't', 'few slots: the same bytes');
	like($err, qr/NOTICE:  training with [12] of 8 workers\n.*\n.*max_worker_processes/, 'and a notice');
}
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
{
	my ($out, $err);

	$node->psql('postgres', qq{SELECT digest_of('body', 'label', 'docs', '$small' || '{"workers": 2}'::jsonb) = digest_of('body', 'label', 'docs', '$small' || '{"workers": 1}'::jsonb)},
		stdout => \$out, stderr => \$err);
	is($out, 't', 'no slot: the same bytes');
	like($err, qr/NOTICE:  training with 1 of 2 workers/, 'and a notice');
}
SKIP:
{
	skip 'one processor', 1 if $n_processors < 2;
	like(advice_on_workers(), qr/0 of 0 background workers are free: A training that begins now has 1 of 2 processes; raise max_worker_processes/, 'lstm_doctor says so');
}

# ---- a crash ---------------------------------------------------------------------------

$node->append_conf('postgresql.conf', "max_worker_processes = 12\nrestart_after_crash = on");
$node->restart;
{
	my ($handle, $err, $pid) = start_long();

	kill 'KILL', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' LIMIT 1});
	$handle->finish;
	ok($node->poll_query_until('postgres', 'SELECT true'), 'the server recovers from a worker that was killed');
	is($node->safe_psql('postgres', qq{SELECT digest_of('body', 'label', 'docs', '$small' || '{"workers": 3}'::jsonb) = digest_of('body', 'label', 'docs', '$small')}),
		't', 'and trains as before');
}

done_testing();
