# Queries of random shapes answer the same with batching on and off.
#
# BATCH_SEED and BATCH_QUERIES in the environment choose others.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use BatchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{BATCH_SEED} // 20240917;
my $n_queries = $ENV{BATCH_QUERIES} // 200;
my $state = $seed;

# Perl's rand() differs between versions.
sub random
{
	my ($n) = @_;

	$state = ($state * 1103515245 + 12345) % 2147483648;
	return int($state / 65536) % $n;
}

# One of a list; what costs something stands in a function.
sub pick { my $chosen = $_[ random(scalar @_) ]; return ref $chosen ? $chosen->() : $chosen; }

# Texts of table alias $_[0] that do not fail, or may.
sub text_of
{
	my ($a) = @_;

	return pick("$a.x", "$a.y", "$a.x || $a.y", "lower($a.x)", "coalesce($a.x, $a.y)", "NULLIF($a.x, 'wifi')",
		"CASE WHEN $a.g < 2 THEN $a.x ELSE $a.y END", "'constant'", "substr($a.y, $a.g + 1)", "($a.id / ($a.g + 1))::text");
}

sub risky_text
{
	my ($a) = @_;

	return pick("(1 / ($a.id - 37))::text", "substr($a.y, 1, 12 - $a.id)");
}

sub model_of
{
	my ($a) = @_;

	return random(12) == 0 ? pick("CASE WHEN $a.id = 41 THEN 'nomodel' ELSE 'm' END", "CASE $a.g WHEN 1 THEN 'm' ELSE 'm' END", 'NULL') : "'m'";
}

sub call
{
	my ($a, $depth) = @_;
	my $text = random(25) == 0 ? risky_text($a) : text_of($a);

	$text = expression($a, $depth - 1) if $depth > 0 && random(6) == 0;
	return pick("lstm_predict(" . model_of($a) . ", $text)", "lstm_predict(" . model_of($a) . ", $text)",
		"sentiment($text)", "(lstm_classify('m', $text)).label", "round(sentiment_score($text)::numeric, 3)::text");
}

# A text.
sub expression
{
	my ($a, $depth) = @_;

	return pick(call($a, 0), text_of($a)) if $depth <= 0;
	return pick(
		call($a, $depth), call($a, $depth),
		sub { "CASE WHEN " . condition($a, $depth - 1) . " THEN " . expression($a, $depth - 1) . " ELSE " . expression($a, $depth - 1) . " END" },
		sub { "CASE " . expression($a, $depth - 1) . " WHEN 'a' THEN " . call($a, $depth - 1) . " WHEN 'b' THEN $a.y END" },
		sub { "COALESCE(" . expression($a, $depth - 1) . ", " . expression($a, $depth - 1) . ")" },
		sub { expression($a, $depth - 1) . " || " . expression($a, $depth - 1) },
		sub { "NULLIF(" . expression($a, $depth - 1) . ", 'b')" },
		sub { "(SELECT max(" . call('u', 0) . ") FROM u WHERE u.id < $a.g + 2)" },
		text_of($a));
}

sub condition
{
	my ($a, $depth) = @_;
	my $what = pick("$a.g < 3", "$a.id % 3 = 1", "$a.x IS NOT NULL", "$a.id BETWEEN 20 AND 60");

	return $what if $depth <= 0;
	return pick(
		$what,
		sub { expression($a, $depth - 1) . pick(' > ', ' = ', ' IS DISTINCT FROM ') . "'b'" },
		sub { expression($a, $depth - 1) . " IN ('a', 'c', 'positive')" },
		sub { "(" . condition($a, $depth - 1) . pick(' AND ', ' OR ') . condition($a, $depth - 1) . ")" },
		sub { "NOT (" . condition($a, $depth - 1) . ")" },
		sub { "EXISTS (SELECT 1 FROM u WHERE u.id = $a.g AND " . call('u', 0) . " > 'a')" },
		sub { expression($a, $depth - 1) . pick(' IN ', ' NOT IN ') . "(SELECT " . call('u', 0) . " FROM u WHERE u.id < 4)" });
}

sub source
{
	my ($a) = @_;

	return pick("t $a", "t $a", "p $a", "(SELECT * FROM t OFFSET 3) $a",
		sub { "(SELECT id, " . call('t', 0) . " AS x, y, g FROM t) $a" },
		sub { "(SELECT id, x, " . call('t', 0) . " AS y, g FROM t WHERE " . condition('t', 1) . " OFFSET 0) $a" },
		sub { "(SELECT DISTINCT ON (id) id, x, y, g FROM t WHERE " . condition('t', 1) . " ORDER BY id) $a" },
		# no id twice: which of two rows lag() finds would be left to the plan
		sub { "(SELECT id, x, y, g FROM t UNION ALL SELECT id + 1000, " . call('u', 0) . ", y, g FROM u) $a" });
}

