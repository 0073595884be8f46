# Policies under a real pg_cron: the line that the manual shows, and what comes of it.
# pg_cron of Debian 12 knows no times shorter than a minute.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $libraries = `pg_config --pkglibdir`);
plan skip_all => 'pg_cron is not installed' unless -e "$libraries/pg_cron.so";

my $node = new_node('cron', "shared_preload_libraries = 'pg_cron'", "cron.database_name = 'postgres'",
	'cron.use_background_workers = on', 'max_worker_processes = 20');

make_tickets($node, 300);
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_cron;
	CREATE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 200;
	SELECT lstm_train('source', 'body', 'cause', 'm', options => } . small() . q{);
	CREATE OR REPLACE VIEW source AS SELECT body, cause FROM ticket;
	SELECT lstm_policy('m', new_rows => 100, not_more_often => '1 hour')});

is($node->safe_psql('postgres', q{SELECT cron.schedule('pg_lstm', '* * * * *', 'SELECT * FROM lstm_maintain()')}), '1', 'scheduled');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM cron.job_run_details WHERE status = 'succeeded'}), 'pg_cron has run it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job_run_details WHERE status NOT IN ('succeeded', 'running', 'starting')}), '0', 'nothing failed');
is($node->safe_psql('postgres', q{SELECT kind, reason FROM lstm_jobs}), 'retrain|There are 100 new rows.', 'a job was submitted');
is($node->safe_psql('postgres', q{SELECT lstm_wait(job, '60 s') FROM lstm_jobs}), 'done', 'and done');
is($node->safe_psql('postgres', q{SELECT version, champion FROM lstm_decisions}), '2|1', 'a version was trained and judged');
like($node->safe_psql('postgres', q{SELECT last_result FROM lstm_policies}), qr/^(deployed|kept): There are 100 new rows\./, 'the policy tells why');
$node->safe_psql('postgres', q{SELECT cron.unschedule('pg_lstm')});
$node->stop;
done_testing();
