# pg_upgrade from an older major: models, versions, thresholds, checks, policies, decisions, owners, grants,
# jobs, triggers and what stands on models are there afterwards and answer with the same bytes; a job
# that was interrupted goes on; the extension can be dropped as before.
#
# PG_LSTM_OLD_BIN is the folder of the older server's programs, PG_LSTM_OLD_INSTALL the DESTDIR that the
# extension was installed into for it; scripts/majors.sh sets both.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use File::Basename;
use LstmTest;
use ExtensionCatalog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'PG_LSTM_OLD_BIN names no older server to come from'
  unless $ENV{PG_LSTM_OLD_BIN} && $ENV{PG_LSTM_OLD_INSTALL};

my @locale = ('--encoding=UTF8', '--locale=C', '--data-checksums');
my @settings = ('autovacuum = off', 'max_worker_processes = 12', 'pg_lstm.checkpoint_interval = 0');
my $old_preload = q{shared_preload_libraries = '$libdir/pg_lstm'};
my $old = PostgreSQL::Test::Cluster->new('old', install_path => dirname($ENV{PG_LSTM_OLD_BIN}));

{
	# what the new server finds the extension by, the old one may not know
	local %ENV = %ENV;

	delete $ENV{TEMP_CONFIG};
	$old->init(extra => [@locale]);
}
$old->append_conf('postgresql.conf', join("\n", @settings, "extension_destdir = '$ENV{PG_LSTM_OLD_INSTALL}'", $old_preload) . "\n");
$old->start;

my $old_major = $old->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int / 10000});

# ---- what there is ---------------------------------------------------------------------

# In a schema of its own whose name needs quotes.
$old->safe_psql('postgres', q{
	CREATE ROLE anna; CREATE ROLE bert; CREATE ROLE "Carl's"; GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC;
	CREATE SCHEMA "Lstm things"; GRANT USAGE ON SCHEMA "Lstm things" TO PUBLIC;
	CREATE EXTENSION pg_lstm SCHEMA "Lstm things";
	ALTER DATABASE postgres SET search_path = public, "Lstm things"});
make_tickets($old, 300);
$old->safe_psql('postgres', q{
	CREATE TABLE item AS
	SELECT n AS id, concat_ws(' ', w[1 + n % 5], w[1 + n / 2 % 5], 'in', w[6 + n % 3]) AS body,
		   ARRAY[w[1 + n % 5], w[1 + n / 2 % 5], 'in', w[6 + n % 3]] AS words,
		   ARRAY['B-PER', 'I-PER', 'O', 'B-LOC'] AS tags,
		   concat_ws(' ', w[6 + n % 3], w[1 + n % 5]) AS target,
		   (SELECT array_agg(sin(0.5 * (n + i))::real ORDER BY i) FROM generate_series(1, 60) i) AS series
	  FROM generate_series(1, 100) n, (SELECT '{Anna,Otto,Lena,Erik,Maria,Bonn,Lima,Oslo}'::text[] AS w) a;
	GRANT SELECT ON ticket, item TO PUBLIC;
	SET ROLE anna;
	SELECT lstm_train('ticket', 'body', 'cause', 'words', options => } . small() . q{);
	SELECT lstm_train('ticket', 'body', 'cause', 'words', options => } . small('"seed": 2') . q{);
	SELECT lstm_train('ticket', 'body', 'cause', 'words', options => } . small('"seed": 3') . q{);
	SELECT lstm_deploy('words', 1); SELECT lstm_deploy('words', 2);
	SELECT lstm_threshold('words', min_precision => 0.5); SELECT lstm_unlike('words', 0.9);
	SELECT lstm_check('words', 'the router again', lstm_predict('words', 'the router again'));
	SELECT lstm_policy('words', new_rows => 1000, max_age => '30 days');
	SELECT lstm_retrain('words', '{"epochs": 2}');
	SELECT lstm_grant('words', 'bert');
	SET ROLE "Carl's";
	SELECT lstm_train('ticket', 'grid', 'is_even', 'of "Carl''s"', options => } . small() . q{);
	SELECT lstm_grant('of "Carl''s"', 'public');
	RESET ROLE;
	SELECT lstm_train('ticket', 'body', 'hours', 'hours', options => } . small() . q{);
	SELECT lstm_train('item', 'words', 'tags', 'tag', options => '{"epochs": 2, "hidden": 16}');
	SELECT lstm_train('item', 'body', 'target', 'translate', 'translate', options => '{"epochs": 2, "hidden": 16}');
	SELECT lstm_train('item', 'body', NULL, 'language', options => '{"epochs": 2, "hidden": 16}');
	SELECT lstm_train('item', 'series', NULL, 'forecast', options => '{"epochs": 2, "hidden": 16, "horizon": 6, "window": 12}');
	SELECT lstm_import('copy', lstm_export('words'))});
my $digest = $old->safe_psql('postgres', "SELECT digest FROM lstm_versions WHERE model = 'words' AND live");

