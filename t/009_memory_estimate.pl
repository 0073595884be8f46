# What lstm_estimate says a training holds at most is, within a tenth, what the
# training held: "peak_bytes" of its metrics counts the bytes that core asked for.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('estimate');

$node->safe_psql('postgres', q{
	CREATE TABLE words AS
	SELECT n AS id, (ARRAY['network', 'billing', 'disk'])[1 + n % 3] AS label, n % 17 AS number,
		   (SELECT string_agg('w' || (i * i * 7919 + n * 104729) % (20 + i * n % 3000), ' ') FROM generate_series(1, 8 + n % 40) i) AS body
	  FROM generate_series(1, 5000) n;
	CREATE TABLE long AS
	SELECT id, label, (SELECT string_agg(w.body, ' ') FROM words w WHERE w.id BETWEEN a.id AND a.id + 12) AS body FROM words a WHERE id <= 500;
	-- the word of rank r in one of r places, as in a language
	CREATE TABLE zipf AS
	SELECT id, label, (SELECT string_agg('w' || exp(((hashint4(id * 50 + i) & 65535) / 65536.0) * 10.5)::integer, ' ')
		FROM generate_series(1, 10 + id % 20) i) AS body FROM words;
	CREATE TABLE several AS SELECT id, body, CASE WHEN id % 3 = 0 THEN ARRAY[label, 'urgent'] ELSE ARRAY[label] END AS labels FROM words;
	CREATE TABLE pairs AS
	SELECT id, string_to_array(body, ' ') AS tokens, ARRAY(SELECT CASE WHEN t LIKE '%7' THEN 'B-x' ELSE 'O' END FROM unnest(string_to_array(body, ' ')) t) AS tags,
		   body AS source, translate(body, '0123456789', 'abcdefghij') AS target FROM words WHERE id <= 1500;
	CREATE TABLE vectors AS
	SELECT n AS id, (SELECT array_agg(((n * i * 37) % 101) / 101.0::real ORDER BY i) FROM generate_series(1, 40) i) AS v,
		   'it is ' || n % 10 || ' of ten' AS caption, (n % 4)::text AS label FROM generate_series(1, 1500) n;
	CREATE TABLE steps AS
	SELECT (SELECT array_agg(sin(s / 5.0) + (s * 7919 % 13) / 20.0 ORDER BY s) FROM generate_series(1, 6000) s)::float8[] AS past});

# Name, relation, the columns, and options.
my @cases = (
	[ 'defaults', 'words', q{input => 'body', target => 'label'}, '{}' ],
	[ 'two workers', 'words', q{input => 'body', target => 'label'}, '{"workers": 2}' ],
	[ 'refit', 'words', q{input => 'body', target => 'label'}, '{"refit": true}' ],
	[ 'refit with new words', 'zipf', q{input => 'body', target => 'label'}, '{"refit": true}' ],
	[ 'refit by two workers', 'words', q{input => 'body', target => 'label'}, '{"refit": true, "workers": 2}' ],
	[ 'no bag, large batches', 'words', q{input => 'body', target => 'label'}, '{"bag": false, "hidden": 128, "batch": 256}' ],
	[ 'two layers', 'words', q{input => 'body', target => 'label'}, '{"layers": 2, "hidden": 96, "bidirectional": true}' ],
	[ 'new words in every row', 'zipf', q{input => 'body', target => 'label'}, '{}' ],
	[ 'labels of each their own', 'several', q{input => 'body', target => 'labels'}, '{"class_weights": "balanced"}' ],
	[ 'bag alone', 'words', q{input => 'body', target => 'label'}, '{"cell": "none"}' ],
	[ 'long texts', 'long', q{input => 'body', target => 'label'}, '{}' ],
	[ 'long texts, no bag', 'long', q{input => 'body', target => 'label'}, '{"bag": false, "max_tokens": 2000}' ],
	[ 'numbers', 'words', q{input => 'body', target => 'number'}, '{}' ],
	[ 'tags', 'pairs', q{input => 'tokens', target => 'tags'}, '{}' ],
	[ 'translation', 'pairs', q{input => 'source', target => 'target', task => 'translate'}, '{"hidden": 64}' ],
	[ 'captions', 'vectors', q{input => 'v', target => 'caption', task => 'caption'}, '{"input": "vector"}' ],
	[ 'vectors', 'vectors', q{input => 'v', target => 'label'}, '{"input": "vector"}' ],
	[ 'series', 'vectors', q{input => 'v', target => 'label'}, '{}' ],
	[ 'language', 'words', q{input => 'body'}, '{"hidden": 96}' ],
	[ 'characters', 'words', q{input => 'body'}, '{"unit": "character", "hidden": 96}' ],
	[ 'forecast', 'steps', q{input => 'past', task => 'forecast'}, '{"horizon": 6}' ]);

my $n = 0;

foreach my $case (@cases)
{
	my ($what, $relation, $columns, $options) = @$case;
	my $arguments = qq{relation => '$relation', $columns, options => '{"epochs": 1, "workers": 1}'::jsonb || '$options'};
	my $estimated = $node->safe_psql('postgres', "SELECT peak_bytes FROM lstm_estimate($arguments)");
	my $held = $node->safe_psql('postgres', "SELECT metrics->>'peak_bytes' FROM lstm_train(model => 'm" . $n++ . "', $arguments)");

	cmp_ok(abs($held - $estimated), '<', 0.1 * $held + 100 * 1024,
		sprintf('%s: %.2f MB held, %.2f estimated', $what, $held / 1048576, $estimated / 1048576));
}

done_testing();
