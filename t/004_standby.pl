# A hot standby answers the same, follows a deploy, and refuses to train.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_node('primary');
my $standby = PostgreSQL::Test::Cluster->new('standby');

make_tickets($primary, 100);
$primary->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . ');'
	  . "SELECT lstm_train('ticket', 'grid', 'is_even', 'grid', options => " . small() . ')');
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $answers = q{
	SELECT count(*), md5(string_agg(a::text, E'\n' ORDER BY id))
	  FROM (SELECT id, lstm_classify('m', body), lstm_embed('m', body), lstm_embed('grid', grid),
				   (SELECT array_agg(probability) FROM lstm_probabilities('m', body)) FROM ticket) a};
my $digest = $primary->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'm'");

$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($standby->safe_psql('postgres', $answers), $primary->safe_psql('postgres', $answers), 'the same answers, bit for bit');

# One session on the standby that stays: what it remembers has to follow.
my $session = $standby->background_psql('postgres', on_error_stop => 0);
my $ask = "SELECT (lstm_classify('m', 'router')).version";
is($session->query($ask), '1', 'a session on the standby answers');
$primary->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small('"seed": 2') . ')');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($session->query($ask), '2', 'a training is followed');
is($standby->safe_psql('postgres', $answers), $primary->safe_psql('postgres', $answers), 'by the same answers');
$primary->safe_psql('postgres', "SELECT lstm_deploy('m', 1)");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($session->query($ask), '1', 'a deploy is followed');
$primary->safe_psql('postgres', "BEGIN; SELECT lstm_deploy('m', 2); ROLLBACK; SELECT txid_current()");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($session->query($ask), '1', 'one that was rolled back is not');
$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query($ask), '1', 'within REPEATABLE READ');
$primary->safe_psql('postgres', "SELECT lstm_deploy('m', 2)");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($session->query($ask), '1', 'its version is kept');
$session->query('COMMIT');
is($session->query($ask), '2', 'until its end');

# What only reads, works.
is($standby->safe_psql('postgres', "SELECT lstm_predict_pinned('$digest', 'router cable') = lstm_predict('m', 'router cable')")  =~ /^[tf]$/, 1,
	'a pinned version answers');
is($standby->safe_psql('postgres', "SELECT rows FROM lstm_evaluate('m', 'ticket', 'body', 'cause')"), '100', 'lstm_evaluate works');
is($standby->safe_psql('postgres', "SELECT rows FROM lstm_estimate('ticket', 'body', 'cause', options => " . small() . ')'), '100', 'lstm_estimate works');
is($standby->safe_psql('postgres', "SELECT encode(sha256(lstm_export('m', 1)), 'hex')"), $digest, 'lstm_export works');

# What writes, does not, and says why.
foreach my $call ("lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . ')', "lstm_deploy('m', 1)", "lstm_rollback('m')",
	"lstm_drop('m')", "lstm_drop('m', 1)", "lstm_import('m', '\\x00')")
{
	my ($name) = $call =~ /^(\w+)/;
	my ($status, $out, $err) = $standby->psql('postgres', "SELECT $call");

	isnt($status, 0, "$call fails");
	like($err, qr/cannot execute $name\(\) during recovery/, 'and says why');
}

# A drop; then the standby takes over.
$primary->safe_psql('postgres', "SELECT lstm_drop('grid')");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
$session->query("SELECT lstm_predict('grid', ARRAY[[1, 1]])");
like($session->{stderr}, qr/model "grid" does not exist/, 'a drop is followed');
$primary->stop;
$standby->promote;
is($standby->safe_psql('postgres', "SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => " . small('"seed": 3') . ')'),
	'3', 'once promoted, it trains');
is($session->query($ask), '3', 'and the session that stayed sees it');
$session->quit;

done_testing();