$old->safe_psql('postgres', qq{
	CREATE INDEX ticket_cause ON ticket (lstm_predict_pinned('$digest', body));
	CREATE VIEW answered AS SELECT id, lstm_predict('words', body) AS answer FROM ticket;
	CREATE TABLE pinned (body text, cause text GENERATED ALWAYS AS (lstm_predict_pinned('$digest', body)) STORED);
	INSERT INTO pinned SELECT body FROM ticket;
	CREATE TABLE tagged (id int, body text, cause text, made_by int);
	CREATE TRIGGER tag BEFORE INSERT OR UPDATE ON tagged FOR EACH ROW EXECUTE FUNCTION lstm_tag_row('words', 'body', 'cause', 'made_by');
	INSERT INTO tagged (id, body) SELECT id, body FROM ticket WHERE id <= 10});

# One job that has ended, one that is interrupted, and one behind it.
my $long = q{'{"epochs": 60, "hidden": 24, "patience": 0}'};
my $submit = "SELECT lstm_submit('ticket', 'body', 'cause', 'of a job', options => $long)";
my $done = $old->safe_psql('postgres', q{SELECT lstm_submit('ticket', 'body', 'cause', 'quick', options => } . small() . ')');

$old->safe_psql('postgres', "SELECT lstm_train('ticket', 'body', 'cause', 'reference', options => $long)");
is($old->safe_psql('postgres', "SELECT lstm_wait($done, '60 s')"), 'done', 'a job is done');
my $interrupted = $old->safe_psql('postgres', $submit);
my $queued = $old->safe_psql('postgres', $submit);
ok($old->poll_query_until('postgres', "SELECT saved IS NOT NULL FROM lstm_job WHERE id = $interrupted"), 'another has written a checkpoint');

# ---- what is compared --------------------------------------------------------------------

my $answers = q{
	SELECT 'ticket', count(*), md5(string_agg(a::text, E'\n' ORDER BY id))
	  FROM (SELECT id, lstm_predict('words', body), lstm_classify('words', body), lstm_embed('words', body), lstm_predict_pinned('} . $digest . q{', body),
				   lstm_embed('of "Carl''s"', grid), lstm_regress('hours', body), lstm_predict('copy', body), lstm_predict('quick', body), sentiment_score(body),
				   (SELECT array_agg(p) FROM lstm_probabilities('words', body) p)
			  FROM ticket OFFSET 0) a;
	SELECT 'item', count(*), md5(string_agg(a::text, E'\n' ORDER BY id))
	  FROM (SELECT id, (SELECT array_agg(t) FROM lstm_tag('tag', words) t), lstm_translate('translate', body), lstm_score('language', body),
				   lstm_generate('language', body, 5, seed => id), (SELECT array_agg(f) FROM lstm_forecast('forecast', series) f)
			  FROM item OFFSET 0) a;
	SELECT 'kept', md5(string_agg(p::text, E'\n' ORDER BY body)) FROM pinned p;
	SELECT 'view', md5(string_agg(a::text, E'\n' ORDER BY id)) FROM answered a;
	SELECT 'tagged', md5(string_agg(t::text, E'\n' ORDER BY id)) FROM tagged t};
my $listing = q{
	SELECT * FROM lstm_models WHERE NOT shipped ORDER BY model;
	SELECT model, version, live, digest, rows, epochs, seconds, bytes, md5(facts::text), md5(metrics::text), options, trained_at, trained_by FROM lstm_versions WHERE model <> 'sentiment_en' ORDER BY 1, 2;
	SELECT model, version, count(*), md5(string_agg(e::text, E'\n' ORDER BY epoch)) FROM lstm_epochs e GROUP BY 1, 2 ORDER BY 1, 2;
	SELECT * FROM lstm_checks ORDER BY model, input;
	SELECT * FROM lstm_policies ORDER BY model;
	SELECT * FROM lstm_decisions ORDER BY model, version;
	SELECT * FROM lstm_thresholds ORDER BY model, version, kind, label;
	SELECT id, md5(v.weights), md5(v.measured) FROM lstm_model JOIN lstm_version v ON v.model = id ORDER BY id, v.version;
	SELECT srvname, srvowner::regrole, srvacl FROM pg_foreign_server ORDER BY 1;
	SELECT job, model, state, owner, source, version, submitted, rows, starts, checkpoint FROM lstm_jobs ORDER BY 1};
my ($answered, $listed, $stopped);

sub rights
{
	my ($node) = @_;
	my @seen;

	foreach my $role ('anna', 'bert', q{Carl's}, 'postgres')
	{
		my (undef, $out, $err) = $node->psql('postgres', qq{SET ROLE "$role"; SELECT string_agg(model, ',' ORDER BY model) FROM lstm_models; SELECT lstm_predict('words', 'router')});
		push @seen, join ' ', $role, $out, $err =~ /^(.*ERROR.*)$/m;
	}
	return join "\n", @seen;
}

# Stopped while the job runs; and without a launcher, so that what is looked at keeps still.
$old->stop;
$old->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$old->start;
$answered = $old->safe_psql('postgres', $answers);
$listed = $old->safe_psql('postgres', $listing);
my $rights = rights($old);

like($listed, qr/^$interrupted\|of a job\|interrupted\|/m, 'the job is interrupted');
like($listed, qr/^$queued\|of a job\|queued\|/m, 'and one waits behind it');
like($rights, qr/^bert .*words.*$/m, 'who was granted a model, sees it');
$old->append_conf('postgresql.conf', "$old_preload\n");
$old->stop;

# ---- pg_upgrade --------------------------------------------------------------------------

my $new = PostgreSQL::Test::Cluster->new('new');

$new->init(extra => [@locale]);
$new->append_conf('postgresql.conf', join("\n", @settings, preload()) . "\n");
my $new_major = do { local $/; my $v = slurp_file($new->data_dir . '/PG_VERSION'); $v + 0 };

chdir(PostgreSQL::Test::Utils::tempdir()) or die $!;
command_ok([ 'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $ENV{PG_LSTM_OLD_BIN}, '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], "pg_upgrade from $old_major to $new_major, with the library preloaded");
$new->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$new->start;
is($new->safe_psql('postgres', $listing), $listed, 'the same models, versions, thresholds, checks, policies, decisions, servers and jobs: no process worked on a job meanwhile');
is($new->safe_psql('postgres', $answers), $answered, 'the same answers');
is(rights($new), $rights, 'the same rights');
$new->safe_psql('template1', 'CREATE DATABASE fresh TEMPLATE template0');
$new->safe_psql('fresh', 'CREATE SCHEMA "Lstm things"; GRANT USAGE ON SCHEMA "Lstm things" TO PUBLIC; CREATE EXTENSION pg_lstm SCHEMA "Lstm things"');
catalogs_are_equal([ extension_catalog($new, 'postgres') ], [ extension_catalog($new, 'fresh') ], 'the catalog is that of a fresh install');
is($new->safe_psql('postgres', qq{SET enable_seqscan = off; EXPLAIN SELECT FROM ticket WHERE lstm_predict_pinned('$digest', body) = 'network'}) =~ /ticket_cause/, 1, 'the index is used');
is($new->safe_psql('postgres', "INSERT INTO tagged (id, body) SELECT id, body FROM ticket WHERE id = 11; SELECT (cause = lstm_predict('words', body), made_by) FROM tagged WHERE id = 11"),
	'(t,4)', 'rows are still tagged as they come');

# ---- life goes on ------------------------------------------------------------------------

$new->append_conf('postgresql.conf', preload() . "\n");
$new->restart;
is($new->safe_psql('postgres', "SELECT lstm_wait($interrupted, '120 s') || ' ' || lstm_wait($queued, '120 s')"), 'done done', 'both jobs come to their ends by themselves');
is($new->safe_psql('postgres', "SELECT starts FROM lstm_jobs WHERE job = $interrupted"), '2', 'the first with a second process');
is($new->safe_psql('postgres', "SELECT count(DISTINCT digest) FROM lstm_versions WHERE model IN ('reference', 'of a job')"), '1', 'with the bytes of an uninterrupted training of the older server');
is($new->safe_psql('postgres', q{SET ROLE anna; SELECT version FROM lstm_train('ticket', 'body', 'cause', 'words', options => } . small('"seed": 4') . ')'), '5', 'the next version has the next number');
my (undef, undef, $err) = $new->psql('postgres', q{DROP ROLE anna});
like($err, qr/cannot be dropped because some objects depend on it/, 'a role that owns models cannot be dropped');
$new->safe_psql('postgres', q{DROP OWNED BY "Carl's"});
is($new->safe_psql('postgres', q{SELECT count(*) FROM lstm_models WHERE model = 'of "Carl''s"'}), '0', 'DROP OWNED takes models along');

# What was brought along is as good as made here: it can be dumped, and dropped.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$new->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $new->connstr('postgres') ], 'pg_dump');
$new->safe_psql('template1', 'CREATE DATABASE restored TEMPLATE template0; ALTER DATABASE restored SET search_path = public, "Lstm things"');
$new->command_ok([ 'pg_restore', '--exit-on-error', '-d', $new->connstr('restored'), $dump ], 'pg_restore');
my $embed = q{SELECT md5(string_agg(lstm_embed('words', body)::text, ',' ORDER BY id)) FROM ticket};
is($new->safe_psql('restored', $embed), $new->safe_psql('postgres', $embed), 'restored: the same answers');
$new->safe_psql('postgres', 'DROP INDEX ticket_cause; DROP VIEW answered; DROP TABLE pinned, tagged');
is(join('', $new->psql('postgres', 'DROP EXTENSION pg_lstm')), '0', 'DROP EXTENSION needs no CASCADE');
is($new->safe_psql('postgres', 'SELECT count(*) FROM pg_foreign_server'), '0', 'and leaves no server behind');
$new->stop;
done_testing();
