# Too little of everything: address space, shared memory, background workers, room on
# disk; and a clock that is set.  Each is met with an error that says so, or with less
# speed, and never with a loss: what was there answers as before, and what was interrupted goes
# on when there is room again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Aftermath;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = new_node('low', preload(), "pg_lstm.cache_size = '8MB'", 'max_worker_processes = 12', 'pg_lstm.checkpoint_interval = 0', 'shared_buffers = 16MB', 'restart_after_crash = off',
	'log_line_prefix = \'%m [%p] %e \'');

make_tickets($node, 300);

my $options = small('"patience": 0, "seed": 5') . q{::jsonb || '{"epochs": 30}'};
my $answers = q{SELECT md5(string_agg(lstm_embed('m', body)::text || lstm_predict('m', body), ',' ORDER BY id)) FROM ticket};

$node->safe_psql('postgres', qq{
	CREATE TABLE big AS SELECT n AS id, (SELECT string_agg(md5((n * 31 + i)::text), ' ') FROM generate_series(1, 40) i) AS body, (ARRAY['network', 'billing'])[1 + n % 2] AS cause FROM generate_series(1, 2000) n;
	SELECT lstm_train('ticket', 'body', 'cause', 'm', options => $options);
	SELECT lstm_train('ticket', 'body', 'cause', 'wide', options => $options || '{"workers": 4, "shards": 4, "hidden": 256, "epochs": 2}')});
my $expected = $node->safe_psql('postgres', $answers);
my $digest = $node->safe_psql('postgres', q{SELECT digest FROM lstm_versions WHERE model = 'm' AND live});
my $wide_digest = $node->safe_psql('postgres', q{SELECT digest FROM lstm_versions WHERE model = 'wide' AND live});

# Run a statement; its output and its errors, with SQLSTATEs.
sub attempt
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err);
}

sub submit
{
	my ($model, $relation, $more) = @_;

	return $node->safe_psql('postgres', "SELECT lstm_submit('$relation', 'body', 'cause', '$model', options => $options" . (defined $more ? " || '$more'" : '') . ')');
}

sub all_is_well
{
	my ($what) = @_;

	is($node->safe_psql('postgres', $answers), $expected, "$what: answers are as before");
	no_jobs_open($node, $what);
	is_consistent($node, $what);
}

# ---- address space ------------------------------------------------------------------------

