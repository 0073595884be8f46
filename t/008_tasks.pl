# Tasks whose answers are sequences: their answers survive dump and restore, are the
# same in any plan, cancel soon, and leave no memory behind.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# As in 003_cancel.pl: the promise is 200 ms, a shared machine gets a second.
my $LIMIT_MS = 1000;
# Without JIT: a plan of so many rows is compiled first, which takes LLVM 200 ms that nobody can cancel.
my $node = new_node('tasks', 'jit = off');

$node->safe_psql('postgres', q{
	CREATE TABLE item AS
	SELECT n AS id,
		   concat_ws(' ', w[1 + n % 5], w[1 + n / 2 % 5], 'in', w[6 + n % 3]) AS body,
		   ARRAY[w[1 + n % 5], w[1 + n / 2 % 5], 'in', w[6 + n % 3]] AS words,
		   ARRAY['B-PER', 'I-PER', 'O', 'B-LOC'] AS tags,
		   concat_ws(' ', w[6 + n % 3], w[1 + n % 5]) AS target,
		   ARRAY[n % 3, n % 5, 1]::real[] AS numbers,
		   (SELECT array_agg(sin(0.5 * (n + i))::real ORDER BY i) FROM generate_series(1, 60) i) AS series
	  FROM generate_series(1, 400) n, (SELECT '{Anna,Otto,Lena,Erik,Maria,Bonn,Lima,Oslo}'::text[] AS w) a;
	CREATE FUNCTION contexts_kb() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts $$});

# Name of a model (and task), how it is trained, and an answer as an expression of a row.
my %tasks = (
	tag => [ "'item', 'words', 'tags', 'tag'", q{(SELECT array_agg(t) FROM lstm_tag('tag', body || id) t)} ],
	translate => [ "'item', 'body', 'target', 'translate', 'translate'", q{lstm_translate('translate', body)} ],
	caption => [ "'item', 'numbers', 'target', 'caption', 'caption'", q{lstm_caption('caption', numbers)} ],
	language => [ "'item', 'body', NULL, 'language'", q{(lstm_score('language', body), lstm_generate('language', body, 5, seed => id))} ],
	forecast => [ "'item', 'series', NULL, 'forecast'", q{(SELECT array_agg(f) FROM lstm_forecast('forecast', series) f)} ]);


my @tasks = sort keys %tasks;
foreach my $task (@tasks)
{
	my $options = $task eq 'forecast' ? '{"epochs": 2, "hidden": 16, "horizon": 6, "window": 12}' : '{"epochs": 2, "hidden": 16}';

	is($node->safe_psql('postgres', "SELECT task FROM lstm_train($tasks{$task}[0], options => '$options')"), $task, "$task: trained");
}

