# sentiment() where the file of its model is missing, too large, unreadable or not a model, on a disk that fails,
# and replaced while it is read; and a training whose temporary file cannot be mapped.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($installed) = (defined $ENV{TEMP_CONFIG} ? slurp_file($ENV{TEMP_CONFIG}) : '') =~ /^extension_destdir\s*=\s*'([^']+)'/m;
plan skip_all => 'the extension is not installed in a folder of its own' unless defined $installed;

# Faults of the machine, where there is a compiler.
my $faults = PostgreSQL::Test::Utils::tempdir_short() . '/faults';
my $has_faults = mkdir($faults) && system("cc -shared -fPIC -O1 -o $faults.so $FindBin::Bin/faults.c -ldl 2>&1") == 0;

sub begin_fault
{
	my ($fault, $part) = @_;

	append_to_file("$faults/$fault", $part);
}

sub end_faults
{
	unlink glob("$faults/*");
}

# A copy of that folder, whose files may be spoiled.
my $folder = PostgreSQL::Test::Utils::tempdir_short() . '/installed';
system_or_bail('cp', '-r', $installed, $folder);
my $node = new_node('shipped', "extension_destdir = '$folder'");
if ($has_faults)
{
	local %ENV = (%ENV, LD_PRELOAD => "$faults.so", FAULTS => $faults);
	$node->restart;
}
my ($file) = split /\n/, `find $folder -name 'pg_lstm_sentiment_en.safetensors'`;
my $good = slurp_file($file);

sub spoil
{
	my ($bytes) = @_;

	unlink $file;
	append_to_file($file, $bytes) if defined $bytes;
}

sub answer
{
	my ($out, $err);

	$node->psql('postgres', q{\set VERBOSITY verbose
SELECT sentiment('what a lovely film')}, stdout => \$out, stderr => \$err);
	return $out . $err;
}

is(answer(), 'positive', 'it answers');
spoil(undef);
like(answer(), qr/ERROR:  58P01: the model that comes with the extension is not installed.*DETAIL:.*HINT:  Install the extension again/s, 'missing');
spoil(substr($good, 0, length($good) / 2));
like(answer(), qr/ERROR:  XX001: not a valid model file.*DETAIL:/s, 'cut off');
spoil('{}');
like(answer(), qr/ERROR:  XX001: not a valid model file.*DETAIL:/s, 'not a model');
spoil('');
ok(truncate($file, 100 * 1024 * 1024), 'a file of 100 MB');
like(answer(), qr/ERROR:  54000: file ".*" is too large for a shipped model/, 'too large');
SKIP:
{
	spoil($good);
	chmod 0, $file;
	skip 'this user reads everything', 1 if -r $file;
	like(answer(), qr/ERROR:  42501: could not open file/, 'unreadable');
}
SKIP:
{
	skip 'no compiler', 1 unless $has_faults;
	spoil($good);
	begin_fault('read', '.safetensors');
	like(answer(), qr/ERROR:  58030: could not read file ".*": Input\/output error/, 'a disk that fails');
	end_faults();
	begin_fault('cut', '.safetensors');
	like(answer(), qr/ERROR:  XX001: could not read file ".*": read 0 of \d+ bytes/, 'cut off while it is read');
	end_faults();
	spoil($good);
	begin_fault('replace', '.safetensors');
	like(answer(), qr/ERROR:  55000: the file of model "sentiment_en" was replaced meanwhile.*HINT:  Try again/s, 'replaced while it is read');
	end_faults();
	is(answer(), 'positive', 'and then it answers');

	# rows of a training that stand in a temporary file
	my $training = q{\set VERBOSITY verbose
SET pg_lstm.train_memory = '24MB';
SELECT version FROM lstm_train('many', 'body', 'cause', 'm', options => '{"epochs": 1, "hidden": 4, "embedding": 4, "bag_features": 2000, "vocabulary": 1000}')};
	my ($out, $err);

	$node->safe_psql('postgres', q{CREATE VIEW many AS SELECT repeat('word' || n % 11 || ' ', 300) AS body, (ARRAY['a', 'b'])[1 + n % 2] AS cause FROM generate_series(1, 2000) n});
	begin_fault('map', 'pgsql_tmp');
	$node->psql('postgres', $training, stdout => \$out, stderr => \$err);
	like($err, qr/ERROR:  53200: could not map \d+ bytes of temporary file ".*": Cannot allocate memory/, 'a temporary file that cannot be mapped');
	end_faults();
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', 'it is gone');
	$node->psql('postgres', $training, stdout => \$out, stderr => \$err);
	is($out, '1', 'and then it trains') or diag($err);
}
spoil($good);
is(answer(), 'positive', 'there again, it answers again');

done_testing();
