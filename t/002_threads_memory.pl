# A backend stays one thread, and its memory does not grow with the answers it gives.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs /proc' unless -r '/proc/self/status' && -d '/proc/self/task';

my $node = new_node('memory');

make_tickets($node, 500);
$node->safe_psql('postgres', q{
	CREATE FUNCTION threads() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task') $$;
	CREATE FUNCTION memory_kb() RETURNS integer LANGUAGE sql AS
	$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s*(\d+)')::integer $$;
	CREATE FUNCTION contexts_kb() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts $$});

# Threads: before anything, after LOAD, after training, after answers.
my $threads = $node->safe_psql('postgres', qq{
	SELECT threads();
	LOAD '$library';
	SELECT threads();
	SELECT count(*) FROM lstm_train('ticket', 'body', 'cause', options => '{"epochs": 2, "hidden": 128, "batch": 64}');
	SELECT threads();
	SELECT count(lstm_predict('ticket_cause', body)) FROM ticket;
	SELECT threads();
	SELECT value FROM lstm_doctor() WHERE item = 'threads'});
is($threads, "1\n1\n1\n1\n500\n1\n1", 'one thread before and after LOAD, training and answers');

# Memory over 10,000 answers of each form, after as many as fill all caches.
sub growth
{
	my ($what, $sql, $warm_up, $limit_kb) = @_;
	my @lines = split /\n/, $node->safe_psql('postgres', qq{
		$warm_up;
		SELECT 'kb', memory_kb(), contexts_kb();
		$sql;
		SELECT 'kb', memory_kb(), contexts_kb()});
	my @kb = map { /^kb\|(\d+)\|(\d+)$/ ? [ $1, $2 ] : () } @lines;

	note(sprintf('%s: resident %d kB -> %d kB, contexts %d kB -> %d kB', $what, $kb[0][0], $kb[1][0], $kb[0][1], $kb[1][1]));
	cmp_ok($kb[1][0] - $kb[0][0], '<', $limit_kb, "$what: resident memory");
	cmp_ok($kb[1][1] - $kb[0][1], '<', 256, "$what: memory contexts");
}

$node->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'words', options => " . small() . ');'
	  . "SELECT lstm_train('ticket', 'grid', 'is_even', 'grid', options => " . small() . ')');
my $many = 'FROM ticket, generate_series(1, 20) AS g (g)';

growth('10,000 answers in one statement', "SELECT count(lstm_predict('words', body || g)) $many",
	"SELECT count(lstm_predict('words', body || g)) $many", 1024);
growth('10,000 x lstm_classify', "SELECT count(lstm_classify('words', body || g)) $many",
	"SELECT count(lstm_classify('words', body || g)) $many", 1024);
growth('10,000 x lstm_probabilities', "SELECT count(p) $many, lstm_probabilities('words', body || g) p",
	"SELECT count(p) $many, lstm_probabilities('words', body || g) p", 1024);
growth('10,000 x lstm_embed', "SELECT count(lstm_embed('grid', grid)) $many", "SELECT count(lstm_embed('grid', grid)) $many", 1024);
growth('10,000 statements', "DO \$\$ BEGIN FOR i IN 1 .. 10000 LOOP PERFORM lstm_predict('words', 'router ' || i); END LOOP; END \$\$",
	"DO \$\$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM lstm_predict('words', 'router ' || i); END LOOP; END \$\$", 1024);
growth('2,000 failed answers', q{DO $$ BEGIN FOR i IN 1 .. 2000 LOOP BEGIN PERFORM lstm_predict('grid', ARRAY['NaN'::real, i]); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$},
	q{DO $$ BEGIN FOR i IN 1 .. 500 LOOP BEGIN PERFORM lstm_predict('grid', ARRAY['NaN'::real, i]); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$}, 1024);
growth('200 deploys and answers', q{DO $$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM lstm_import('words', lstm_export('words')); PERFORM lstm_predict('words', 'router'); END LOOP; END $$},
	q{DO $$ BEGIN FOR i IN 1 .. 50 LOOP PERFORM lstm_import('words', lstm_export('words')); PERFORM lstm_predict('words', 'router'); END LOOP; END $$}, 4096);
growth('20 trainings and evaluations', "SELECT count(t) FROM generate_series(1, 20) s, lstm_train('ticket', 'body', 'cause', 'words', options => " . small('"seed": 7') . ") t;"
	  . "SELECT count(e) FROM generate_series(1, 20) s, lstm_evaluate('words', 'ticket', 'body', 'cause') e",
	"SELECT count(t) FROM generate_series(1, 5) s, lstm_train('ticket', 'body', 'cause', 'words', options => " . small('"seed": 7') . ") t;"
	  . "SELECT count(e) FROM generate_series(1, 5) s, lstm_evaluate('words', 'ticket', 'body', 'cause') e", 8192);
# Different versions through a cache that holds a few of them.
growth('500 loads through a small cache',
	"SELECT count(lstm_predict_pinned(digest, 'router ' || s)) FROM lstm_versions, generate_series(1, 20) s WHERE model = 'seeds'",
	"SET pg_lstm.cache_size = '1MB'; SELECT count(t) FROM generate_series(1, 25) s, lstm_train('ticket', 'body', 'cause', 'seeds', options => "
	  . small() . "::jsonb || jsonb_build_object('seed', s)) t; SELECT count(lstm_predict_pinned(digest, 'router')) FROM lstm_versions WHERE model = 'seeds'", 2048);

# One long input's memory is given back at the end of its transaction.
my $long = "SELECT length(lstm_predict('words', repeat('router cable ', 320000))) > 0";
growth('5 texts of 4 MB', "$long; " x 5, "$long; " x 3, 8192);

done_testing();