sub answers
{
	my ($database, $task, $settings) = @_;

	return $node->safe_psql($database, ($settings // '') . "SELECT count(*), md5(string_agg(a, E'\\n' ORDER BY id)) FROM (SELECT id, ($tasks{$task}[1])::text AS a FROM item) x");
}

# One answer: alone, in parallel, after dump and restore.
my %before = map { $_ => answers('postgres', $_) } @tasks;
foreach my $task (@tasks)
{
	like($before{$task}, qr/^400\|[0-9a-f]{32}$/, "$task: answers");
	is(answers('postgres', $task,
			'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'),
		$before{$task}, "$task: the same in parallel");
	is($node->safe_psql('postgres', "SELECT count(*) FROM item WHERE id % 97 = 5 AND ($tasks{$task}[1])::text IS NULL"), '0', "$task: single rows answer");
}
my $gradients = $node->safe_psql('postgres', q{SELECT count(*), md5(string_agg(g::text, ' ' ORDER BY epoch, distance)) FROM lstm_gradients('language') g});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
is(answers('copy', $_), $before{$_}, "$_: the same after dump and restore") foreach @tasks;
is($node->safe_psql('copy', q{SELECT count(*), md5(string_agg(g::text, ' ' ORDER BY epoch, distance)) FROM lstm_gradients('language') g}), $gradients, 'gradients: the same after dump and restore');

# Memory: after many answers the session holds what it held after some.
foreach my $task (@tasks)
{
	my @kb = split /\n/, $node->safe_psql('postgres', qq{
		\\o /dev/null
		SELECT count(($tasks{$task}[1])::text) FROM item;
		\\o
		SELECT contexts_kb();
		\\o /dev/null
		SELECT count(($tasks{$task}[1])::text) FROM item, generate_series(1, 5) g;
		\\o
		SELECT contexts_kb();});

	cmp_ok($kb[1] - $kb[0], '<', 256, "$task: memory contexts ($kb[0] kB -> $kb[1] kB)");
}

# Time: training, answering, evaluating.
sub times_out
{
	my ($what, $timeout_ms, $sql) = @_;
	my ($out, $err);

	$node->psql('postgres', qq{
		LOAD '$library';
		SELECT clock_timestamp() AS started \\gset
		SET statement_timeout = $timeout_ms;
		$sql;
		SET statement_timeout = 0;
		SELECT 'ms', round(1000 * extract(epoch FROM clock_timestamp() - :'started')) - $timeout_ms;
		SELECT 'left', count(*) FROM pg_backend_memory_contexts WHERE name ~ '^pg_lstm (training|evaluation|load|rows|row)'},
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	my ($late_ms) = $out =~ /^ms\|(-?\d+)/m;

	note("$what: " . ($late_ms // '?') . ' ms after the timeout');
	like($err, qr/canceling statement due to statement timeout/, "$what: times out");
	cmp_ok($late_ms // 1e9, '<', $LIMIT_MS, "$what: soon");
	like($out, qr/^left\|0$/m, "$what: leaves nothing");
}

foreach my $task (@tasks)
{
	my $options = $task eq 'forecast' ? '"horizon": 6, "window": 12, ' : '';

	times_out("$task: training", 500, "SELECT lstm_train($tasks{$task}[0], options => '{\"epochs\": 1000, $options\"hidden\": 256}')");
	times_out("$task: answering", 200, "SELECT count(($tasks{$task}[1])::text) FROM item, generate_series(1, 100000) g");
}
$node->safe_psql('postgres', 'CREATE VIEW many AS SELECT i.* FROM item i, generate_series(1, 10000) g');
times_out('evaluating tags', 200, q{SELECT lstm_evaluate('tag', 'many', 'words', 'tags')});
times_out('evaluating texts', 200, q{SELECT lstm_evaluate('translate', 'many', 'body', 'target')});
times_out('evaluating language', 200, q{SELECT lstm_evaluate('language', 'many', 'body')});
times_out('evaluating forecasts', 200, q{SELECT lstm_evaluate('forecast', 'many', 'series')});

# Within a single call: wide networks, and inputs that keep them busy for seconds.
$node->safe_psql('postgres', 'CREATE VIEW few AS SELECT * FROM item WHERE id <= 20');
my %huge = (
	tag => q{SELECT count(*) FROM lstm_tag('wide', repeat('Anna Otto in Bonn. ', 200000))},
	translate => q{SELECT lstm_translate('wide', repeat('Anna Otto in Bonn ', 200000), 64)},
	caption => q{SELECT count(*) FROM lstm_evaluate('wide', 'many', 'numbers', 'target')},
	language => q{SELECT lstm_generate('wide', repeat('Anna Otto ', 200000), 100000, 0)},
	forecast => q{SELECT count(*) FROM lstm_forecast('wide', array_fill(1, '{200000}')::real[], 10000)});
foreach my $task (@tasks)
{
	my $options = $task eq 'forecast' ? '"horizon": 1, "window": 48, ' : '';
	my ($arguments) = $tasks{$task}[0] =~ /^'item', (.*?, .*?),/;

	$node->safe_psql('postgres', "SELECT lstm_train('few', $arguments, 'wide', '$task', '{\"epochs\": 1, $options\"hidden\": 512}')");
	times_out("$task: one huge input", 300, $huge{$task});
	$node->safe_psql('postgres', q{SELECT lstm_drop('wide')});
}
times_out('language: scoring one huge text', 300, q{SELECT lstm_score('language', repeat('Anna Otto ', 300000))});

done_testing();
