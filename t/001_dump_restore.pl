# Models survive pg_dump and restore: the same answers bit for bit, versions,
# epochs, and the way back; also where the extension lives in another schema.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dump');
my $dump = PostgreSQL::Test::Utils::tempdir();

# What a database answers, in digits that lose nothing, as a checksum.
sub answers
{
	my ($database, $schema) = @_;

	return $node->safe_psql($database, qq{
		SET search_path = public, "$schema";
		SELECT count(*), md5(string_agg(a::text, E'\\n' ORDER BY id))
		  FROM (SELECT id, lstm_predict('words', body), lstm_embed('words', body), lstm_predict('grid', grid),
					   lstm_embed('grid', grid), lstm_regress('hours', body),
					   (SELECT array_agg(probability) FROM lstm_probabilities('words', body)),
					   (SELECT array_agg(t) FROM lstm_topic('about', body) t)
				  FROM ticket) a});
}

sub listing
{
	my ($database, $schema) = @_;

	return $node->safe_psql($database, qq{
		SET search_path = public, "$schema";
		SELECT model, owner, task, version, input_kind, source, input, target, options, created FROM lstm_models WHERE NOT shipped ORDER BY 1;
		SELECT model, version, live, digest, rows, epochs, seconds, bytes, md5(facts::text), md5(metrics::text), options, trained_at, trained_by
		  FROM lstm_versions WHERE trained_by IS NOT NULL ORDER BY 1, 2;
		SELECT model, version, count(*), md5(string_agg(e::text, E'\\n' ORDER BY epoch)) FROM lstm_epochs e GROUP BY 1, 2 ORDER BY 1, 2;
		SELECT * FROM lstm_topics ORDER BY model, version, topic;
		SELECT md5(lstm_topics_report('about', 1))});
}

make_tickets($node, 120);
foreach my $seed (1 .. 3)
{
	$node->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'words', options => " . small("\"seed\": $seed") . ')');
}
$node->safe_psql('postgres',
	"SELECT lstm_deploy('words', 1); SELECT lstm_deploy('words', 2);"
	  . "SELECT lstm_train('ticket', 'grid', 'is_even', 'grid', options => " . small() . ');'
	  . "SELECT lstm_train('ticket', 'body', 'hours', 'hours', options => " . small() . ');'
	  . "SELECT count(*) FROM lstm_topics('ticket', 'body', 3, 'about');"
	  . "SELECT lstm_import('copy', lstm_export('words'))");
my $topics_again = "SELECT string_agg(topic || ' ' || array_to_string(words[1:3], ','), ';' ORDER BY topic) FROM lstm_topics('ticket', 'body', 3, 'about', '{\"seed\": 2}') WHERE version = 2";

# What stands on a model: an index of the pinned form, views, a generated column.  The last is
# computed when its table is loaded, so it needs a serial restore that has loaded the models
# before it, and pg_dump goes by schema and name.
my $digest = $node->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'words' AND live");
$node->safe_psql('postgres', qq{
	CREATE INDEX ticket_cause ON ticket (lstm_predict_pinned('$digest', body));
	CREATE VIEW answered AS SELECT id, lstm_predict('words', body) AS answer FROM ticket;
	CREATE MATERIALIZED VIEW counted AS SELECT answer, count(*) FROM answered GROUP BY 1;
	CREATE SCHEMA zz;
	CREATE TABLE zz.pinned (id integer, body text, cause text GENERATED ALWAYS AS (lstm_predict_pinned('$digest', body)) STORED);
	INSERT INTO zz.pinned SELECT id, body FROM ticket});

my $before = answers('postgres', 'public');
my $listed = listing('postgres', 'public');
my $numbered = $node->safe_psql('postgres', "BEGIN; $topics_again; ROLLBACK");
my $pinned = $node->safe_psql('postgres', 'SELECT count(*), md5(string_agg(p::text, E\'\\n\' ORDER BY id)) FROM zz.pinned p');
like($before, qr/^120\|/, 'the source database answers');
like($numbered, qr/^1 \w+,\w+,\w+;2 \w+,\w+,\w+;3 \w+,\w+,\w+$/, 'topics are found again');

