# With the library preloaded, one copy of a model serves all sessions: it is
# read once, stays while it is used, leaves when there is no room, and no error,
# cancel or crash leaves half of one.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('cache', preload(), "pg_lstm.cache_size = '32MB'", 'max_connections = 60', 'max_prepared_transactions = 2', 'restart_after_crash = on');

# What the view says of a model: version|place|sessions|in_use|hits|loads.
sub cached
{
	my ($model, $columns) = @_;

	return $node->safe_psql('postgres', 'SELECT ' . ($columns // 'version, place, sessions, in_use, hits, loads') . " FROM lstm_cache WHERE model = '$model'");
}

make_tickets($node, 100);
$node->safe_psql('postgres', qq{
	SELECT lstm_train('ticket', 'body', 'cause', 'm', options => ${\ small()});
	SELECT lstm_train('ticket', 'body', 'cause', 'm', options => ${\ small('"seed": 2')});
	SELECT lstm_train('ticket', 'grid', 'is_even', 'grid', options => ${\ small()});
	SELECT lstm_train('ticket', 'body', 'hours', 'hours', options => ${\ small()});
	SELECT lstm_train('ticket', 'body', model => 'words', options => '{"epochs": 2, "hidden": 8, "embedding": 8}')});
my $answers = q{
	SELECT md5(string_agg(concat_ws(' ', lstm_classify('m', body), lstm_embed('m', body), lstm_predict('grid', grid), lstm_embed('grid', grid),
									lstm_regress('hours', body), lstm_score('words', body), lstm_predict('words', body), sentiment_score(body)), E'\n' ORDER BY id))
	  FROM ticket};
$node->restart;

# ---- one load for all ------------------------------------------------------------

is(cached('m'), '', 'nothing is loaded when the server starts');
my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 2;
is($_->query("SELECT (lstm_classify('m', 'router')).version"), '2', 'a session answers') foreach @sessions;
is(cached('m'), '2|shared|2|0|1|1', 'two sessions, one load, one hit');
$sessions[0]->query("BEGIN; SELECT lstm_predict('m', 'router'); SELECT lstm_predict('m', 'cable')");
is(cached('m'), '2|shared|2|1|2|1', 'a transaction keeps it');
$sessions[0]->query('SAVEPOINT a; SELECT 1 / 0');
$sessions[0]->query('ROLLBACK TO a');
is(cached('m', 'in_use'), '1', 'an error that was rolled back to a savepoint lets it be');
$sessions[0]->query('SELECT 1 / 0; COMMIT');
is(cached('m'), '2|shared|2|0|2|1', 'until it ends, in an error too');
$sessions[0]->query("BEGIN; SELECT lstm_predict('m', 'router'); PREPARE TRANSACTION 'p'");
is(cached('m', 'in_use'), '0', 'or is prepared');
$sessions[0]->query("ROLLBACK PREPARED 'p'");
$sessions[0]->query("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT lstm_predict('m', body) FROM ticket; FETCH 1 FROM c");
is(cached('m', 'in_use'), '1', 'a cursor uses it');
$sessions[0]->query('COMMIT');
is(cached('m', 'in_use'), '0', 'to the end of its transaction');
is(() = scalar($sessions[0]->query('FETCH ALL FROM c')) =~ /\w+/g, 99, 'though it is held and gives its rows');
$sessions[1]->quit;
ok($node->poll_query_until('postgres', q{SELECT sessions = 1 FROM lstm_cache WHERE model = 'm'}), 'a session that ends is not counted');
like($node->safe_psql('postgres', q{SELECT value FROM lstm_doctor() WHERE item = 'cache'}), qr/^shared: 1 models, 0\.\d MB of 32 MB$/, 'lstm_doctor knows');

my (undef, undef, $err) = $node->psql('postgres', "SET pg_lstm.cache_size = '64MB'");
like($err, qr/cannot be changed without restarting the server/, 'a session cannot change the size of what is shared');

# ---- versions ----------------------------------------------------------------------

my $ask = "SELECT (lstm_classify('m', 'router')).version";
my $keeper = $node->background_psql('postgres', on_error_stop => 0);
$keeper->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($keeper->query($ask), '2', 'REPEATABLE READ begins');
$node->safe_psql('postgres', "SELECT lstm_deploy('m', 1)");
is($sessions[0]->query($ask), '1', 'a deploy is followed');
is($keeper->query($ask), '2', 'REPEATABLE READ keeps its version');
is(cached('m', "string_agg(version || ':' || in_use || ':' || loads, ' ' ORDER BY version)"), '1:0:1 2:1:1', 'both are in memory');
$node->safe_psql('postgres', "SELECT lstm_rollback('m')");
is($sessions[0]->query($ask), '2', 'a rollback is followed');
is(cached('m', "string_agg(version || ':' || loads, ' ' ORDER BY version)"), '1:1 2:1', 'and loads nothing');
$node->safe_psql('postgres', "SELECT lstm_import('n', lstm_export('m', 1)); SELECT lstm_drop('m', 1)");
is(cached('m', 'version'), '2', 'what was dropped is not shown');
$node->safe_psql('postgres', "SELECT lstm_predict('n', 'router')");
is(cached('n', 'version, loads'), '1|1', 'an equal file needs no second load');
$node->safe_psql('postgres', "BEGIN; SELECT lstm_drop('m'); ROLLBACK");
is($sessions[0]->query($ask), '2', 'a drop that was rolled back was none');
$node->safe_psql('postgres', "SELECT lstm_drop('n')");
$sessions[0]->query("SELECT lstm_predict('n', 'router')");
like($sessions[0]->{stderr}, qr/model "n" does not exist/, 'a drop is followed, whatever is in memory');
$keeper->query('COMMIT');

# Rights come first.
$node->safe_psql('postgres', 'CREATE ROLE stranger');
(undef, undef, $err) = $node->psql('postgres', "SET ROLE stranger; SELECT lstm_predict('m', 'router')");
like($err, qr/permission denied for model "m"/, 'a model in memory is nobody else\'s');
is($node->safe_psql('postgres', "SET ROLE stranger; SELECT count(*) FROM lstm_cache WHERE model <> 'sentiment_en'"), '0', 'nor is it shown');

# ---- many at once -------------------------------------------------------------------

my $expected = $node->safe_psql('postgres', $answers);
$node->restart;
my @running = map { [ background_sql($node, $answers) ] } 1 .. 8;
$_->[0]->finish foreach @running;
is(scalar(grep { ${ $_->[1] } eq "$expected\n" } @running), 8, 'eight sessions that begin at once have the same answers')
  or diag(map { ${ $_->[1] } . ${ $_->[2] } } @running);
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT loads::text, \' \'), count(*) FROM lstm_cache'), '1|5', 'each model was loaded once');
ok($node->poll_query_until('postgres', 'SELECT sum(sessions) = 0 AND sum(in_use) = 0 FROM lstm_cache'), 'and nobody is left using it');