SKIP:
{
	skip 'no prlimit', 1 if system('prlimit --version >/dev/null 2>&1') != 0 || !-r '/proc/self/status';
	my ($pid) = split(/\n/, slurp_file($node->data_dir . '/postmaster.pid'));
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s*(\d+)/m;
	my %n;

	foreach my $mb (12, 24, 32, 48, 96)
	{
		my $limit = 1024 * ($kb + 1024 * $mb);

		# as `ulimit -v` before the server starts
		$node->stop;
		system('prlimit', "--pid=$$", "--as=$limit:") == 0 or die 'prlimit failed';
		my $is_up = $node->start(fail_ok => 1);
		system('prlimit', "--pid=$$", '--as=unlimited:') == 0 or die 'prlimit failed';
		ok($is_up, "$mb MB: the server starts");
		foreach my $case (
			[ 'answers', $answers ],
			[ 'batch', q{SELECT md5(string_agg(answer, ',')) FROM lstm_predict_batch('m', 'SELECT id, repeat(body, 50) FROM ticket ORDER BY id')} ],
			[ 'parallel training', "SELECT count(lstm_train('ticket', 'body', 'cause', 'x', options => $options || '{\"workers\": 4, \"shards\": 4, \"hidden\": 256, \"epochs\": 2}')); SELECT lstm_drop('x')" ],
			[ 'training', "SELECT count(lstm_train('big', 'body', 'cause', 'x', options => $options || '{\"epochs\": 1}')); SELECT lstm_drop('x')" ],
			[ 'submit', "SELECT lstm_submit('ticket', 'body', 'cause', 'j', options => $options) > 0" ])
		{
			my ($what, $sql) = @$case;
			my ($out, $err) = attempt($sql);
			my $result = $err =~ /53200|Cannot allocate memory|out of memory/i ? 'no memory' : $err =~ /ERROR|FATAL|error:/ ? "error: $err" : 'done';

			# the model that a failed training did not make cannot be dropped
			$result = 'no memory' if $err =~ /53200.*42704/s;
			note("$mb MB, $what: $result");
			$n{$result}++;
			is($out, $expected, "$mb MB: the answers are those") if $what eq 'answers' && $result eq 'done';
		}
		my ($jobs) = attempt("SELECT lstm_wait(max(job), '20 s') FROM lstm_jobs; SELECT state, error_code, error, error_detail, error_hint FROM lstm_jobs ORDER BY job DESC LIMIT 1");

		note("$mb MB, job: $jobs");
		is($node->safe_psql('postgres', 'SELECT true'), 't', "$mb MB: the server is up") if $mb > 20;
	}
	is(join(', ', grep { !/^(no memory|done)$/ } keys %n), '', 'address space: what cannot be done says that there is no memory');
	cmp_ok($n{'no memory'} // 0, '>', 0, 'address space: some cannot');
	cmp_ok($n{done} // 0, '>', 0, 'address space: some can');
	$node->restart;
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM lstm_jobs WHERE finished IS NULL'), 'address space: jobs end');
	is($node->safe_psql('postgres', q{SELECT error_code, error FROM lstm_jobs WHERE state = 'failed' AND error_code <> '53200'}), '', 'address space: as done, or for want of memory');
	is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_versions WHERE model = 'j' AND digest <> '$digest'"), '0', 'address space: those that were done have the same bytes');
	all_is_well('address space');
}

# ---- small file systems ----------------------------------------------------------------------

my $small = PostgreSQL::Test::Utils::tempdir_short();
mkdir $_ foreach "$small/jobs", "$small/models";

# A name space of its own, in which /dev/shm and folders of tablespaces are a few MB large.
sub start_small
{
	my ($shm_mb) = @_;
	my $mounts = join(' && ', "mount -t tmpfs -o size=${shm_mb}m tmpfs /dev/shm", map { "mount -t tmpfs -o size=$_->[1]m tmpfs $small/$_->[0]" } [ 'jobs', 3 ], [ 'models', 3 ]);

	return system('unshare', '-U', '--map-current-user', '--keep-caps', '-m', 'sh', '-c',
		"$mounts && exec pg_ctl -w -D " . $node->data_dir . ' -l ' . $node->logfile . ' start >/dev/null') == 0;
}

# Rows that are dead are in the way, and vacuum needs room itself: to be had elsewhere.
sub make_room
{
	return $node->safe_psql('postgres', 'ALTER TABLE lstm_job_chunk SET TABLESPACE pg_default; SELECT count(*) FROM lstm_job_chunk; TRUNCATE lstm_job_chunk; ALTER TABLE lstm_job_chunk SET TABLESPACE jobs');
}

SKIP:
{
	skip 'small file systems: this user may not make a name space', 1
	  if system("unshare -U --map-current-user --keep-caps -m sh -c 'mount -t tmpfs -o size=1m tmpfs /dev/shm' >/dev/null 2>&1") != 0;
	$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = posix');
	$node->stop;
	my $is_up = start_small(4);
	ok($is_up, 'small file systems: the server starts');
	$node->_update_pid($is_up);

	# Shared memory: fewer processes train, with the same result.
	my ($out, $err) = attempt("SET client_min_messages = notice; SELECT count(lstm_train('ticket', 'body', 'cause', 'wide', options => $options || '{\"workers\": 4, \"shards\": 4, \"hidden\": 256, \"epochs\": 2}'))");
	is($out, '1', 'small /dev/shm: a training ends well');
	like($err, qr/NOTICE: .*training/, 'small /dev/shm: and says that it had fewer processes');
	note($err);
	is($node->safe_psql('postgres', q{SELECT digest FROM lstm_versions WHERE model = 'wide' AND live}), $wide_digest, 'small /dev/shm: with the same bytes');
	is($node->safe_psql('postgres', $answers), $expected, 'small /dev/shm: answers are as before');

	# Checkpoints.
	$node->safe_psql('postgres', "CREATE TABLESPACE jobs LOCATION '$small/jobs'");
	$node->safe_psql('postgres', "CREATE TABLESPACE models LOCATION '$small/models'");
	$node->safe_psql('postgres', 'ALTER TABLE lstm_job_chunk SET TABLESPACE jobs');
	$node->safe_psql('postgres', "BEGIN; SELECT lstm_train('ticket', 'body', 'cause', 'full', options => $options || '{\"hidden\": 256, \"epochs\": 3}'); CREATE TABLE reference AS SELECT digest FROM lstm_versions WHERE model = 'full'; SELECT lstm_drop('full'); COMMIT");
	my $job = submit('full', 'ticket', '{"hidden": 256, "epochs": 3}');
	is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'no room for a checkpoint: the job comes to its end');
	like($node->safe_psql('postgres', "SELECT notice FROM lstm_jobs WHERE job = $job"), qr/a checkpoint could not be written: .*No space left on device/, 'no room for a checkpoint: it says so');
	is($node->safe_psql('postgres', q{SELECT digest = (SELECT digest FROM reference) FROM lstm_versions WHERE model = 'full'}), 't', 'no room for a checkpoint: with the same bytes');
	is(make_room(), '0', 'no chunk is left, and there is room again');

	# Rows.
	$node->safe_psql('postgres', 'CREATE VIEW bigger AS SELECT body || n AS body, cause FROM big, generate_series(1, 6) n');
	$job = submit('rows', 'bigger');
	is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'failed', 'no room for the rows: the job fails');
	like($node->safe_psql('postgres', "SELECT error_code, error, error_hint FROM lstm_jobs WHERE job = $job"), qr/^53100\|could not extend file .*: No space left on device\|Check free disk space\.$/, 'no room for the rows: with the error that it met');
	is(make_room(), '0', 'no chunk is left, and there is room again');
	$job = submit('again', 'ticket');
	is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'no room for the rows: the next one that fits is done');
	is($node->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'again'"), $digest, 'no room for the rows: as ever');

	# Versions.
	$node->safe_psql('postgres', q{ALTER TABLE lstm_job_chunk SET TABLESPACE pg_default; SELECT lstm_drop(model) FROM lstm_models WHERE model <> 'm' AND NOT shipped});
	$node->safe_psql('postgres', 'VACUUM FULL lstm_version');
	$node->safe_psql('postgres', 'ALTER TABLE lstm_version SET TABLESPACE models');
	foreach my $i (1 .. 12)
	{
		($out, $err) = attempt("SELECT count(lstm_train('ticket', 'body', 'cause', 'fills', options => $options || '{\"hidden\": 256, \"epochs\": 1}'))");
		last if $err =~ /ERROR/;
	}
	like($err, qr/ERROR:  53100: could not extend file .*No space left on device/, 'no room for a version: an error');
	like($err, qr/HINT:  Check free disk space\./, 'no room for a version: which says what to do');
	$job = submit('fills', 'ticket', '{"hidden": 256, "epochs": 2}');
	is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'failed', 'no room for a version: a job fails');
	like($node->safe_psql('postgres', "SELECT error_code, error_hint FROM lstm_jobs WHERE job = $job"), qr/^53100\|Check free disk space\.$/, 'no room for a version: in the same way');
	is($node->safe_psql('postgres', $answers), $expected, 'no room for a version: others answer as before');
	is_consistent($node, 'no room for a version');
	$node->safe_psql('postgres', 'ALTER TABLE lstm_version SET TABLESPACE pg_default');
	($out, $err) = attempt("SELECT count(lstm_train('ticket', 'body', 'cause', 'fills', options => $options || '{\"hidden\": 64, \"epochs\": 1}'))");
	is($out, '1', 'no room for a version: where there is room, it is made');

	$node->safe_psql('postgres', 'DROP TABLESPACE jobs');
	$node->safe_psql('postgres', 'DROP TABLESPACE models');
	all_is_well('small file systems');
	$node->stop;
	$node->start;
}

