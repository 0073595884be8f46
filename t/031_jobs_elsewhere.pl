# Jobs where not all is as usual: a standby and its promotion, transactions that are prepared,
# no slot for a background worker, and trainings of sessions as others see them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $long = q{'{"epochs": 1000, "hidden": 24, "patience": 0}'};
my $primary = new_node('primary', preload(), 'max_prepared_transactions = 2', 'max_worker_processes = 4', 'pg_lstm.checkpoint_interval = 0');

make_tickets($primary, 500);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# ---- a session's training, as others see it --------------------------------------------

my ($handle) = background_sql($primary, "SET pg_lstm.max_workers = 1; SELECT lstm_train('ticket', 'body', 'cause', 'seen', options => $long)");
ok($primary->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM lstm_progress WHERE model = 'seen' AND job IS NULL AND phase = 'training' AND epoch > 1)}),
	'a training of a session is seen from another');
is($primary->safe_psql('postgres', q{SELECT a.query LIKE '%lstm_train%', p.database, p.rows FROM lstm_progress p JOIN pg_stat_activity a USING (pid)}),
	't|postgres|500', 'with its process, database and rows');
$primary->safe_psql('postgres', 'SELECT pg_cancel_backend(pid) FROM lstm_progress');
$handle->finish;
is($primary->safe_psql('postgres', 'SELECT count(*) FROM lstm_progress'), '0', 'canceled: it is seen no more');

# ---- a transaction that is prepared --------------------------------------------------------

$primary->safe_psql('postgres', "BEGIN; SELECT lstm_submit('ticket', 'body', 'cause', 'prepared', options => " . small() . "); PREPARE TRANSACTION 'p'");
is($primary->safe_psql('postgres', 'SELECT count(*) FROM lstm_jobs'), '0', 'prepared: there is no job yet');
$primary->safe_psql('postgres', "COMMIT PREPARED 'p'");
my $job = $primary->safe_psql('postgres', 'SELECT job FROM lstm_jobs');
is($primary->safe_psql('postgres', "SELECT lstm_wait($job, '60 s')"), 'done', 'committed: whoever waits sees to it that it is done');

# ---- no slot ------------------------------------------------------------------------------------

# Logical replication's launcher has the only one.
my $crowded = new_node('crowded', 'max_worker_processes = 1');
make_tickets($crowded, 200);
my ($result, $out, $err) = $crowded->psql('postgres', "SELECT lstm_submit('ticket', 'body', 'cause', 'crowded', options => " . small() . ')');
is($result, 0, 'no slot for a background worker: the transaction commits');
like($err, qr/WARNING:  no background worker could be started for the job\nDETAIL: .*max_worker_processes.*\nHINT: /, 'with a warning');
is($crowded->safe_psql('postgres', "SELECT lstm_wait($out, '0.5 s')"), 'queued', 'and the job waits');
$crowded->append_conf('postgresql.conf', 'max_worker_processes = 2');
$crowded->restart;
is($crowded->safe_psql('postgres', "SELECT lstm_wait($out, '60 s')"), 'done', 'until there is one');
$crowded->stop;

# ---- the standby ----------------------------------------------------------------------------------

$job = $primary->safe_psql('postgres', "SELECT lstm_submit('ticket', 'body', 'cause', 'moved', options => '{\"epochs\": 120, \"hidden\": 24, \"patience\": 0}')");
ok($primary->poll_query_until('postgres', "SELECT checkpoint IS NOT NULL FROM lstm_jobs WHERE job = $job"), 'a checkpoint was written');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', "SELECT state FROM lstm_jobs WHERE job = $job"), 'unknown', 'on a standby the state is unknown');
for my $call ("lstm_submit('ticket', 'body', 'cause')", "lstm_stop($job)", "lstm_cancel($job)")
{
	($result, $out, $err) = $standby->psql('postgres', "SELECT $call");
	like($err, qr/cannot execute lstm_\w+\(\) during recovery/, "$call is refused there");
}
like($standby->safe_psql('postgres', "SELECT lstm_wait($job, '10 ms')"), qr/^unknown$/, 'waiting is not');
$primary->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT state = 'done' FROM lstm_jobs WHERE job = $job"), 'promoted: the job goes on there, to its end');
is($standby->safe_psql('postgres', "SELECT starts FROM lstm_jobs WHERE job = $job"), '2', 'by its second process');
$standby->safe_psql('postgres', q{SELECT lstm_train('ticket', 'body', 'cause', 'moved', options => '{"epochs": 120, "hidden": 24, "patience": 0}')});
is($standby->safe_psql('postgres', q{SELECT count(DISTINCT digest), count(*) FROM lstm_versions WHERE model = 'moved'}), '1|2', 'with the same bytes');

done_testing();