# Plain text and the custom format.
foreach my $format ('plain', 'custom')
{
	my $file = "$dump/$format";
	my $database = "copy_$format";

	$node->safe_psql('postgres', 'DROP TABLE zz.pinned') if $format eq 'custom';
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, '-d', $node->connstr('postgres') ], "pg_dump, format $format");
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $file ], 'restored by psql');
		my $text = slurp_file($file);
		unlike($text, qr/^[^\n]*\tsentiment_en\t/m, 'the shipped model is not in the dump');
		unlike($text, qr/setval|CREATE SEQUENCE/, 'there is no sequence in the dump');
	}
	else
	{
		# A parallel restore would build the index while the models are being loaded.
		$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '--section=pre-data', '--section=data', '-d', $node->connstr($database), $file ],
			'data restored by pg_restore -j 2');
		$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '--section=post-data', '-d', $node->connstr($database), $file ],
			'indexes restored by pg_restore -j 2');
	}
	is(answers($database, 'public'), $before, "$format: the same answers, bit for bit");
	is(listing($database, 'public'), $listed, "$format: the same models, versions and epochs");
	is($node->safe_psql($database, 'SELECT count(*), md5(string_agg(p::text, E\'\\n\' ORDER BY id)) FROM zz.pinned p'), $pinned, 'plain: the generated column') if $format eq 'plain';
	is($node->safe_psql($database, 'SELECT * FROM counted ORDER BY 1'), $node->safe_psql('postgres', 'SELECT * FROM counted ORDER BY 1'),
		"$format: the materialized view");
	is($node->safe_psql($database, "SET enable_seqscan = off; SELECT count(*) FROM ticket WHERE lstm_predict_pinned('$digest', body) = 'network'"),
		$node->safe_psql('postgres', "SELECT count(*) FROM ticket WHERE lstm_predict('words', body) = 'network'"), "$format: the index");
	is($node->safe_psql($database, "SELECT lstm_rollback('words'); SELECT lstm_rollback('words')"), "1\n3", "$format: the way back is known");
	is($node->safe_psql($database, "SELECT version FROM lstm_train('ticket', 'body', 'cause', 'words', options => " . small('"seed": 4') . ')'),
		'4', "$format: the next training has the next number");
	is($node->safe_psql($database, $topics_again), $numbered, "$format: topics found again have the numbers and words that they would have had before");
	is($node->safe_psql($database, "SELECT count(*) FROM lstm_models WHERE shipped"),
		$node->safe_psql('postgres', "SELECT count(*) FROM lstm_models WHERE shipped"), "$format: the shipped model is there once");
}

# The same with the extension in a schema of its own.
$node->safe_psql('postgres', 'CREATE SCHEMA "Lstm things"; ALTER EXTENSION pg_lstm SET SCHEMA "Lstm things"');
is(answers('postgres', 'Lstm things'), $before, 'moved to another schema: the same answers');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump/moved", '-d', $node->connstr('postgres') ], 'pg_dump of it');
$node->safe_psql('postgres', 'CREATE DATABASE moved TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('moved'), "$dump/moved" ], 'restored');
is(answers('moved', 'Lstm things'), $before, 'other schema: the same answers, bit for bit');
is(listing('moved', 'Lstm things'), $listed, 'other schema: the same models, versions and epochs');

# Models alone, into a database that has the extension in yet another schema: by export and import.
$node->safe_psql('postgres', 'CREATE DATABASE third TEMPLATE template0');
$node->safe_psql('third', 'CREATE SCHEMA third; CREATE EXTENSION pg_lstm SCHEMA third');
my $file = $node->safe_psql('postgres', qq{SELECT encode("Lstm things".lstm_export('words'), 'hex')});
is($node->safe_psql('third', "SELECT third.lstm_import('words', decode('$file', 'hex')); SELECT digest FROM third.lstm_versions WHERE model = 'words'"),
	"1\n$digest", 'exported and imported: the same digest');

# A copy of the whole cluster answers the same.
$node->stop;
$node->start;
is(answers('copy_plain', 'public') ne '', 1, 'the server answers after a restart');

done_testing();
