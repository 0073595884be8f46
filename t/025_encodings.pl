# Batches in databases that are not UTF-8: the same models, answers and errors as row
# by row, and as in a database that is.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('encodings');
my %databases = (UTF8 => 'postgres', LATIN1 => 'latin1', SQL_ASCII => 'ascii');
my @encodings = ('UTF8', 'LATIN1', 'SQL_ASCII');

foreach my $encoding ('LATIN1', 'SQL_ASCII')
{
	$node->safe_psql('postgres', "CREATE DATABASE $databases{$encoding} ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql($databases{$encoding}, 'CREATE EXTENSION pg_lstm');
}

# All scripts here are UTF-8.  SQL_ASCII takes bytes as they are.
sub run_in
{
	my ($encoding, $sql) = @_;
	my ($out, $err);
	my $client = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';

	$node->psql($databases{$encoding}, "SET client_encoding = '$client';\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err =~ s/^psql:<stdin>:\d+: //mgr);
}

# The same rows everywhere; words and labels have letters beyond ASCII.
my $tables = q{
	CREATE TABLE t AS
	SELECT n AS id, CASE WHEN n % 11 > 0 THEN concat_ws(' ', (ARRAY['Die Straße', 'Der Schlüssel', 'Une fenêtre', 'El año', 'plain'])[1 + n % 5], (ARRAY['größer', 'ÄRGER', 'où', 'naïve', 'more'])[1 + n / 5 % 5], n % 40) END AS x
	  FROM generate_series(1, 200) n;
	CREATE TABLE learn AS SELECT x AS body, (ARRAY['Störung', 'café', 'other'])[1 + id % 3] AS label, id / 10.0 AS number FROM t;
	SELECT lstm_train('learn', 'body', 'label', 'm', options => '{"epochs": 2, "hidden": 4, "embedding": 4, "refit": false}') IS NOT NULL;
	SELECT lstm_train('learn', 'body', 'number', 'r', options => '{"epochs": 2, "hidden": 4, "embedding": 4, "refit": false}') IS NOT NULL;
	SELECT lstm_train('learn', 'body', model => 'l', options => '{"epochs": 1, "hidden": 4, "embedding": 4}') IS NOT NULL;
	SELECT digest FROM lstm_versions ORDER BY model};
my %models;

foreach my $encoding (@encodings)
{
	my ($out, $err) = run_in($encoding, $tables);

	is($err =~ s/^(NOTICE|DETAIL|HINT):.*\n?//mgr, '', "$encoding: models");
	$models{$encoding} = $out;
	is($out, $models{UTF8}, "$encoding: they have the same bytes");
}

# ---- answers ---------------------------------------------------------------------

my @statements = (
	q{SELECT id, lstm_predict('m', x) FROM t ORDER BY id},
	q{SELECT id, lstm_classify('m', x) FROM t ORDER BY id},
	q{SELECT id, lstm_regress('r', x), lstm_score('l', x), md5(lstm_embed('m', x)::text) FROM t ORDER BY id},
	q{SELECT id, sentiment(x), sentiment_score(x) FROM t ORDER BY id},
	q{SELECT id, lstm_predict('l', x) FROM t WHERE id < 20 ORDER BY id},
	q{SELECT lstm_predict('m', x), count(*) FROM t GROUP BY 1 ORDER BY 1},
	q{SELECT id FROM t WHERE lstm_predict('m', x) = 'Störung' ORDER BY id},
	q{SELECT id, lstm_predict('m', x || ' für Äpfel') FROM t WHERE x LIKE '%ß%' ORDER BY id LIMIT 7},
	q{SELECT * FROM lstm_predict_batch('m', 'SELECT id, x FROM t ORDER BY id')},
	q{SELECT * FROM lstm_predict_batch('m', 'SELECT x, x || '' für Äpfel'' FROM t ORDER BY id')});
my %answers;

foreach my $encoding (@encodings)
{
	foreach my $setting ('off', 'on')
	{
		foreach my $i (0 .. $#statements)
		{
			my ($out, $err) = run_in($encoding, "SET pg_lstm.enable_batch = $setting; $statements[$i]");

			$answers{$encoding}{$setting}[$i] = $out . $err;
		}
	}
	foreach my $i (0 .. $#statements)
	{
		is($answers{$encoding}{on}[$i], $answers{$encoding}{off}[$i], "$encoding: batches change nothing: $statements[$i]");
		is($answers{$encoding}{on}[$i], $answers{UTF8}{on}[$i], "$encoding: as in UTF8");
		unlike($answers{$encoding}{on}[$i], qr/ERROR|^$/, "$encoding: answers");
	}
	my ($plan) = run_in($encoding, q{SELECT lstm_predict('m', 'x'); EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT lstm_predict('m', x) FROM t});
	# before 14 the server cannot convert but with an error: rows with letters beyond ASCII are answered alone
	my $are_all = $encoding ne 'LATIN1' || $node->safe_psql('postgres', 'SHOW server_version_num') >= 140000;
	like($plan, $are_all ? qr/Rows Computed: 182\b.*Rows Replayed: 0\b/s : qr/Rows Computed: 7\b.*Rows Replayed: 175\b/s, "$encoding: in batches, and no row once more");
}

# ---- what cannot be said -------------------------------------------------------------

# A label that LATIN1 does not have, by a model from elsewhere.
my ($made) = run_in('UTF8', q{
	CREATE TABLE learn2 AS SELECT x AS body, CASE WHEN x LIKE 'plain%' THEN '漢字' ELSE 'other' END AS label FROM t WHERE x IS NOT NULL;
	SELECT lstm_train('learn2', 'body', 'label', 'kanji', options => '{"epochs": 30, "hidden": 4, "embedding": 4, "refit": false}') IS NOT NULL;
	SELECT encode(lstm_export('kanji'), 'hex')});
my ($file) = $made =~ /^([0-9a-f]{100,})$/m;
my ($first) = run_in('UTF8', q{SELECT min(id) FROM t WHERE lstm_predict('kanji', x) = '漢字'});

cmp_ok($first, '>', 1, 'a model with a label of two characters');
foreach my $encoding ('LATIN1', 'SQL_ASCII')
{
	my ($out, $err) = run_in($encoding, "SELECT lstm_import('kanji', decode('$file', 'hex')) IS NOT NULL");

	is($out . $err, 't', "$encoding: it is imported");
	foreach my $setting ('off', 'on')
	{
		my ($all) = run_in($encoding, "SET pg_lstm.enable_batch = $setting; SELECT count(lstm_classify('kanji', x)) FROM t WHERE id < $first");
		my ($out, $err) = run_in($encoding, "SET pg_lstm.enable_batch = $setting; SELECT count(lstm_predict('kanji', x)) FROM t");
		my ($part) = run_in($encoding, "SET pg_lstm.enable_batch = $setting; SELECT count(v) FROM (SELECT lstm_predict('kanji', x) AS v FROM t ORDER BY id LIMIT $first - 1) s");

		cmp_ok($all, '>', 0, "$encoding, batches $setting: other labels are said");
		is($part, $all, "$encoding, batches $setting: a LIMIT before it raises nothing");
		if ($encoding eq 'LATIN1')
		{
			like($err, qr/ERROR:  character with byte sequence 0xe6 0xbc 0xa2 in encoding "UTF8" has no equivalent in encoding "LATIN1"/, "LATIN1, batches $setting: a label that it lacks is an error");
		}
		else
		{
			is($out, '182', "SQL_ASCII, batches $setting: any label is said");
		}
	}
}
my ($out, $err) = run_in('LATIN1', q{SELECT count(*) FROM lstm_predict_batch('kanji', 'SELECT id, x FROM t ORDER BY id')});
like($err, qr/ERROR:  character .* has no equivalent in encoding "LATIN1".*CONTEXT:  row $first of the query of lstm_predict_batch/s, 'LATIN1: lstm_predict_batch says which row');

# ---- what cannot be read ---------------------------------------------------------------

# SQL_ASCII holds bytes that are no text.
run_in('SQL_ASCII', q{CREATE TABLE bytes AS SELECT n AS id, CASE WHEN n = 7 THEN E'caf\xe9' ELSE 'router ' || n END AS x FROM generate_series(1, 20) n});
foreach my $setting ('off', 'on')
{
	my $settings = "SET pg_lstm.enable_batch = $setting;";

	($out, $err) = run_in('SQL_ASCII', "$settings SELECT id, lstm_predict('m', x) FROM bytes");
	like($err, qr/ERROR:  invalid byte sequence for encoding "UTF8": 0xe9/, "SQL_ASCII, batches $setting: bytes that are no UTF-8 are an error");
	($out, $err) = run_in('SQL_ASCII', "$settings SELECT count(lstm_predict('m', x)) FROM bytes WHERE id <> 7; SELECT count(v) FROM (SELECT lstm_predict('m', x) AS v FROM bytes ORDER BY id LIMIT 6) s; SELECT count(CASE WHEN id <> 7 THEN lstm_predict('m', x) END) FROM bytes");
	is($out . $err, "19\n6\n19", "SQL_ASCII, batches $setting: unless nobody asks for that row");
}
($out, $err) = run_in('SQL_ASCII', q{SELECT count(*) FROM lstm_predict_batch('m', 'SELECT id, x FROM bytes ORDER BY id')});
like($err, qr/ERROR:  invalid byte sequence.*CONTEXT:  row 7 of the query of lstm_predict_batch/s, 'lstm_predict_batch says which row');
($out, $err) = run_in('SQL_ASCII', q{SELECT lstm_train('bytes', 'x', 'id', 'b')});
like($err, qr/ERROR:  invalid byte sequence.*CONTEXT:  .*row 7/s, 'and so does a training');

done_testing();
