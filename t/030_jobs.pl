# Trainings in the background through kill -9, crashes and restarts: the same bytes as an
# uninterrupted training, by a server that has the library preloaded and by one that has not.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# Some seconds of training with checkpoints all along, and again for the refit.
my $options = q{'{"epochs": 60, "hidden": 24, "patience": 0, "refit": true}'};
my $node = new_node('jobs', 'restart_after_crash = on', 'autovacuum = off', 'max_worker_processes = 12',
	'pg_lstm.checkpoint_interval = 0');

make_tickets($node, 500);
$node->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'reference', options => $options)");

sub digest
{
	my ($model, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SELECT digest FROM lstm_versions WHERE model = '$model' AND live");
}

sub submit
{
	my ($model, $more) = @_;
	return $node->safe_psql('postgres', "SELECT lstm_submit('ticket', 'body', 'cause', '$model', options => " . ($more // $options) . ')');
}

sub job
{
	my ($job, $columns) = @_;
	return $node->safe_psql('postgres', "SELECT $columns FROM lstm_jobs WHERE job = $job");
}

# Until the job's newest checkpoint is another one than it was, or the refit has begun.
sub wait_for_checkpoint
{
	my ($job, $what) = @_;
	my $was = job($job, "coalesce(checkpoint::text, '')");

	return $node->poll_query_until('postgres', "SELECT finished IS NOT NULL OR $what FROM lstm_job WHERE id = $job") unless $what eq '';
	return $node->poll_query_until('postgres', "SELECT finished IS NOT NULL OR coalesce(saved::text, '') <> '$was' FROM lstm_job WHERE id = $job");
}

my $reference = digest('reference');

# ---- the process is killed, without preload: the next who waits calls another ----------

my $job = submit('killed');

for my $round (1 .. 2)
{
	ok(wait_for_checkpoint($job, $round == 2 ? "EXISTS (SELECT FROM lstm_job_chunk WHERE job = $job AND stream = 'first')" : ''),
		"round $round: a checkpoint was written");
	my $pid = job($job, 'pid');
	is(job($job, 'state'), 'running', "round $round: it runs");
	is(kill('KILL', $pid), 1, "round $round: killed");
	ok($node->poll_query_until('postgres', "SELECT state = 'interrupted' AND pid IS NULL FROM lstm_jobs WHERE job = $job"),
		"round $round: the server is back, the job is interrupted");
	is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_versions WHERE model = 'killed'"), '0', "round $round: there is no version");
	is($node->safe_psql('postgres', "SELECT lstm_wait($job, '10 ms')") =~ /interrupted|running/, 1, "round $round: who waits calls a process");
	ok($node->poll_query_until('postgres', "SELECT state = 'running' FROM lstm_jobs WHERE job = $job"), "round $round: which goes on");
}
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'it comes to its end');
is(job($job, 'starts'), '3', 'by its third process');
is(digest('killed'), $reference, 'with the bytes of an uninterrupted training');
is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_epochs a JOIN lstm_epochs b USING (epoch, loss_train, loss_valid, gradient_norm) WHERE a.model = 'killed' AND b.model = 'reference'"),
	'60', 'and its figures of all epochs');
is($node->safe_psql('postgres', 'SELECT count(*) FROM lstm_job_chunk'), '0', 'its chunks are gone');

# ---- no snapshot is held while it trains -------------------------------------------------

$job = submit('xmin', q{'{"epochs": 1000, "hidden": 24, "patience": 0}'});
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM lstm_progress WHERE job = $job AND phase = 'training' AND epoch > 1)"), 'it trains');
$node->safe_psql('postgres', 'CREATE TABLE dead AS SELECT n FROM generate_series(1, 1000) n; DELETE FROM dead');
# more than once, as checkpoints and looks for wishes are transactions, if short ones
my $size;
for (1 .. 100)
{
	$node->safe_psql('postgres', 'VACUUM dead');
	$size = $node->safe_psql('postgres', q{SELECT pg_relation_size('dead')});
	last if $size eq '0';
	sleep 0.05;
}
is($size, '0', 'rows that were deleted meanwhile are removed');
is(job($job, 'state'), 'running', 'while it trains');
is($node->safe_psql('postgres', "SELECT lstm_cancel($job)"), 't', 'it is canceled');
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '30 s')"), 'canceled', 'and ends');

# ---- the server is stopped: fast, and at once -----------------------------------------------

$job = submit('stopped');
my $behind = submit('stopped', small());
for my $mode ('fast', 'immediate')
{
	ok(wait_for_checkpoint($job, ''), "$mode: a checkpoint was written");
	my $began = time;
	$node->stop($mode);
	cmp_ok(time - $began, '<', 10, "$mode: the server stops soon");
	$node->start;
	is(job($job, 'state') . ' ' . job($behind, 'state'), 'interrupted queued', "$mode: both jobs are there");
	$node->safe_psql('postgres', "SELECT lstm_wait($job, '10 ms')");
}
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'it comes to its end');
is($node->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'stopped' AND version = 1"), $reference, 'with the same bytes');
is($node->safe_psql('postgres', "SELECT lstm_wait($behind, '60 s')"), 'done', 'and so does the one behind it');

# ---- damage -----------------------------------------------------------------------------------

$job = submit('damaged');
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "UPDATE lstm_job_chunk SET bytes = overlay(bytes PLACING '\\x00ff00ff' FROM 5000) WHERE job = $job AND stream = 'running' AND number = 0 RETURNING true"),
	't', 'a checkpoint is damaged');
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'it comes to its end all the same');
is(digest('damaged'), $reference, 'with the same bytes');
is(job($job, 'notice'), 'a checkpoint was damaged; training began anew', 'and says what happened');