sub query
{
	my $kind = random(12);
	my $where = random(2) ? ' WHERE ' . condition('a', 2) : '';

	if ($kind <= 3)
	{
		my $limit = random(3) == 0 ? ' LIMIT ' . random(30) . (random(3) == 0 ? ' OFFSET ' . random(10) : '') : '';
		my $order = random(2) ? ' ORDER BY ' . pick('a.id', 'a.g, a.id', sub { call('a', 0) . ', a.id' }) : '';

		return 'SELECT a.id, ' . expression('a', 2) . ', ' . expression('a', 1) . ' FROM ' . source('a') . $where . $order . $limit;
	}
	if ($kind <= 5)
	{
		my $key = pick('a.g', sub { call('a', 0) });

		return "SELECT $key AS k, count(*), max(" . expression('a', 1) . "), count(DISTINCT " . call('a', 0) . ") FILTER (WHERE " .
		  condition('a', 1) . "), " . call('min', 0) =~ s/min\.(\w+)/min(a.$1)/gr . " FROM " . source('a') . "$where GROUP BY " .
		  pick('1', '1', "ROLLUP ($key)") . (random(2) ? ' HAVING max(' . call('a', 0) . ") > 'a'" : '') . ' ORDER BY 1, 2, 3, 4';
	}
	if ($kind <= 7)
	{
		my $on = pick('a.id = b.id', 'a.g = b.id', sub { 'a.id = b.id AND ' . condition('b', 1) }, sub { call('a', 0) . ' = ' . call('b', 0) . ' AND a.g = b.g' },
			sub { "a.g = b.g AND lstm_predict('m', a.x || b.y) > 'b'" });

		return 'SELECT a.id, b.id, ' . expression('a', 1) . ', ' . expression('b', 1) . ' FROM ' . source('a') . ' ' .
		  pick('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN') . " u b ON $on$where ORDER BY 1, 2, 3, 4";
	}
	if ($kind == 8)
	{
		return 'SELECT a.id, ' . pick('lag', 'first_value', 'max', 'last_value') . '(' . expression('a', 1) . ') OVER (' .
		  (random(2) ? 'PARTITION BY ' . pick('a.g', sub { call('a', 0) }) . ' ' : '') . 'ORDER BY a.id' .
		  pick('', '', ' ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING', ' ROWS BETWEEN 3 FOLLOWING AND 4 FOLLOWING') . '), ' . expression('a', 1) .
		  ' FROM ' . source('a') . $where . ' ORDER BY 1' . (random(3) == 0 ? ' LIMIT 20' : '');
	}
	if ($kind == 9)
	{
		return 'SELECT a.id, s.v FROM ' . source('a') . ', LATERAL (SELECT ' . expression('u', 1) . ' AS v FROM u WHERE u.id > a.g ' .
		  pick('ORDER BY u.y LIMIT 1 + a.g', 'ORDER BY u.id LIMIT 2', 'OFFSET 0', sub { 'AND ' . condition('u', 1) . ' LIMIT 3' }) . ") s$where";
	}
	if ($kind == 10)
	{
		return 'WITH c AS MATERIALIZED (SELECT a.id, a.g, ' . expression('a', 1) . ' AS x, a.y FROM ' . source('a') . "$where) SELECT c.id, " . expression('c', 1) .
		  ' FROM c' . pick('', ' LIMIT 7', ' JOIN c d ON c.id = d.id + 1 ORDER BY 1', ' WHERE ' . condition('c', 1));
	}
	return 'UPDATE t SET x = ' . expression('t', 1) . ', g = g + 1 WHERE ' . condition('t', 2) . ' RETURNING id, x, ' . expression('t', 1);
}

my $node = new_node('batch_random', 'max_worker_processes = 16', 'max_parallel_workers = 8', 'fsync = off', 'statement_timeout = 60s');

$node->safe_psql('postgres', batch_tables() . q{;
	ALTER TABLE p ADD y text, ADD g integer;
	UPDATE p SET y = t.y, g = t.g FROM t WHERE t.id = p.id;
	ALTER TABLE u RENAME k TO id;
	ALTER TABLE u RENAME w TO x;
	ALTER TABLE u ADD y text, ADD g integer;
	UPDATE u SET y = 'link ' || id, g = id % 5;
	DELETE FROM t WHERE id > 80;
	VACUUM FULL ANALYZE});

my @queries = map { query() } 1 .. $n_queries;
my @serial = grep { !/^\s*$/ } @queries;
my @parallel = grep { !/LIMIT|OFFSET/ } @serial;

note("seed $seed");
my $serial = 'SET max_parallel_workers_per_gather = 0;';

compare_batching($node, 'random', \@serial, [ 1, 2, 7, 1000 ], $serial, 0);
compare_batching($node, 'random, no hashing', \@serial, [3], "$serial SET enable_hashjoin = off; SET enable_hashagg = off; SET enable_material = off;", 0);
compare_batching($node, 'random, nested loops', \@serial, [5], "$serial SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off;", 0);
compare_batching($node, 'random, parallel', \@parallel, [ 2, 1000 ],
	'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;', 1);

compare_batching($node, 'random, all in a worker', \@serial, [4], 'SET force_parallel_mode = on;', 1);

# It would be no test if little was batched, or most failed.
{
	my ($n_batched, $n_failed) = (0, 0);

	foreach my $query (@serial)
	{
		my ($plan, $err);

		$node->psql('postgres', "EXPLAIN (COSTS OFF) $query", stdout => \$plan, stderr => \$err);
		$n_batched++ if $plan =~ /LstmBatch/;
		$n_failed++ if $err ne '';
	}
	note("$n_batched of $n_queries queries batch, $n_failed are none");
	cmp_ok($n_failed, '<', 1 + $n_queries / 50, 'the queries can be planned');
	cmp_ok($n_batched, '>', $n_queries / 2, 'most of them batch');
}

done_testing();
