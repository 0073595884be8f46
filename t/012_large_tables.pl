# A table larger than the memory that training may take: its rows stand in
# temporary files, and the model is the same to the byte.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('large');

$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT n AS id, (ARRAY['network', 'billing'])[1 + n % 2] AS label,
		   (SELECT string_agg('word' || (n * 31 + i * i) % 600, ' ') FROM generate_series(1, 90) i) ||
		   (ARRAY[' the router is down', ' the invoice is wrong'])[1 + n % 2] AS body
	  FROM generate_series(1, 12000) n});
my $small = '{"epochs": 1, "bag": false, "hidden": 16, "embedding": 16, "max_tokens": 20, "subwords": 0}';

# Digest, peak and bytes in files of one training.
sub train
{
	my ($memory, $options) = @_;
	my $out = $node->safe_psql('postgres', qq{
		SET pg_lstm.train_memory = '$memory';
		SET client_min_messages = warning;
		SELECT metrics->>'peak_bytes', metrics->>'file_bytes' FROM lstm_train('docs', 'body', 'label', 'm', options => '$options');
		SELECT digest FROM lstm_versions WHERE model = 'm' ORDER BY version DESC LIMIT 1});
	my ($peak, $files, $digest) = $out =~ /^(\d+)\|(\d+)\n(\w+)$/ or die "unexpected: $out";

	return ($digest, $peak, $files);
}

sub temporary_files
{
	return join ' ', map { glob $_ } map { $_ . '/*' } glob $node->data_dir . '/base/pgsql_tmp';
}

my ($digest, $peak, $files) = train('2GB', $small);
is($files, 0, 'a small table needs no file');
cmp_ok($peak, '>', 10 * 1024 * 1024, sprintf('it takes %.1f MB in memory', $peak / 1024 / 1024));
my ($digest_of_files, $peak_of_files, $bytes) = train('10MB', $small);
cmp_ok($bytes, '>', 4 * 1024 * 1024, sprintf('under 10 MB its rows are in files: %.1f MB', $bytes / 1024 / 1024));
cmp_ok($peak_of_files, '<', 10 * 1024 * 1024, sprintf('and memory stays under it: %.1f MB', $peak_of_files / 1024 / 1024));
is($digest_of_files, $digest, 'the model is the same');
is(temporary_files(), '', 'no file is left');

# Whatever ends a training early leaves no file, and no model.
my ($code, $out, $err) = $node->psql('postgres', qq{
	SET pg_lstm.train_memory = '10MB'; SET temp_file_limit = '1MB';
	SELECT lstm_train('docs', 'body', 'label', 'limited', options => '$small')});
like($err, qr/ERROR:  temporary file size exceeds "?temp_file_limit"? \(1024kB\)/, 'temp_file_limit is obeyed');
is(temporary_files(), '', 'and leaves no file');
($code, $out, $err) = $node->psql('postgres', qq{
	SET pg_lstm.train_memory = '10MB'; SET statement_timeout = '1500ms';
	SELECT lstm_train('docs', 'body', 'label', 'canceled', options => '{"epochs": 500, "bag": false, "hidden": 16, "embedding": 16, "max_tokens": 20}')});
like($err, qr/canceling statement/, 'a cancel acts');
is(temporary_files(), '', 'and leaves no file');
is($node->safe_psql('postgres', q{SELECT count(*) FROM lstm_models WHERE model IN ('limited', 'canceled')}), '0', 'and no model');

# A full disk, as a limit on the size of files: the second MB is written in part, or not at all.
SKIP:
{
	skip 'no prlimit', 1 if system('prlimit --version >/dev/null 2>&1') != 0;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query("SET client_min_messages = warning; LOAD '$library'; SET pg_lstm.train_memory = '10MB'; SELECT pg_backend_pid()");

	$session->query('\set VERBOSITY verbose');
	foreach my $bytes (1536 * 1024, 1024 * 1024)
	{
		$session->{stderr} = '';
		system('prlimit', "--pid=$pid", "--fsize=$bytes:") == 0 or die 'prlimit failed';
		$session->query("SELECT lstm_train('docs', 'body', 'label', 'full', options => '$small')");
		system('prlimit', "--pid=$pid", '--fsize=unlimited:') == 0 or die 'prlimit failed';
		like($session->{stderr}, qr/ERROR:  53100: could not write to temporary file "base\/pgsql_tmp\/\S+": .*DETAIL:  It was to grow from \d+ to \d+ bytes\.\nHINT:  .*make room/s,
			"a disk that is full at $bytes bytes is an error");
		is(temporary_files(), '', 'which leaves no file');
	}
	$session->query("SELECT lstm_train('docs', 'body', 'label', 'm', options => '$small')");
	is($session->query(q{SELECT digest FROM lstm_versions WHERE model = 'm' ORDER BY version DESC LIMIT 1}), $digest, 'with room, the session trains as ever');
	$session->quit;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM lstm_models WHERE model = 'full'}), '0', 'and there is no model');
}

# Files are given back within a session, too.
$node->safe_psql('postgres', qq{
	SET pg_lstm.train_memory = '10MB'; SET client_min_messages = warning;
	DO \$\$ BEGIN
		FOR i IN 1 .. 3 LOOP
			PERFORM lstm_estimate('docs', 'body', 'label', options => '$small');
		END LOOP;
		IF (SELECT count(*) FROM pg_ls_tmpdir()) > 0 THEN RAISE 'a file is left'; END IF;
	END \$\$});
is(temporary_files(), '', 'estimates leave no file');

done_testing();