# ---- background workers ------------------------------------------------------------------------

# The launcher has one slot, and logical replication's launcher has the other.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
{
	my ($out, $err) = attempt("SET client_min_messages = notice; SELECT count(lstm_train('ticket', 'body', 'cause', 'wide', options => $options || '{\"workers\": 4, \"shards\": 4, \"hidden\": 256, \"epochs\": 2}'))");

	is($out, '1', 'two slots: a training ends well');
	like($err, qr/NOTICE: .*training/, 'two slots: and says that it was alone');
	is($node->safe_psql('postgres', q{SELECT digest FROM lstm_versions WHERE model = 'wide' AND live}), $wide_digest, 'two slots: with the same bytes');
	is($node->safe_psql('postgres', "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; $answers"), $expected, 'two slots: a parallel query answers');
	($out, $err) = attempt("SELECT lstm_submit('ticket', 'body', 'cause', 'waits', options => $options)");
	like($err, qr/WARNING:  \w+: no background worker could be started for the job\nDETAIL:  .*max_worker_processes.*\nHINT:  /, 'two slots: a job warns');
	is($node->safe_psql('postgres', "SELECT lstm_wait($out, '1.5 s')"), 'queued', 'two slots: and waits');
	$node->append_conf('postgresql.conf', 'max_logical_replication_workers = 0');
	$node->restart;
	ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM lstm_jobs WHERE job = $out"), 'two slots: with one that is free it is done');
	is($node->safe_psql('postgres', q{SELECT digest FROM lstm_versions WHERE model = 'waits' AND live}), $digest, 'two slots: as ever');
}
$node->append_conf('postgresql.conf', 'max_worker_processes = 12');
$node->restart;
all_is_well('two slots');

