# Retraining in a database that lives on: dumps carry all that it needs, a refresh goes
# on where it was interrupted, and a crash leaves nothing half done.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('retrain');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $options = small('"refit": true');

make_tickets($node, 400);
$node->safe_psql('postgres', qq{
	CREATE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 200;
	SELECT lstm_train('source', 'body', 'cause', 'm', options => $options);
	CREATE OR REPLACE VIEW source AS SELECT body, cause FROM ticket WHERE id <= 300;
	SELECT lstm_retrain('m');
	SELECT lstm_check('m', 'router after lunch', 'network');
	SELECT lstm_policy('m', new_rows => 50, max_age => '1 year', not_more_often => '0', options => '{"alpha": 0.01}')});

# ---- dump and restore ---------------------------------------------------------------

sub listing
{
	my ($database) = @_;

	return $node->safe_psql($database, q{
		SELECT * FROM lstm_checks ORDER BY 1, 2;
		SELECT model, version, champion, went_live, reason, figures, decided_at, decided_by FROM lstm_decisions ORDER BY 1, 2;
		SELECT * FROM lstm_policies ORDER BY 1;
		SELECT version, length(measured), md5(measured) FROM lstm_version ORDER BY 1});
}

# What comes next must be the same in both: same champion, same held-out rows, same start.
sub go_on
{
	my ($database) = @_;

	return $node->safe_psql($database, q{
		CREATE OR REPLACE VIEW source AS SELECT body, cause FROM ticket;
		SELECT model, action, reason, version FROM lstm_maintain(false);
		SELECT model, version, live, digest FROM lstm_versions WHERE model = 'm' ORDER BY 2;
		SELECT figures FROM lstm_decisions ORDER BY version});
}

my $listed = listing('postgres');

like($listed, qr/router after lunch/, 'there is a check');
like($listed, qr/^2\|\d+\|/m, 'and what a retraining starts from');
$node->command_ok([ 'pg_dump', '-F', 'c', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-j', '2', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
is(listing('copy'), $listed, 'checks, decisions, policies and measured weights are the same');
my $source_went_on = go_on('postgres');
like($source_went_on, qr/^m\|(deployed|kept)\|There are 100 new rows/, 'the policy is followed');
is(go_on('copy'), $source_went_on, 'and the copy goes on to the same bytes');

# ---- a refresh that is interrupted ------------------------------------------------------

$node->safe_psql('postgres', 'CREATE TABLE inbox (id integer, body text, cause text); INSERT INTO inbox SELECT id, body FROM ticket, generate_series(1, 10)');
# one row makes the third batch fail
$node->safe_psql('postgres', q{
	CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF (SELECT count(*) FROM inbox WHERE cause IS NOT NULL) >= 1000 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$;
	CREATE TRIGGER stop BEFORE UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION stop()});
my ($handle, $out, $err) = background_sql($node, "CALL lstm_refresh_all('inbox', 'cause', 'm', batch => 500);\n");

ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 'the third batch hangs');
is($node->safe_psql('postgres', 'SELECT count(cause) FROM inbox'), '1000', 'two batches are there');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$handle->finish;
like($$err, qr/terminating connection/, 'the session is terminated');
is($node->safe_psql('postgres', 'SELECT count(cause) FROM inbox'), '1000', 'and they stay');
$node->safe_psql('postgres', 'DROP TRIGGER stop ON inbox');
$node->safe_psql('postgres', "CALL lstm_refresh_all('inbox', 'cause', 'm', batch => 500)");
is($node->safe_psql('postgres', "SELECT count(*) FROM inbox WHERE cause = lstm_predict('m', body)"), '4000', 'the next call does the rest');

# ---- crashes ------------------------------------------------------------------------------

my $before = $node->safe_psql('postgres', 'SELECT version, live FROM lstm_versions WHERE NOT version IS NULL ORDER BY 1');
my ($crashed) = background_sql($node, q{BEGIN; SELECT lstm_retrain('m', '{"epochs": 1000}');} . "\n");

wait_for_activity($node, 'lstm_retrain');
select(undef, undef, undef, 0.5);
$node->stop('immediate');
$node->start;
eval { $crashed->finish };
is($node->safe_psql('postgres', 'SELECT version, live FROM lstm_versions WHERE NOT version IS NULL ORDER BY 1'), $before,
	'a crash during a retraining leaves all as it was');
like($node->safe_psql('postgres', "SELECT live FROM lstm_retrain('m')"), qr/^[tf]$/, 'and the next one works');

# ---- cancel -----------------------------------------------------------------------------

my ($code, $stdout, $stderr) = $node->psql('postgres', q{SET statement_timeout = '700ms'; SELECT lstm_retrain('m', '{"epochs": 1000}')});
isnt($code, 0, 'a retraining is canceled');
like($stderr, qr/statement timeout/, 'by the timeout');
$node->safe_psql('postgres', q{SELECT lstm_policy('m', max_age => '1 microsecond', not_more_often => '0', options => '{"epochs": 1000}')});
($code, $stdout, $stderr) = $node->psql('postgres', q{SET statement_timeout = '700ms'; SELECT lstm_maintain(false)});
like($stderr, qr/statement timeout/, 'a cancel ends lstm_maintain(), too, and is not taken for a failure of the model');
is($node->safe_psql('postgres', 'SELECT last_result LIKE \'failed%\' FROM lstm_policies'), 'f', 'nor noted as one');

$node->stop;
done_testing();
