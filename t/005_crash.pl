# kill -9 in the middle of training: the server restarts, no model is half there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('crash', 'restart_after_crash = on');

make_tickets($node, 500);
$node->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . ')');

my $answers = q{SELECT md5(string_agg(lstm_embed('m', body)::text, E'\n' ORDER BY id)) FROM ticket};
my $before = $node->safe_psql('postgres', $answers);

# Kill the process of a statement after a while, and wait for the server.
sub kill_in
{
	my ($what, $after_s, $sql) = @_;
	my ($handle) = background_sql($node, $sql);
	my $pid = wait_for_activity($node, 'lstm_');

	sleep $after_s;
	is(kill('KILL', $pid), 1, "$what: killed");
	$handle->finish;
	ok($node->poll_query_until('postgres', 'SELECT true'), "$what: the server is back");
	is($node->safe_psql('postgres', 'SELECT (SELECT string_agg(name, \' \') FROM lstm_model), (SELECT count(*) FROM lstm_version), (SELECT count(*) FROM lstm_epoch)'),
		'm|1|8', "$what: no model, version or epoch is left");
	is($node->safe_psql('postgres', $answers), $before, "$what: answers are as before");
}

kill_in('training', 0.5, q{SELECT lstm_train('ticket', 'body', 'cause', 'x', options => '{"epochs": 1000}')});
kill_in('training in a transaction that has trained', 0.5,
	"BEGIN; SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . "); SELECT lstm_train('ticket', 'body', 'cause', 'x', options => '{\"epochs\": 1000}')");
kill_in('answering', 0.3, q{SELECT count(lstm_predict('m', body || g)) FROM ticket, generate_series(1, 100000) g});

# The machine loses its power while it trains, and right after a commit.
my ($handle) = background_sql($node, q{SELECT lstm_train('ticket', 'body', 'cause', 'x', options => '{"epochs": 1000}')});
wait_for_activity($node, 'lstm_train');
$node->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'committed', options => " . small() . ')');
$node->stop('immediate');
$handle->finish;
$node->start;
is($node->safe_psql('postgres', 'SELECT string_agg(name, \' \' ORDER BY name) FROM lstm_model'), 'committed m', 'what was committed is there, and nothing else');
is($node->safe_psql('postgres', "SELECT count(lstm_predict('committed', body)) FROM ticket"), '500', 'and answers');
is($node->safe_psql('postgres', $answers), $before, 'as what was there before');

done_testing();