# ---- a clock that is set ---------------------------------------------------------------------------

# What a clock that was years ahead has noted.
$node->safe_psql('postgres', qq{
	SELECT lstm_policy('m', max_age => '7 days', not_more_often => '1 day', options => '{"epochs": 2}');
	UPDATE lstm_version SET trained_at = trained_at + interval '3 years';
	UPDATE lstm_policy SET last_run = now() + interval '3 years'});
like($node->safe_psql('postgres', 'SELECT action, reason FROM lstm_maintain(false)'), qr/^(deployed|kept)\|The live version was trained at /, 'a clock that was ahead: a policy is followed all the same');
is($node->safe_psql('postgres', q{SELECT last_run BETWEEN now() - interval '1 hour' AND now() FROM lstm_policies}), 't', 'a clock that was ahead: and knows now when that was');
is($node->safe_psql('postgres', q{UPDATE lstm_policy SET last_run = now() + interval '1 hour'; SELECT action, reason FROM lstm_maintain(false)}), 'waits|The last run was not long enough ago.', 'a clock that was a little ahead: it waits as it would');
$node->safe_psql('postgres', q{SELECT lstm_drop_policy('m'); SELECT lstm_deploy('m', 1)});
$node->safe_psql('postgres', 'UPDATE lstm_version SET trained_at = now() WHERE trained_at > now()');

SKIP:
{
	my ($library) = glob('/usr/lib/*/faketime/libfaketime.so.1');
	skip 'a clock that is set: there is no libfaketime', 1 if !defined $library;
	my $clock = PostgreSQL::Test::Utils::tempdir() . '/clock';
	my $set_clock = sub {
		my ($offset) = @_;

		unlink $clock;
		append_to_file("$clock.new", "$offset\n");
		rename "$clock.new", $clock;
	};
	$set_clock->('+0');
	$node->stop;
	{
		local %ENV = (%ENV, LD_PRELOAD => $library, FAKETIME_TIMESTAMP_FILE => $clock, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1, DONT_FAKE_MONOTONIC => 1);
		$node->start;
	}
	foreach my $jump ('-1d', '+400d', '-1d')
	{
		my $job = submit('jumps', 'ticket', '{"epochs": 1000, "hidden": 48}');
		$node->poll_query_until('postgres', "SELECT checkpoint IS NOT NULL FROM lstm_jobs WHERE job = $job") or die 'the job does not run';
		my ($patient, $end) = background_sql($node, "SELECT lstm_wait($job, '60 s')");
		my ($impatient, $state) = background_sql($node, "SELECT lstm_wait($job, '2 s')");
		$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_activity WHERE query LIKE 'SELECT lstm_wait($job%' AND state = 'active'") or die 'nobody waits';
		my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()::date');
		my $set_at = time;

		$set_clock->($jump);
		isnt($node->safe_psql('postgres', 'SELECT clock_timestamp()::date'), $before, "$jump: the clock is set");
		$impatient->finish;
		is($$state, "running\n", "$jump: who waits two seconds waits no longer");
		cmp_ok(time - $set_at, '>', 1, "$jump: nor shorter");
		is($node->safe_psql('postgres', "SELECT state FROM lstm_jobs WHERE job = $job"), 'running', "$jump: the job runs");
		$node->safe_psql('postgres', "SELECT lstm_cancel($job)");
		$patient->finish;
		is($$end, "canceled\n", "$jump: who waits sees its end");
		cmp_ok(time - $set_at, '<', 20, "$jump: in time");
		$job = submit('after', 'ticket');
		is($node->safe_psql('postgres', "SELECT lstm_wait($job, '60 s')"), 'done', "$jump: the next one is done");
		is($node->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'after' AND live"), $digest, "$jump: as ever");
		is($node->safe_psql('postgres', $answers), $expected, "$jump: answers are as before");
	}
	all_is_well('a clock that was set');
	$node->stop;
	$node->start;
}
is_tidy($node, 'at the end');
$node->stop;
is(join("\n", grep { /PANIC|TRAP| XX00\d |terminated by signal|leak|still referenced/ } split(/\n/, slurp_file($node->logfile))), '', 'the log has nothing of crashes and leaks');

done_testing();
