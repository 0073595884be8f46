# When a process of a parallel training, or of a query in batches, is killed, stopped,
# canceled at any moment or has no memory: the others end, or go on without it; nothing
# is left; and what comes next has the same result as ever.
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
my $node = new_node('trouble', preload(), "pg_lstm.cache_size = '32MB'", 'max_worker_processes = 12', 'dynamic_shared_memory_type = mmap', 'restart_after_crash = on');

$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT n AS id, (ARRAY['network', 'billing', 'crash'])[1 + n % 3] AS label,
		   (SELECT string_agg(substr(md5((n * 31 + i)::text), 1, 2), ' ') FROM generate_series(1, 3 + n % 30) i) AS body,
		   (SELECT array_agg(sin(n * i)::real ORDER BY i) FROM generate_series(1, 40) i) AS series
	  FROM generate_series(1, 400) n;
	CREATE TABLE long AS SELECT n AS id, repeat('router cable word' || n || ' ', 500) AS body FROM generate_series(1, 100) n;
	CREATE TABLE wide AS SELECT n AS id, (SELECT array_agg(sin(n * i)::real) FROM generate_series(1, 1000) i) AS series, n % 2 = 0 AS is_even FROM generate_series(1, 1500) n});

my $small = '{"epochs": 2, "hidden": 16, "embedding": 16, "batch": 32, "shards": 8}';
my $digest = q{(SELECT digest FROM lstm_versions WHERE model = 'm' AND live)};
my $train = "SELECT version > 0 FROM lstm_train('docs', 'body', 'label', 'm', options => '$small' || jsonb_build_object('workers', 3))";
# One that is still under way when it is looked at.
my $long = q{SELECT lstm_train('docs', 'body', 'label', 'x', options => '{"epochs": 1000, "hidden": 64, "batch": 64, "workers": 3}')};
my $count_workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker'};

is($node->safe_psql('postgres', $train), 't', 'a model');
my $expected = $node->safe_psql('postgres', "SELECT $digest");
my $answers = q{SELECT md5(string_agg(lstm_classify('m', body)::text, ',' ORDER BY id)) FROM long};
my $expected_answers = $node->safe_psql('postgres', $answers =~ s/lstm_classify\('m', body\)/(lstm_classify('m', body)).label/r);

$answers =~ s/lstm_classify\('m', body\)::text/lstm_predict('m', body)/;
is($node->safe_psql('postgres', $answers), $expected_answers, 'and its answers');

sub segments
{
	return scalar(() = glob($node->data_dir . '/pg_dynshmem/*'));
}
my $n_segments = segments();

# Nothing of a training is there, and the next one has the same bytes as ever.
sub all_is_well
{
	my ($what) = @_;

	ok($node->poll_query_until('postgres', "SELECT ($count_workers) = 0"), "$what: no worker is left");
	is(segments(), $n_segments, "$what: nor shared memory");
	is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_model WHERE name = 'x'"), '0', "$what: nor a model");
	is($node->safe_psql('postgres', "$train; SELECT $digest"), "t\n$expected", "$what: the next training has the same bytes");
}

# Start the long training; returns its handle, its messages and its process once both workers run.
sub start_long
{
	my ($handle, $out, $err) = background_sql($node, "LOAD '$library'; SET application_name = 'long'; $long");

	$node->poll_query_until('postgres', "SELECT ($count_workers AND state = 'active') = 2") or die 'the workers do not run';
	return ($handle, $err, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'long'}));
}

sub a_worker
{
	return $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' ORDER BY pid LIMIT 1});
}

# ---- cancels at any moment ------------------------------------------------------------

