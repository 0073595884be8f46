# Training, deploying, granting and dropping in transactions that are prepared: seen by nobody until COMMIT
# PREPARED, also after a crash in between, and then by everybody, sessions that stay and a standby included.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', 'max_prepared_transactions = 5', 'lock_timeout = 2s');

make_tickets($node, 60);
$node->safe_psql('postgres', "CREATE ROLE anna; GRANT SELECT ON ticket TO anna; SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . ");"
	. "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small('"seed": 2') . ')');
$node->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');

$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

my $ask = "SELECT (lstm_classify('m', 'router')).version";
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $there = $standby->background_psql('postgres', on_error_stop => 0);

# All three see the same version.
sub see
{
	my ($version, $what) = @_;

	$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
	is(join(" ", scalar $session->query($ask), scalar $node->safe_psql("postgres", $ask), scalar $there->query($ask)), "$version $version $version", $what);
}

see(2, 'version 2 answers');

# A deploy.
$node->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 1); $ask; PREPARE TRANSACTION 'deploy'");
see(2, 'a prepared deploy is seen by nobody');
my ($status, $out, $err) = $node->psql('postgres', "SELECT lstm_deploy('m', 1)");
like($err, qr/canceling statement due to lock timeout/, 'another waits for it');
$node->safe_psql('postgres', "COMMIT PREPARED 'deploy'");
see(1, 'COMMIT PREPARED deploys, for all at once');
$node->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 2); PREPARE TRANSACTION 'not'; ROLLBACK PREPARED 'not'");
see(1, 'ROLLBACK PREPARED deploys nothing');

# Savepoints in it.
$node->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 2); SAVEPOINT s; SELECT lstm_drop('m'); ROLLBACK TO s; PREPARE TRANSACTION 'savepoint'");
see(1, 'with a savepoint: prepared');
$node->safe_psql('postgres', "COMMIT PREPARED 'savepoint'");
see(2, 'with a savepoint: committed');

# A training of a new model and a grant, with a crash before the commit.
$node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE anna; SELECT lstm_train('ticket', 'body', 'cause', 'new', options => " . small() . "); SELECT lstm_grant('new', 'public'); PREPARE TRANSACTION 'train'");
is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_models WHERE model = 'new'"), '0', 'a prepared training is seen by nobody');
$session->quit;
$node->stop('immediate');
$node->start;
$session = $node->background_psql('postgres', on_error_stop => 0);
see(2, 'after a crash: all is as it was');
is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_models WHERE model = 'new'"), '0', 'and the training is still not there');
($status, $out, $err) = $node->psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'new', options => " . small() . ')');
like($err, qr/canceling statement due to lock timeout/, 'its name is taken');
$node->safe_psql('postgres', "COMMIT PREPARED 'train'");
is($node->safe_psql('postgres', "SELECT owner, granted FROM lstm_models WHERE model = 'new'"), 'anna|{PUBLIC}', 'COMMIT PREPARED after the crash brings it, with owner and grant');
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
my $answers = q{SELECT md5(string_agg(lstm_embed('new', body)::text, ' ' ORDER BY id)) FROM ticket};
is($standby->safe_psql('postgres', $answers), $node->safe_psql('postgres', $answers), 'and the standby answers the same');

# Rights and drops.
$node->safe_psql('postgres', "BEGIN; SELECT lstm_revoke('new', 'public'); PREPARE TRANSACTION 'revoke'; CREATE ROLE bert");
is($node->safe_psql('postgres', "SET ROLE bert; SELECT lstm_may_use('new')"), 't', 'a prepared lstm_revoke takes nothing yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'revoke'");
is($node->safe_psql('postgres', "SET ROLE bert; SELECT lstm_may_use('new')"), 'f', 'COMMIT PREPARED does');
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is($standby->safe_psql('postgres', "SELECT owner, granted FROM lstm_models WHERE model = 'new'; SET ROLE bert; SELECT lstm_may_use('new')"), "anna|{}\nf", 'the standby has the same rights');
$node->safe_psql('postgres', "BEGIN; DROP OWNED BY anna; PREPARE TRANSACTION 'drop'");
is($node->safe_psql('postgres', $answers) ne '', 1, 'a prepared DROP OWNED drops nothing yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'drop'; DROP ROLE anna");
is($node->safe_psql('postgres', "SELECT string_agg(name, ' ') FROM lstm_model"), 'm', 'COMMIT PREPARED does');
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
$there->query("SELECT lstm_predict('new', 'router')");
like($there->{stderr}, qr/model "new" does not exist/, 'on the standby too');

# Prepared on the primary, committed by the promoted standby.
$node->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 1); PREPARE TRANSACTION 'over'");
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
$session->quit;
$node->stop;
$standby->promote;
is($there->query($ask), '2', 'promoted: still not deployed');
$standby->safe_psql('postgres', "COMMIT PREPARED 'over'");
is($there->query($ask), '1', 'committed there: deployed');
$there->quit;

done_testing();