# Parallel query.
is($node->safe_psql('postgres', qq{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
	ALTER TABLE ticket SET (parallel_workers = 2);
	$answers}), $expected, 'parallel workers have the same answers');
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT loads::text, \' \'), sum(in_use) FROM lstm_cache'), '1|0', 'of the same copies');

# What a session costs.
SKIP:
{
	my $n = 20;
	my @many = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. $n;
	my @pids = map { scalar $_->query('SELECT pg_backend_pid()') } @many;

	skip 'no /proc/PID/smaps_rollup', 2 if !open(my $file, '<', "/proc/$pids[0]/smaps_rollup");
	# what a session of its own needs first: catalogs, the tokenizer, scratch memory
	$_->query("SELECT lstm_predict('m', 'router')") foreach @many;
	my $private_kb = sub {
		my $sum = 0;

		foreach my $pid (@pids)
		{
			my $memory = slurp_file("/proc/$pid/smaps_rollup");

			$sum += $1 while $memory =~ /^Private_\w+:\s*(\d+)/mg;
		}
		return $sum / $n;
	};
	my $before = $private_kb->();
	is($_->query("SELECT sentiment('a great film')"), 'positive', 'a session answers') foreach $many[0];
	$_->query("SELECT sentiment('a great film')") foreach @many;
	my $more = $private_kb->() - $before;
	my $model_kb = cached('sentiment_en', 'bytes') / 1024;
	note(sprintf('a model of %d kB takes %d kB more of each of %d sessions', $model_kb, $more, $n));
	cmp_ok($more, '<', $model_kb / 20, 'sessions pay next to nothing for a model');
	is(cached('sentiment_en', 'sessions, loads'), "$n|1", 'which all of them use');
	$_->quit foreach @many;
}