{
	my @work = (
		$long,
		q{SELECT lstm_train('docs', 'body', 'label', 'x', options => '{"epochs": 1000, "hidden": 256, "batch": 256, "workers": 4, "bag": false}')},
		q{SELECT lstm_train('wide', 'series', 'is_even', 'x', options => '{"epochs": 1000, "hidden": 16, "batch": 64, "workers": 2, "bag": false, "max_tokens": 1000}')});
	my $script = "LOAD '$library';\n";
	my ($out, $err);
	my $n = 30;
	my $asked_ms = 0;

	foreach my $i (1 .. $n)
	{
		my $timeout_ms = 20 + ($i * $i * 7919) % 400;

		$asked_ms += $timeout_ms;
		$script .= "SET statement_timeout = $timeout_ms; $work[$i % @work];\n";
	}
	my $started = time;
	$node->psql('postgres', "$script SET statement_timeout = 0; SELECT 'contexts', count(*) FROM pg_backend_memory_contexts WHERE name ~ '^pg_lstm training'",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	note(sprintf('%.0f ms after a timeout on average', (1000 * (time - $started) - $asked_ms) / $n));
	is(() = $err =~ /canceling statement due to statement timeout/g, $n, 'timeouts at any moment act');
	cmp_ok(1000 * (time - $started) - $asked_ms, '<', $n * $LIMIT_MS, 'soon');
	like($out, qr/^contexts\|0$/m, 'and leave no memory');
	unlike($err, qr/server closed|PANIC|XX000|could not|leak/, 'nor another error');
	all_is_well('timeouts');
}

# A worker that does not answer holds nobody up.
{
	my ($handle, $err, $pid) = start_long();
	my $worker = a_worker();
	my $asked;

	kill 'STOP', $worker;
	$node->poll_query_until('postgres', "SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $pid") or die 'the leader does not wait';
	$asked = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$handle->finish;
	note(sprintf('%d ms after the cancel', 1000 * (time - $asked)));
	cmp_ok(1000 * (time - $asked), '<', $LIMIT_MS, 'a cancel ends a training one of whose workers is stopped');
	like($$err, qr/canceling statement due to user request/, 'as a cancel');
	kill 'CONT', $worker;
	all_is_well('a worker that was stopped');
}

# The server shuts down.
{
	my ($handle, $err) = start_long();
	my $asked = time;

	$node->stop('fast');
	note(sprintf('%d ms for a fast shutdown', 1000 * (time - $asked)));
	cmp_ok(1000 * (time - $asked), '<', 5 * $LIMIT_MS, 'a shutdown waits for no training');
	$handle->finish;
	$node->start;
	all_is_well('a shutdown');
}

# ---- crashes ------------------------------------------------------------------------------

foreach my $who ('the session', 'a worker')
{
	foreach my $after_s (0, 0.4)
	{
		my ($handle, $err, $pid) = start_long();

		sleep $after_s;
		is(kill('KILL', $who eq 'a worker' ? a_worker() : $pid), 1, "$who is killed");
		$handle->finish;
		ok($node->poll_query_until('postgres', 'SELECT true'), 'the server is back');
		all_is_well("after $who was killed");
	}
}

# In a query in batches, and in a parallel one: the shared cache begins anew.
my $parallel = 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;';
my $busy = q{SELECT count(lstm_predict('m', body || g)) FROM long, generate_series(1, 100000) g};

foreach my $who ('client backend', 'parallel worker')
{
	my ($handle, $out, $err) = background_sql($node, ($who eq 'parallel worker' ? "ALTER TABLE long SET (parallel_workers = 2); $parallel" : '') . $busy);
	my $pid = "pid FROM pg_stat_activity WHERE backend_type = '$who' AND state = 'active' AND query LIKE '%|| g)%' AND pid <> pg_backend_pid()";

	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT $pid)") or die "no $who";
	sleep 0.3;
	is($node->safe_psql('postgres', q{SELECT max(in_use) > 0 FROM lstm_cache WHERE model = 'm'}), 't', "$who: the model is in use");
	is(kill('KILL', $node->safe_psql('postgres', "SELECT $pid LIMIT 1")), 1, "$who: killed");
	$handle->finish;
	ok($node->poll_query_until('postgres', 'SELECT true'), "$who: the server is back");
	is($node->safe_psql('postgres', $answers), $expected_answers, "$who: answers are as before");
	is($node->safe_psql('postgres', q{SELECT max(in_use) FROM lstm_cache WHERE model = 'm'}), '0', "$who: nothing is in use");
}

# Canceled instead.
foreach my $what ('in batches', 'in parallel')
{
	my ($handle, $out, $err) = background_sql($node, ($what eq 'in parallel' ? $parallel : '') . $busy);
	my $pid = wait_for_activity($node, '|| g)');

	sleep 0.3;
	my $asked = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%|| g)%' AND pid <> pg_backend_pid()");
	$handle->finish;
	note(sprintf('%s: %d ms after the cancel', $what, 1000 * (time - $asked)));
	cmp_ok(1000 * (time - $asked), '<', $LIMIT_MS, "$what: a cancel acts soon");
	like($$err, qr/canceling statement/, "$what: as a cancel");
	is($node->safe_psql('postgres', q{SELECT max(in_use) FROM lstm_cache WHERE model = 'm'}), '0', "$what: nothing is in use");
}

# ---- no memory ----------------------------------------------------------------------------------

