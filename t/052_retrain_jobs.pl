# Retrainings and teams in the background: what lstm_maintain() queues holds no snapshot while it trains, and comes
# to the bytes of lstm_retrain() whatever happens meanwhile: kill -9, another number of processes, workers that
# end, other rows, another live version, a champion that is dropped.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# Some seconds of training with checkpoints all along, and again for the refit, by as many processes as may.
my $options = q{'{"epochs": 80, "hidden": 24, "patience": 0, "refit": true, "workers": 4, "shards": 4}'};
my $longer = q{'{"epochs": 150, "hidden": 24, "patience": 0, "refit": false, "workers": 4, "shards": 4}'};
my $long = q{'{"epochs": 1000, "hidden": 24, "patience": 0, "workers": 4, "shards": 4}'};
my $node = new_node('retrain_jobs', preload(), 'restart_after_crash = on', 'autovacuum = off', 'max_worker_processes = 12',
	'pg_lstm.checkpoint_interval = 0', 'pg_lstm.max_workers = 2');

make_tickets($node, 600);
$node->safe_psql('postgres', 'CREATE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 300');
for my $model (qw(reference m))
{
	$node->safe_psql('postgres', "SELECT lstm_train('source', 'body', 'cause', '$model', options => $options)");
}
$node->safe_psql('postgres', 'CREATE OR REPLACE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 500');
$node->safe_psql('postgres', q{SELECT lstm_retrain('reference')});

sub job
{
	my ($job, $columns) = @_;
	return $node->safe_psql('postgres', "SELECT $columns FROM lstm_jobs WHERE job = $job");
}

# What a retraining made: bytes, what it goes on from next, what was found.
sub made
{
	my ($model, $version) = @_;
	return $node->safe_psql('postgres', "SELECT digest, d.figures, d.reason FROM lstm_versions v JOIN lstm_decisions d USING (model, version) WHERE v.model = '$model' AND v.version = $version")
	  . $node->safe_psql('postgres', "SELECT md5(measured) FROM lstm_version v JOIN lstm_model m ON m.id = v.model WHERE m.name = '$model' AND v.version = $version");
}

sub wait_for_checkpoint
{
	my ($job) = @_;
	my $was = job($job, "coalesce(checkpoint::text, '')");
	return $node->poll_query_until('postgres', "SELECT finished IS NOT NULL OR coalesce(saved::text, '') <> '$was' FROM lstm_job WHERE id = $job");
}

my $team = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pg_lstm job', 'pg_lstm worker') AND state = 'active'};

# Places that are taken, of all.
my $places = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 7403 AND granted};

sub set_workers
{
	my ($n) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET pg_lstm.max_workers = $n");
	$node->reload;
	return;
}

my $reference = made('reference', 2);
like($reference, qr/not worse on \d+ rows/, 'in the foreground');

# ---- a policy queues it; it is interrupted, and goes on with more and with fewer processes ------------------

$node->safe_psql('postgres', q{SELECT lstm_policy('m', new_rows => 200, not_more_often => '1 day')});
my ($action, $job) = split(/\|/, $node->safe_psql('postgres', 'SELECT action, job FROM lstm_maintain()'));
is($action, 'queued', 'lstm_maintain() queues a job where there is a launcher');
ok(wait_for_checkpoint($job), 'it trains');
is($node->safe_psql('postgres', 'SELECT action FROM lstm_maintain()'), 'busy', 'and is not queued again');
ok($node->poll_query_until('postgres', "SELECT ($team) = 2"), 'with a worker');
is($node->safe_psql('postgres', $places), '2', 'which has a place, too');

# What comes to the table, to the model and to the champion now is not its business.
$node->safe_psql('postgres', 'ALTER TABLE ticket RENAME TO kept; CREATE OR REPLACE VIEW source AS SELECT body, cause FROM kept WHERE id <= 40');

