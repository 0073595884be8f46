# What the tests of the batch node share: tables, and a comparison of statements
# with batching off and on.
package BatchTest;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(batch_tables compare_batching);

sub batch_tables
{
	return q{
		CREATE TABLE t AS
		SELECT n AS id,
			   CASE WHEN n % 11 <> 0 THEN (ARRAY['router cable', 'invoice refund', 'crash freeze', 'wifi', 'card', 'error'])[1 + n % 6] || repeat(' again', n % 7) || ' ' || n % 40 END AS x,
			   (ARRAY['link', 'amount', 'program'])[1 + n % 3] || ' ' || n % 13 AS y,
			   n % 5 AS g
		  FROM generate_series(1, 200) n;
		ALTER TABLE t ADD PRIMARY KEY (id);
		CREATE TABLE learn AS
		SELECT coalesce(x, '') || ' ' || y AS body, (ARRAY['a', 'b', 'c', 'd'])[1 + id % 4] AS label, id / 10.0 AS number, ARRAY[g, 1, id % 2]::real[] AS series FROM t;
		SELECT lstm_train('learn', 'body', 'label', 'm', options => '{"epochs": 3, "hidden": 4, "embedding": 4, "refit": false}');
		SELECT lstm_train('learn', 'body', 'number', 'r', options => '{"epochs": 2, "hidden": 4, "embedding": 4, "refit": false}');
		SELECT lstm_train('learn', 'series', 'label', 'v', options => '{"epochs": 2, "hidden": 4}');
		SELECT lstm_train('learn', 'body', model => 'l', options => '{"epochs": 1, "hidden": 4, "embedding": 4}');
		CREATE TABLE u AS SELECT n AS k, (ARRAY['router', 'invoice', 'crash', 'link'])[1 + n % 4] || ' ' || n AS w FROM generate_series(1, 60) n;
		CREATE TABLE bad AS SELECT n AS id, CASE WHEN n = 7 THEN 'nomodel' ELSE 'm' END AS m, 'fine ' || n AS x, 'link ' || n AS y, n % 5 AS g FROM generate_series(1, 20) n;
		CREATE TABLE p (id integer, x text) PARTITION BY RANGE (id);
		CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (51);
		CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (51) TO (101);
		CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (101) TO (301);
		INSERT INTO p SELECT id, x FROM t;
		CREATE TABLE o (id integer PRIMARY KEY, v text);
		CREATE SEQUENCE s;
		CREATE VIEW viewed AS SELECT id, lstm_predict('m', x) AS v FROM t;
		CREATE FUNCTION noisy(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN $1; END $$;
		CREATE FUNCTION noisy_late(text) RETURNS boolean COST 100000000 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
		CREATE FUNCTION noisy_early(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
		CREATE FUNCTION inlined(text) RETURNS text STABLE LANGUAGE sql AS $$ SELECT lstm_predict('m', $1) $$;
		CREATE FUNCTION counted(integer) RETURNS bigint STABLE LANGUAGE sql AS $$ SELECT count(lstm_predict('m', x)) FROM t WHERE id < $1 $$;
		CREATE FUNCTION not_inlined(integer) RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT max(lstm_predict('m', x)) FROM t WHERE id <= $1); END $$;
		CREATE FUNCTION looped(integer) RETURNS SETOF text STABLE LANGUAGE plpgsql AS $$
		DECLARE r record; n integer := 0;
		BEGIN FOR r IN SELECT id, lstm_predict('m', x) AS v FROM t ORDER BY id LOOP n := n + 1; RETURN NEXT r.id || r.v; EXIT WHEN n = $1; END LOOP; END $$;
		CREATE TABLE secret AS SELECT id, x FROM t;
		ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
		CREATE POLICY by_answer ON secret USING (lstm_predict('m', x) > 'b');
		CREATE VIEW barrier WITH (security_barrier) AS SELECT id, x FROM t WHERE lstm_predict('m', x) > 'b';
		CREATE ROLE nobody_special;
		CREATE ROLE somebody;
		GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody_special, somebody;
		DO $$ BEGIN IF EXISTS (SELECT FROM pg_proc WHERE proname = 'lstm_grant') THEN EXECUTE 'SELECT lstm_grant(''m'', ''somebody'')'; END IF; END $$;
		REVOKE EXECUTE ON FUNCTION lstm_predict(text, text) FROM public;
		GRANT EXECUTE ON FUNCTION lstm_predict(text, text) TO somebody;
		ANALYZE};
}

# What psql prints for each statement, each in a transaction that is undone.
sub run_statements
{
	my ($node, $statements, $settings, $is_sorted) = @_;
	my ($out, $err);
	# Undone changes leave dead rows, which move plans.
	my $script = "VACUUM FULL ANALYZE t, u, bad, p, o, secret;\n$settings\n";
	my @results;

	foreach my $i (0 .. $#$statements)
	{
		my $sql = $statements->[$i];

		$sql =~ s/\\; /;\n/g;
		$script .= "\\echo == $i\n\\warn == $i\nBEGIN; ALTER SEQUENCE s RESTART;\n$sql;\nROLLBACK; RESET ROLE;\n";
	}
	$node->psql('postgres', $script, stdout => \$out, stderr => \$err, on_error_stop => 0);
	foreach my $text ($out, $err)
	{
		my @sections = split(/^== (\d+)\n?/m, $text);

		shift @sections;
		while (my ($i, $section) = splice(@sections, 0, 2))
		{
			$section =~ s/^CONTEXT:.*\n//mg if $is_sorted;	# of parallel workers
			$section = join("\n", sort split(/\n/, $section)) if $is_sorted;
			$results[$i] .= ($section // '') . "\n--\n";
		}
	}
	return \@results;
}

# Statements have parts that are separated by `\; `.
sub compare_batching
{
	my ($node, $name, $statements, $sizes, $settings, $is_sorted) = @_;
	my $plain = run_statements($node, $statements, "$settings SET pg_lstm.enable_batch = off;", $is_sorted);

	foreach my $size (@$sizes)
	{
		my $batched = run_statements($node, $statements, "$settings SET pg_lstm.batch_size = $size;", $is_sorted);
		my $n_different = 0;

		foreach my $i (0 .. $#$statements)
		{
			my ($want, $have) = ($plain->[$i] // 'nothing', $batched->[$i] // 'nothing');

			next if $want eq $have;
			$n_different++;
			diag("$name, batches of $size: $statements->[$i]\n--- off\n" . substr($want, 0, 600) . "\n--- on\n" . substr($have, 0, 600));
		}
		is($n_different, 0, "$name: " . @$statements . " statements, batches of $size");
	}
	return;
}

1;