# ---- loads that fail --------------------------------------------------------------------

# A load that was canceled again and again leaves nothing: else there would soon be no room for it.
my $n_canceled = 0;
$node->append_conf('postgresql.conf', "pg_lstm.cache_size = '24MB'");
foreach my $ms (5, 10, 20, 30, 40, 60)
{
	$node->restart;
	foreach (1 .. 5)
	{
		(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '${ms}ms'; SELECT lstm_prewarm('sentiment_en')");
		$n_canceled++ if $err =~ /canceling statement/;
	}
	last if cached('sentiment_en') ne '';
}
note("$n_canceled loads were canceled");
cmp_ok($n_canceled, '>', 0, 'loads were canceled');
is($node->safe_psql('postgres', "SELECT sentiment('a great film')"), 'positive', 'then it is loaded');
is(cached('sentiment_en', 'place, loads, in_use'), 'shared|1|0', 'once, and shared');

# Within a subtransaction, an error about the weights; others do not wait for what is not coming.
$node->restart;
$node->safe_psql('postgres', q{UPDATE lstm_version SET weights = weights || '\x00' WHERE model = (SELECT id FROM lstm_model WHERE name = 'hours')});
my $damaged = $node->background_psql('postgres', on_error_stop => 0);
$damaged->query(q{BEGIN; DO $$ BEGIN PERFORM lstm_predict('hours', 'router'); EXCEPTION WHEN data_corrupted THEN NULL; END $$});
my $started = time;
(undef, undef, $err) = $node->psql('postgres', "SELECT lstm_predict('hours', 'router')");
like($err, qr/are not those of its digest.*CONTEXT:  loading version 1 of model "hours"/s, 'damaged weights are an error in every session');
cmp_ok(time - $started, '<', 3, 'at once');
$damaged->query('COMMIT');
is(cached('hours'), '', 'and not in memory');

# The loader is told to go, or is killed: in the first case others load it, in the second all begin anew.
$node->restart;
my ($loader) = background_sql($node, "SELECT lstm_prewarm('sentiment_en')");
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT lstm_prewarm%' LIMIT 1});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)") if $pid ne '';
is($node->safe_psql('postgres', "SELECT sentiment('a great film')"), 'positive', 'a loader was terminated: another session loads');
$loader->finish;
like(cached('sentiment_en', 'place, loads'), qr/^shared\|[12]$/, 'what is then shared');
foreach my $after_ms (10, 40)
{
	$node->restart;
	($loader) = background_sql($node, "SELECT lstm_prewarm('sentiment_en'), pg_sleep(10)");
	$pid = wait_for_activity($node, 'lstm_prewarm');
	sleep $after_ms / 1000;
	is(kill('KILL', $pid), 1, 'a loader was killed');
	$loader->finish;
	ok($node->poll_query_until('postgres', 'SELECT true'), 'the server is back');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM lstm_cache'), '0', 'with an empty cache');
	is($node->safe_psql('postgres', "SELECT sentiment('a great film')"), 'positive', 'and answers');
	is(cached('sentiment_en', 'place, loads, sessions'), 'shared|1|0', 'from shared memory');
}

# ---- little room ---------------------------------------------------------------------------

# Neither kind nor size of dynamic shared memory matters.
$node->append_conf('postgresql.conf', "pg_lstm.cache_size = '1MB'\ndynamic_shared_memory_type = 'mmap'");
$node->safe_psql('postgres', "SELECT lstm_drop('hours'); SELECT count(t) FROM generate_series(1, 30) n, lstm_train('ticket', 'body', 'cause', 'many' || n, options => "
	  . small('"bag_features": 3000, "seed": ') =~ s/: \}'$/: 1}'/r . ' || jsonb_build_object(\'seed\', n)) t');