for my $n (3, 1, 2)
{
	my $pid = job($job, 'pid');

	set_workers($n);
	ok(wait_for_checkpoint($job), "for $n: a checkpoint was written");
	last if $pid eq '' || job($job, 'state') ne 'running';
	is(kill('KILL', $pid), 1, "for $n: killed");
	ok($node->poll_query_until('postgres', "SELECT state IN ('running', 'done') AND pid IS DISTINCT FROM $pid FROM lstm_jobs WHERE job = $job"), "for $n: it goes on");
	ok($node->poll_query_until('postgres', "SELECT ($team) = $n OR EXISTS (SELECT FROM lstm_jobs WHERE state = 'done')"), "for $n: as so many processes");
}
set_workers(2);
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '180 s')"), 'done', 'it comes to its end');
is(made('m', 2), $reference, 'the bytes, the figures and the decision of lstm_retrain()');
like($node->safe_psql('postgres', 'SELECT last_result FROM lstm_policies'), qr/^deployed: There are 200 new rows\. It is not worse/, 'the policy knows');
is($node->safe_psql('postgres', 'SELECT action FROM lstm_maintain()'), 'waits', 'and waits');
is($node->safe_psql('postgres', 'SELECT count(*) FROM lstm_job_chunk'), '0', 'nothing is left of it');

# ---- no snapshot is held ------------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE OR REPLACE VIEW source AS SELECT body, cause FROM kept');
$node->safe_psql('postgres', "SELECT lstm_policy('m', max_age => '1 microsecond', not_more_often => '0', options => $long)");
$job = $node->safe_psql('postgres', 'SELECT job FROM lstm_maintain()');
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM lstm_progress WHERE job = $job AND phase = 'training' AND epoch > 1)"), 'it trains');
$node->safe_psql('postgres', 'CREATE TABLE dead AS SELECT n FROM generate_series(1, 1000) n; DELETE FROM dead');
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

# ---- the champion goes, another version goes live -------------------------------------------------------------------

$node->safe_psql('postgres', q{SELECT lstm_deploy('m', 1); SELECT lstm_drop('m', 2)});
kill('KILL', job($job, 'pid'));
ok($node->poll_query_until('postgres', "SELECT state = 'running' AND starts = 2 FROM lstm_jobs WHERE job = $job"), 'killed, and without its champion: it goes on');
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM lstm_progress WHERE job = $job AND phase = 'training' AND epoch > 1)"), 'it trains');
$node->safe_psql('postgres', "SELECT lstm_stop($job)");
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '60 s')"), 'stopped', 'and is stopped');
is($node->safe_psql('postgres', "SELECT version, champion, went_live, reason FROM lstm_decisions WHERE model = 'm' ORDER BY 1 DESC LIMIT 1"),
	'3|2|f|Version 1 went live while it was trained; it was compared with version 2.', 'what it made stays back');

# ---- workers end ------------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{SELECT lstm_drop_policy('m'); ALTER TABLE kept RENAME TO ticket; CREATE OR REPLACE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 500});
$node->safe_psql('postgres', "SELECT lstm_train('source', 'body', 'cause', 'trained', options => $longer)");
$job = $node->safe_psql('postgres', "SELECT lstm_submit('source', 'body', 'cause', 'by_job', options => $longer)");
for my $round (1 .. 2)
{
	ok(wait_for_checkpoint($job), "round $round: a checkpoint was written");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker' AND state = 'active'"), "round $round: there is a worker");
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_lstm worker'});
}
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '180 s')"), 'done', 'a worker is terminated: the job goes on');
is(job($job, 'starts'), '1', 'in the same process');
like(slurp_file($node->logfile), qr/LOG:  a worker of a job has ended: worker process \d+ of the training was terminated\n.*DETAIL:  The job goes on from its last checkpoint/, 'which says so in the log');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT digest), count(*) FROM lstm_versions WHERE model IN ('trained', 'by_job')}), '1|2', 'to the bytes of lstm_train()');

# ---- one bound for all ---------------------------------------------------------------------------------------------------