$job = submit('bad_rows');
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "UPDATE lstm_job_chunk SET bytes = overlay(bytes PLACING '\\xffffff' FROM 1) WHERE job = $job AND stream = 'rows'");
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'failed', 'rows that were damaged are the end');
is(job($job, "error_code || ' ' || error"), 'XX001 a stored row is damaged', 'which says so');

# ---- rows change meanwhile ----------------------------------------------------------------------

$job = submit('changed');
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
$node->safe_psql('postgres', 'ALTER TABLE ticket RENAME TO kept; CREATE TABLE ticket AS SELECT * FROM kept LIMIT 10');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'another table in its place: it comes to its end');
is(digest('changed'), $reference, 'with the rows that it read at first');
$node->safe_psql('postgres', 'DROP TABLE ticket; ALTER TABLE kept RENAME TO ticket');

# ---- preloaded: nobody has to wait ------------------------------------------------------------------

$node->append_conf('postgresql.conf', preload());
$node->append_conf('postgresql.conf', 'pg_lstm.max_workers = 1');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->restart;
$node->safe_psql('other', 'CREATE SCHEMA net; CREATE EXTENSION pg_lstm SCHEMA net; ALTER DATABASE other SET search_path = net, public');
make_tickets($node, 500, 'other');
$job = submit('preloaded');
my $other = $node->safe_psql('other', "SELECT lstm_submit('ticket', 'body', 'cause', 'other', options => $options)");
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
is($node->safe_psql('other', "SELECT state FROM lstm_jobs WHERE job = $other"), 'queued', 'one place: the job of another database waits');
is($node->safe_psql('other', 'SELECT count(*) FROM lstm_progress'), '1', 'one training is seen from there');
kill('KILL', job($job, 'pid'));
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM lstm_jobs WHERE job = $job"), 'killed: the launcher sees to it that it goes on');
is(digest('preloaded'), $reference, 'to the same bytes');
ok($node->poll_query_until('other', "SELECT state = 'done' FROM lstm_jobs WHERE job = $other"), 'and so does the other one, in its turn');
is(digest('other', 'other'), $reference, 'to the same bytes');

$job = submit('restarted');
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM lstm_jobs WHERE job = $job"), 'the server starts: the launcher sees to it that it goes on');
is(digest('restarted'), $reference, 'to the same bytes');
is(job($job, 'starts'), '2', 'by its second process');

# ---- terminated: the launcher looks again -----------------------------------------------------------------

$job = submit('terminated');
ok(wait_for_checkpoint($job, ''), 'a checkpoint was written');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM lstm_jobs WHERE job = $job"), 't', 'terminated');
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM lstm_jobs WHERE job = $job"), 'it goes on later');
is(digest('terminated'), $reference, 'to the same bytes');

# ---- the extension and the database go while a job runs ---------------------------------------------------

foreach my $case ([ 'dropped', 'DROP EXTENSION pg_lstm' ], [ 'made anew', 'BEGIN; DROP EXTENSION pg_lstm; CREATE EXTENSION pg_lstm SCHEMA net; COMMIT' ])
{
	my ($what, $sql) = @$case;

	$other = $node->safe_psql('other', "SELECT lstm_submit('ticket', 'body', 'cause', 'gone', options => '{\"epochs\": 1000, \"patience\": 0}')");
	ok($node->poll_query_until('other', "SELECT state = 'running' AND checkpoint IS NOT NULL FROM lstm_jobs WHERE job = $other"), 'it runs');
	$node->safe_psql('other', $sql);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_lstm job'"), "the extension is $what: the job ends");
	like(slurp_file($node->logfile), qr/FATAL:  extension "pg_lstm" was dropped while job $other was running/, 'and says why');
	$node->safe_psql('other', 'CREATE EXTENSION IF NOT EXISTS pg_lstm SCHEMA net');
}
is($node->safe_psql('other', 'SELECT (SELECT count(*) FROM lstm_jobs), (SELECT count(*) FROM lstm_versions WHERE model = \'gone\')'), '0|0', 'and leaves nothing');
$other = $node->safe_psql('other', "SELECT lstm_submit('ticket', 'body', 'cause', 'gone', options => '{\"epochs\": 1000, \"patience\": 0}')");
ok($node->poll_query_until('other', "SELECT state = 'running' FROM lstm_jobs WHERE job = $other"), 'it runs');
my ($result, $out, $err) = $node->psql('postgres', 'DROP DATABASE other');
like($err, qr/being accessed by other users/, 'a database with a running job is not dropped');
$node->safe_psql('postgres', 'DROP DATABASE other WITH (FORCE)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_lstm job'"), 'but with force it is');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'no lock is left');

done_testing();