SKIP:
{
	skip 'no prlimit', 1 if system('prlimit --version >/dev/null 2>&1') != 0 || !-r '/proc/self/status';

	# A process may have so many MB more than it has; undef: as many as it wants.
	my $limit_memory = sub {
		my ($pid, $mb) = @_;
		my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s*(\d+)/m;
		my $limit = defined $mb ? 1024 * ($kb + 1024 * $mb) : 'unlimited';

		system('prlimit', "--pid=$pid", "--as=$limit:") == 0 or die 'prlimit failed';
	};
	# A session that has freed no memory, which it could use again.
	my ($session, $pid);
	my $begin = sub {
		$session->quit if defined $session;
		$session = $node->background_psql('postgres', on_error_stop => 0);
		$pid = $session->query("SET client_min_messages = notice; SET work_mem = '64MB'; SELECT pg_backend_pid()");
	};
	my $postmaster = $node->safe_psql('postgres', "SELECT substring(pg_read_file('postmaster.pid') FROM '\\d+')");
	my $wide = q{SELECT version > 0 FROM lstm_train('docs', 'body', 'label', 'w', options => '{"epochs": 1, "hidden": 256, "batch": 64, "shards": 2, "refit": false, "bag": false, "workers": 2, "seed": 3}')};
	my $wide_digest = q{SELECT digest FROM lstm_versions WHERE model = 'w' AND live};
	my ($expected_wide, %n);

	# What came of a statement: an answer, or that there is no memory; anything else is shown.
	my $outcome = sub {
		my ($sql) = @_;
		$session->{stderr} = '';
		my $out = $session->query($sql);
		my $err = $session->{stderr};

		return 'no memory' if $err =~ /ERROR:.*(out of memory|Cannot allocate memory|53200)/;
		return "error: $err" if $err =~ /ERROR|FATAL/;
		return ($err =~ /training with 1 of 2|training without workers/ ? 'alone: ' : 'done: ') . $out;
	};

	$begin->();
	is($outcome->($wide), 'done: t', 'a larger training, with all memory');
	$expected_wide = $session->query($wide_digest);

	# Workers inherit what their postmaster may have.
	foreach my $mb (1, 10, 20, 30, 40, 60, 80, 200)
	{
		$limit_memory->($postmaster, $mb);
		my $result = $outcome->($wide);
		$limit_memory->($postmaster);
		note("worker with $mb MB: $result");
		$n{$result}++;
		is($session->query($wide_digest), $expected_wide, "a worker with $mb MB: the result is the same") if $result =~ /: t$/;
	}
	is(join(', ', grep { !/^(no memory|alone: t|done: t)$/ } keys %n), '', 'workers without memory: an error that says so, or a training alone');
	cmp_ok($n{'no memory'} // 0, '>', 0, 'an error of a worker reaches the session');
	cmp_ok($n{'done: t'} // 0, '>', 0, 'with enough it works');

	%n = ();
	foreach my $mb (1, 4, 16, 32, 48, 64, 96, 400)
	{
		$begin->();
		$limit_memory->($pid, $mb);
		my $result = $outcome->($wide);
		$limit_memory->($pid);
		note("session with $mb MB: $result");
		$n{$result}++;
		is($session->query($wide_digest), $expected_wide, "the session with $mb MB: the result is the same") if $result =~ /: t$/;
	}
	is(join(', ', grep { !/^(no memory|alone: t|done: t)$/ } keys %n), '', 'a session without memory: an error that says so');
	cmp_ok($n{'no memory'} // 0, '>', 0, 'there are some');
	cmp_ok($n{'done: t'} // 0, '>', 0, 'with enough it works');

	my $of_longer = $answers =~ s/'m', body/'m', repeat(body, 10)/r;
	my $expected_of_longer = $node->safe_psql('postgres', $of_longer);
	%n = ();
	foreach my $mb (1, 2, 4, 6, 8, 10, 12, 16, 200)
	{
		$begin->();
		$limit_memory->($pid, $mb);
		my $result = $outcome->($of_longer);
		$limit_memory->($pid);
		note("query with $mb MB: $result");
		$n{$result}++;
		is($session->query(q{SELECT max(in_use) FROM lstm_cache WHERE model = 'm'}), '0', "a query with $mb MB: nothing is in use");
	}
	is(join(', ', grep { $_ ne 'no memory' && $_ ne "done: $expected_of_longer" } keys %n), '', 'a query in batches: an error that says so, or the answers');
	cmp_ok($n{'no memory'} // 0, '>', 0, 'there are some');
	is($outcome->($answers), "done: $expected_answers", 'and the session answers on');
	$session->quit;
	all_is_well('memory');
}
$node->stop;
is(join("\n", grep { /PANIC|TRAP|XX00\d|leak|still referenced/ } split(/\n/, slurp_file($node->logfile))), '', 'the log has nothing of leaks');

done_testing();
