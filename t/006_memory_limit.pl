# Memory stays under its setting, or the error comes before the work; a huge
# text is an answer, a clear error or a cancel, and not the end of the server.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('limit');

$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT n AS id, (ARRAY['network', 'billing'])[1 + n % 2] AS label,
		   (SELECT string_agg(md5((n * 31 + i)::text), ' ') FROM generate_series(1, 10) i) AS body
	  FROM generate_series(1, 6000) n;
	CREATE TABLE few AS SELECT * FROM docs WHERE id <= 100});

# Settings, a statement; returns its error, its seconds and the largest resident size of the session in MB.
sub attempt
{
	my ($settings, $sql) = @_;
	my ($out, $err);

	$node->psql('postgres', qq{
		LOAD '$library';
		$settings
		SELECT clock_timestamp() AS started \\gset
		$sql;
		RESET ALL;
		ROLLBACK;
		SELECT 'took', extract(epoch FROM clock_timestamp() - :'started'),
			   substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s*(\\d+)')::int / 1024,
			   substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\\s*(\\d+)')::int / 1024},
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	my ($seconds, $peak_mb, $left_mb) = $out =~ /^took\|([\d.]+)\|(\d+)\|(\d+)$/m or die "the session did not survive: $err";

	$err =~ s/^.*there is no transaction in progress.*\n?//mg;
	return ($err, $seconds, $peak_mb, $left_mb, $out);
}

# A training that would not fit.
foreach my $case (
	[ 'weights', '64MB', q{SELECT lstm_train('few', 'body', 'label', options => '{"hidden": 4096, "layers": 4}')} ],
	[ 'a large bag', '16MB', q{SELECT lstm_train('few', 'body', 'label', options => '{"bag_hidden": 4096}')} ],
	[ 'many rows', '4MB', q{SELECT lstm_train('docs', 'body', 'label')} ],
	[ 'the smallest setting', '1MB', q{SELECT lstm_train('docs', 'body', 'label')} ],
	[ 'an estimate', '4MB', q{SELECT lstm_estimate('docs', 'body', 'label')} ])
{
	my ($what, $memory, $sql) = @$case;
	my ($err, $seconds, $peak_mb) = attempt("SET pg_lstm.train_memory = '$memory';", $sql);

	note("$what: $seconds s, peak $peak_mb MB");
	like($err, qr/ERROR:  .*memory/, "$what: an error about memory");
	like($err, qr/DETAIL:  .*\d+ [kM]?B/, "$what: says how much");
	like($err, qr/HINT:  .*pg_lstm\.train_memory/, "$what: names the setting");
	unlike($err, qr/out of memory/, "$what: it is the limit's, not the system's");
	cmp_ok($seconds, '<', 20, "$what: before the work");
	$memory =~ s/MB//;
	cmp_ok($peak_mb, '<', 60 + 2 * $memory, "$what: memory stays near the limit");
}

# What an estimate says is what a training takes, and about what it holds.
my ($bytes) = $node->safe_psql('postgres', q{SELECT peak_bytes FROM lstm_estimate('docs', 'body', 'label', options => '{"epochs": 1}')});
my ($err, $seconds, $peak_mb) = attempt("SET pg_lstm.train_memory = '" . int($bytes / 1024 / 1024 + 2) . "MB';",
	q{SELECT lstm_train('docs', 'body', 'label', options => '{"epochs": 1, "workers": 1}')});
note(sprintf('estimated %d MB, session at most %d MB', $bytes / 1024 / 1024, $peak_mb));
unlike($err, qr/ERROR/, 'a training fits the memory that was estimated');
SKIP:
{
	skip 'it was over too soon', 1 if $seconds < 4;
	like($err, qr/^.*NOTICE:  epoch 1 of 1 at \d+%: loss [\d.]+, \d+ rows\/s, \d+ s left$/m, 'and says how far it is');
}
cmp_ok($peak_mb, '<', 2 * $bytes / 1024 / 1024 + 150, 'and takes about that');
($err) = attempt("SET pg_lstm.train_memory = '" . int($bytes / 1024 / 1024 / 2) . "MB';",
	q{SELECT lstm_train('docs', 'body', 'label', options => '{"epochs": 1}')});
like($err, qr/memory/, 'it does not fit half of it');

# 200 MB of text, which is refused, and 60 MB, which is read.
$node->safe_psql('postgres', q{
	SELECT lstm_train('few', 'body', 'label', 'm', options => '{"epochs": 1}');
	SELECT lstm_train('few', 'body', 'label', 'bagless', options => '{"epochs": 1, "bag": false}');
	SELECT lstm_train('few', 'body', 'label', 'long', options => '{"epochs": 1, "bag": false, "max_tokens": 100000}');
	CREATE TABLE huge (id integer, body text, label text);
	ALTER TABLE huge ALTER body SET STORAGE EXTERNAL;
	INSERT INTO huge VALUES (1, repeat('word after word ', 13 * 1024 * 1024), 'a'), (2, repeat('x', 200 * 1024 * 1024), 'b'),
		(3, repeat('word after word ', 4 * 1000 * 1000), 'a'), (4, repeat('x', 60 * 1000 * 1000), 'b'),
		(5, repeat('word after word ', 3 * 1000 * 1000), 'b'), (6, 'short', 'a'), (7, 'short too', 'b')});
foreach my $case (
	[ 'm', 1, '200 MB of words', qr/^$/, qr/ERROR:  .*too long/ ],
	[ 'm', 2, '200 MB, one word', qr/^$/, qr/ERROR:  .*too long/ ],
	[ 'm', 3, '60 MB of words', qr/^answer\|/m, qr/^$/ ],
	[ 'm', 4, '60 MB, one word', qr/^answer\|/m, qr/^$/ ],
	[ 'bagless', 3, '60 MB, no bag', qr/^answer\|/m, qr/^$/ ],
	[ 'long', 3, '60 MB, 100,000 tokens read', qr/^answer\|/m, qr/^$/ ])
{
	my ($model, $id, $what, $expected_out, $expected_err) = @$case;
	my ($err, $seconds, $peak_mb, $left_mb, $out) = attempt('BEGIN;',
		"SET LOCAL statement_timeout = '40s'; SELECT 'answer', (lstm_classify('$model', body)).tokens_used FROM huge WHERE id = $id; COMMIT");

	$out =~ s/^took.*\n?//m;
	note(sprintf('%s: %.1f s, peak %d MB, then %d MB', $what, $seconds, $peak_mb, $left_mb));
	like($out, $expected_out, "$what: the answer");
	like($err, $expected_err, "$what: the error");
	cmp_ok($peak_mb, '<', 1500, "$what: memory");
	cmp_ok($left_mb, '<', 100, "$what: given back");
}
my ($timeout_err, $timeout_s) = attempt("SET statement_timeout = '300ms';", "SELECT lstm_predict('long', body) FROM huge WHERE id = 3");
like($timeout_err, qr/canceling statement/, '60 MB: cancelable');
cmp_ok($timeout_s, '<', 1.5, sprintf('60 MB: canceled after %.1f s', $timeout_s));

($err, $seconds, $peak_mb) = attempt("SET pg_lstm.train_memory = '64MB'; SET statement_timeout = '30s';",
	q{SELECT lstm_train('huge', 'body', 'label', options => '{"epochs": 1, "where": "id > 2"}')});
note(sprintf('training on texts of 60 MB under 64 MB: %.1f s, peak %d MB', $seconds, $peak_mb));
like($err, qr/ERROR:  .*memory/, 'a training on texts of 60 MB under 64 MB: an error about memory');
cmp_ok($peak_mb, '<', 500, 'and no more memory than the limit and the texts themselves take');
($err) = attempt('', q{SELECT lstm_train('huge', 'body', 'label', options => '{"epochs": 1}')});
like($err, qr/ERROR:  .*too long/, 'a training on texts of 200 MB: refused');
is($node->safe_psql('postgres', "SELECT count(*) FROM lstm_models WHERE model = 'huge_label'"), '0', 'and no model');
is($node->safe_psql('postgres', "SELECT lstm_predict('m', body) IS NOT NULL FROM huge WHERE id = 6"), 't', 'the server answers');

done_testing();