# A session has both places: a job waits until it gives them back.
my ($handle) = background_sql($node, q{BEGIN; SELECT lstm_train('source', 'body', 'cause', 'session', options => '{"epochs": 1000, "hidden": 24, "patience": 0, "workers": 2, "shards": 4}')});
ok($node->poll_query_until('postgres', "SELECT ($places) = 2"), 'a session and its worker have both places');
like($node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity JOIN lstm_progress USING (pid) WHERE phase = 'training'}),
	qr{^/\* training model "session"(, epoch \d+ of 1000)? \*/ .*lstm_train}, 'pg_stat_activity shows how far a session is');
my $waits = $node->safe_psql('postgres', 'SELECT lstm_submit(\'source\', \'body\', \'cause\', \'waits\', options => ' . small() . ')');
is($node->safe_psql('postgres', "SELECT lstm_wait($waits, '2 s')"), 'queued', 'a job waits');
my ($code, $out, $err) = $node->psql('postgres', q{SELECT version FROM lstm_train('source', 'body', 'cause', 'alone', options => '{"epochs": 3, "hidden": 8, "workers": 2, "shards": 4}')});
is($out, '1', 'another session trains alone');
like($err, qr/NOTICE:  training with 1 of 2 workers\nDETAIL:  Other trainings have the rest of pg_lstm\.max_workers \(2\)\.\nHINT: /, 'and is told');
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM lstm_progress WHERE model = 'session'});
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$handle->finish;
is($node->safe_psql('postgres', "SELECT lstm_wait($waits, '60 s')"), 'done', 'then it begins');

# The other way round: what a job with its team leaves is nothing.
$job = $node->safe_psql('postgres', "SELECT lstm_submit('source', 'body', 'cause', 'whole', options => $long)");
ok($node->poll_query_until('postgres', "SELECT ($team) = 2"), 'a job has both');
is($node->safe_psql('postgres', $places), '2', 'and no more');
$node->safe_psql('postgres', "SELECT lstm_cancel($job)");
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '60 s')"), 'canceled', 'it ends');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('pg_lstm job', 'pg_lstm worker')}), 'no process is left');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'and no lock');

# ---- where texts are converted --------------------------------------------------------------------------------------------

# No transaction is open while versions are compared, and without one the server converts no text.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$node->safe_psql('latin', 'CREATE EXTENSION pg_lstm');
make_tickets($node, 300, 'latin');
$node->safe_psql('latin', q{
	UPDATE ticket SET body = body || U&' caf\\00E9', cause = CASE cause WHEN 'network' THEN U&'r\\00E9seau' ELSE cause END;
	CREATE TABLE latin AS SELECT string_to_array(body, ' ') AS words, ARRAY(SELECT CASE WHEN w = 'router' THEN U&'B-r\\00E9seau' ELSE 'O' END FROM unnest(string_to_array(body, ' ')) w) AS tags,
		   body, cause, ARRAY[cause] AS causes FROM ticket});
$options = q{'{"epochs": 4, "hidden": 8, "embedding": 8, "validation": 0.3}'};
$node->safe_psql('latin', "
	SELECT lstm_train('latin', 'body', 'cause', 'label', options => $options);
	SELECT lstm_train('latin', 'body', 'causes', 'labels', options => $options);
	SELECT lstm_train('latin', 'words', 'tags', 'tags', options => $options);
	SELECT lstm_train('latin', 'body', 'cause', 'text', 'translate', options => $options)");
$node->safe_psql('latin', q{SELECT lstm_submit_retrain(model, CASE WHEN model = 'label' THEN jsonb_build_object('floor', jsonb_build_object(U&'r\\00E9seau', 0)) ELSE '{}' END) FROM lstm_models WHERE NOT shipped});
is($node->safe_psql('latin', q{SELECT model, lstm_wait(job, '60 s'), (SELECT error FROM lstm_jobs j WHERE j.job = l.job) FROM lstm_jobs l ORDER BY model}),
	"label|done|\nlabels|done|\ntags|done|\ntext|done|", 'in a database that is not in UTF-8');
is($node->safe_psql('latin', q{SELECT count(*) FROM lstm_decisions WHERE reason <> ''}), '4', 'with their decisions');

done_testing();