$node->restart;
$keeper->quit;
$keeper = $node->background_psql('postgres', on_error_stop => 0);
$keeper->query("BEGIN; SELECT lstm_predict('many1', 'router')");
$node->safe_psql('postgres', "SELECT lstm_prewarm('many' || n) FROM generate_series(2, 30) n");
my ($n_models, $n_bytes) = split /\|/, $node->safe_psql('postgres', "SELECT count(*), sum(bytes) FROM lstm_cache WHERE place = 'shared'");
note("$n_models models of 30, $n_bytes bytes");
cmp_ok($n_models, '>', 1, 'some models fit');
cmp_ok($n_models, '<', 30, 'and not all');
cmp_ok($n_bytes, '<', 1024 * 1024, 'they keep within the limit');
is(cached('many1', 'in_use, loads'), '1|1', 'the one in use has stayed');
is(cached('many30', 'loads'), '1', 'and the last one came');
is(cached('many2'), '', 'the one that was not used for the longest time went');
$node->safe_psql('postgres', "SELECT lstm_prewarm('many2')");
is(cached('many2', 'loads'), '2', 'when it is back it has been loaded twice');
like($node->safe_psql('postgres', q{SELECT advice FROM lstm_doctor() WHERE item = 'cache'}), qr/had to leave/, 'lstm_doctor says what happens');

# A session that uses more than fits, at once: within one statement it may let go what it has used before.
is($node->safe_psql('postgres', q{SELECT count(lstm_predict('many' || n, body)) FROM ticket, generate_series(1, 30) n WHERE id <= 3}), '90', 'thirty models in one statement');

# All room is in use: others keep their own copies, and say so once.
my @users = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 30;
$users[ $_ - 1 ]->query("BEGIN; SELECT lstm_predict('many$_', 'router')") foreach 1 .. 30;
like($users[29]->{stderr}, qr/WARNING:  model "many30" found no room in the shared cache.*HINT:  Raise pg_lstm\.cache_size/s, 'no room is left: a warning');
is($users[29]->query("SELECT count(lstm_predict('many30', body)) FROM ticket"), '100', 'and answers');
like($users[29]->query(q{SELECT string_agg(place, ' ') FROM lstm_cache WHERE model = 'many30'}), qr/^session$/, 'from a copy of its own');
like($users[29]->query(q{SELECT advice FROM lstm_doctor() WHERE item = 'cache'}), qr/keeps 1 models of its own/, 'lstm_doctor says so');
$_->query('COMMIT') foreach @users;
$_->quit foreach @users, $keeper, $damaged, $sessions[0];
(undef, undef, $err) = $node->psql('postgres', "SELECT sentiment('a great film')");
like($err, qr/needs more memory than is allowed.*HINT:  Raise pg_lstm\.cache_size/s, 'a model larger than all room is an error');

# ---- the same without sharing, and on a standby -----------------------------------------------

$answers =~ s/lstm_regress\('hours', body\), //;
$node->append_conf('postgresql.conf', "pg_lstm.cache_size = '32MB'");
$node->restart;
$expected = $node->safe_psql('postgres', $answers);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('cache_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $answers), $expected, 'a standby shares, too');
is($standby->safe_psql('postgres', $answers), $expected, 'and answers the same');
is($standby->safe_psql('postgres', q{SELECT string_agg(DISTINCT place || ' ' || loads, ' ') FROM lstm_cache}), 'shared 1', 'from one load');
$standby->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('postgres', $answers), $expected, 'without the library preloaded, answers are the same');
is($node->safe_psql('postgres', 'SELECT count(*) FROM lstm_cache'), '0', 'and each session begins with none in memory');

done_testing();
