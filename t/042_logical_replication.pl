# The model tables replicated logically to another server: the same answers, bit for bit; a deploy, a
# drop and a new owner are followed, also by sessions that have answered before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');

$publisher->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
$publisher->append_conf('postgresql.conf', "autovacuum = off\n");
$publisher->start;
$publisher->safe_psql('postgres', 'CREATE ROLE anna; CREATE ROLE bert; CREATE ROLE only_here; CREATE EXTENSION pg_lstm');
make_tickets($publisher, 80);
$publisher->safe_psql('postgres', 'GRANT SELECT ON ticket TO PUBLIC');

my $subscriber = new_node('subscriber', 'wal_retrieve_retry_interval = 100ms');

make_tickets($subscriber, 80);
$subscriber->safe_psql('postgres', 'CREATE ROLE bert; CREATE ROLE anna; CREATE ROLE reader; GRANT SELECT ON ticket TO PUBLIC');

# Some models before the copy, some after.
sub train
{
	my ($role, $model, $more, $input, $target) = @_;

	$publisher->safe_psql('postgres', "SET ROLE $role; SELECT lstm_train('ticket', '" . ($input // 'body') . "', '" . ($target // 'cause') . "', '$model', options => " . small($more) . ')');
}

train('anna', 'm');
$publisher->safe_psql('postgres', 'CREATE PUBLICATION models FOR TABLE lstm_model, lstm_version, lstm_epoch');
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION models CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION models");
$subscriber->wait_for_subscription_sync;
train('bert', 'grid', undef, 'grid', 'is_even');
train('only_here', 'stranger');
train('anna', 'm', '"seed": 2');

sub catch_up
{
	$publisher->wait_for_catchup('models');
}

my $answers = q{
	SELECT count(*), md5(string_agg(a::text, E'\n' ORDER BY id))
	  FROM (SELECT id, lstm_classify('m', body), lstm_embed('m', body), lstm_embed('grid', grid), lstm_embed('stranger', body) FROM ticket) a};
my $listing = q{SELECT model, version, live, digest, rows, facts, metrics FROM lstm_versions WHERE trained_by IS NOT NULL ORDER BY 1, 2;
	SELECT model, version, epoch, loss_train, rate FROM lstm_epochs ORDER BY 1, 2, 3};
my $rights = 'SELECT model, owner, granted FROM lstm_models WHERE NOT shipped ORDER BY 1';

catch_up();
is($subscriber->safe_psql('postgres', $answers), $publisher->safe_psql('postgres', $answers), 'the same answers, bit for bit');
is($subscriber->safe_psql('postgres', $listing), $publisher->safe_psql('postgres', $listing), 'the same versions and epochs');
is($subscriber->safe_psql('postgres', $rights), "grid|bert|{}\nm|anna|{}\nstranger|postgres|{}", 'owners are the roles of those names, else who owns the tables');
like(slurp_file($subscriber->logfile), qr/WARNING:.*model "stranger" belongs to "postgres"/, 'and the log says so');

# A session that stays.
my $session = $subscriber->background_psql('postgres', on_error_stop => 0);
my $ask = "SELECT (lstm_classify('m', 'router')).version";
is($session->query($ask), '2', 'a session answers');
$publisher->safe_psql('postgres', "SELECT lstm_deploy('m', 1)");
catch_up();
is($session->query($ask), '1', 'a deploy is followed');
is($subscriber->safe_psql('postgres', $answers), $publisher->safe_psql('postgres', $answers), 'by the same answers');
$publisher->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 2); ROLLBACK; SELECT txid_current()");
catch_up();
is($session->query($ask), '1', 'one that was rolled back is not');
$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query($ask), '1', 'within REPEATABLE READ');
$publisher->safe_psql('postgres', "SELECT lstm_rollback('m')");
catch_up();
is($session->query($ask), '1', 'its version is kept');
$session->query('COMMIT');
is($session->query($ask), '2', 'until its end');
my $digest = $publisher->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'm' AND version = 1");
is($session->query("SELECT lstm_predict_pinned('$digest', 'router') IS NOT NULL"), 't', 'a pinned version answers');

# Rights are the subscriber's own: grants are not replicated, as those of tables are not.
$publisher->safe_psql('postgres', "SELECT lstm_grant('m', 'bert')");
$subscriber->safe_psql('postgres', "SET ROLE anna; SELECT lstm_grant('m', 'reader')");
train('anna', 'm', '"seed": 3');
catch_up();
is($subscriber->safe_psql('postgres', "SELECT granted FROM lstm_models WHERE model = 'm'"), '{reader}', 'grants are those of the subscriber, and stay');
is($subscriber->safe_psql('postgres', 'SET ROLE reader; SELECT count(lstm_predict(\'m\', body)) FROM ticket'), '80', 'and let answer');
my ($status, $out, $err) = $subscriber->psql('postgres', "SET ROLE bert; SELECT lstm_predict('m', 'router')");
like($err, qr/permission denied for model "m"/, 'and nobody else');
$publisher->safe_psql('postgres', "SELECT lstm_owner('m', 'bert')");
catch_up();
is($subscriber->safe_psql('postgres', "SELECT owner, granted FROM lstm_models WHERE model = 'm'"), 'bert|{reader}', 'a new owner is followed');

# A role of the owner's cannot be dropped on the subscriber either.
($status, $out, $err) = $subscriber->psql('postgres', 'DROP ROLE bert');
like($err, qr/owner of server lstm_m_[0-9a-f]{8}/, 'DROP ROLE of an owner is refused on the subscriber');

# Dropped.
$publisher->safe_psql('postgres', "SELECT lstm_drop('grid'), lstm_drop('m', 1)");
catch_up();
$session->query("SELECT lstm_predict('grid', ARRAY[[1, 1]])");
like($session->{stderr}, qr/model "grid" does not exist/, 'a drop is followed');
is($subscriber->safe_psql('postgres', "SELECT string_agg(regexp_replace(srvname, '_[0-9a-f]{8}\$', ''), ' ' ORDER BY srvname) FROM pg_foreign_server"), 'lstm_m lstm_stranger', 'nothing stands for it any more');
is($session->query($ask), '3', 'the rest answers');
$publisher->safe_psql('postgres', 'TRUNCATE lstm_model, lstm_version, lstm_epoch');
catch_up();
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM lstm_models WHERE NOT shipped'), '0', 'TRUNCATE is followed');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM pg_foreign_server'), '0', 'by all that stood for models');

# The subscriber goes its own way.
train('anna', 'last');
catch_up();
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION models DISABLE; DROP SUBSCRIPTION models');
is($subscriber->safe_psql('postgres', "SET ROLE anna; SELECT version FROM lstm_train('ticket', 'body', 'cause', 'last', options => " . small() . ')'), '2', 'on its own, it trains on');
$session->quit;

done_testing();
