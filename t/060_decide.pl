# Thresholds live and go with their versions: to other sessions at commit, through dump and restore, to a
# standby, through a crash; two who set them at once lose none; and whoever asks in a batch, in parallel or
# alone, is told the same.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = new_node('primary', 'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0');
$node->safe_psql('postgres', q{
	CREATE TABLE ticket AS
	SELECT n AS id, CASE WHEN n % 5 = 0 THEN 'it does not work ' || n
		ELSE concat_ws(' ', CASE k WHEN 0 THEN 'router cable' WHEN 1 THEN 'invoice refund' ELSE 'crash freeze' END, 'since lunch', n) END AS body,
		(ARRAY['network', 'billing', 'software'])[1 + k] AS cause
	  FROM (SELECT n, n * 7919 % 1009 % 3 AS k FROM generate_series(1, 1500) n) a;
	SELECT lstm_train('ticket', 'body', 'cause', 'm', options => '{"epochs": 6, "hidden": 8, "validation": 0.3}');
});
my $answers = q{SELECT md5(string_agg(a::text, ',' ORDER BY id)), count(*) FILTER (WHERE (a).abstained) > 100
	FROM (SELECT id, lstm_classify('m', body) AS a FROM ticket OFFSET 0) s};
my $before = $node->safe_psql('postgres', $answers);

# Seen by others at commit, not before.
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN');
$other->query_safe(q{SELECT lstm_threshold('m', min_precision => 0.9)});
is($node->safe_psql('postgres', $answers), $before, 'before the commit nobody abstains');
$other->query_safe('COMMIT');
my $after = $node->safe_psql('postgres', $answers);
isnt($after, $before, 'after it answers are withheld');
like($after, qr/t$/, 'a good part of them');

# REPEATABLE READ keeps what it began with.
$other->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$other->query_safe('SELECT 1 FROM lstm_models');
$node->safe_psql('postgres', q{SELECT lstm_threshold('m', min_precision => NULL)});
is($other->query_safe($answers), $after, 'an older snapshot keeps the threshold');
$other->query_safe('COMMIT');
is($other->query_safe($answers), $before, 'a newer one has none');

# Two at once.
$other->query_safe('BEGIN');
$other->query_safe(q{SELECT lstm_threshold('m', min_precision => 0.9)});
my $second = $node->background_psql('postgres');
$second->query_until(qr/started/, qq{\\echo started\nSELECT lstm_threshold('m', 'network', 0.8);\n});
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'})
  or die 'the second does not wait';
$other->query_safe('COMMIT');
$second->query_safe('SELECT 1');
is($node->safe_psql('postgres', q{SELECT string_agg(kind, ' ' ORDER BY kind) FROM lstm_thresholds}), 'any label',
	'neither of two who set thresholds at once is lost');
$node->safe_psql('postgres', q{SELECT lstm_unlike('m', 0.9)});
$after = $node->safe_psql('postgres', $answers);

# Alone, in batches, in parallel.
is($node->safe_psql('postgres', "SET pg_lstm.enable_batch = off; $answers"), $after, 'alone as in a batch');
is($node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; $answers"), $after, 'in one process as in several');

# A standby, a crash.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $answers), $after, 'on a standby');
my ($status, $out, $err) = $standby->psql('postgres', q{SELECT lstm_threshold('m')});
like($err, qr/cannot execute lstm_threshold\(\) during recovery/, 'where none can be set');
$node->safe_psql('postgres', q{SELECT lstm_threshold('m', 'network', NULL)});
my $fewer = $node->safe_psql('postgres', $answers);
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $answers), $fewer, 'which follows');
$other->quit;
$second->quit;
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $answers), $fewer, 'after a crash');

# Dump and restore; the record comes along, so another threshold can be chosen there.
$node->command_ok(['pg_dump', '-Fc', '-f', $node->basedir . '/dump', $node->connstr('postgres')], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['pg_restore', '-d', $node->connstr('restored'), $node->basedir . '/dump'], 'restore');
is($node->safe_psql('restored', $answers), $fewer, 'restored thresholds answer alike');
my $choice = q{SELECT threshold, answered, precision_low, rows FROM lstm_threshold('m', min_precision => 0.85)};
is($node->safe_psql('restored', $choice), $node->safe_psql('postgres', $choice), 'and the same choice is made there');

done_testing();
