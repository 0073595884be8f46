# sentiment() where the file of its model is missing, too large, unreadable or not a model.
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

# A copy of that folder, whose files may be spoiled.
my $folder = PostgreSQL::Test::Utils::tempdir_short() . '/installed';
system_or_bail('cp', '-r', $installed, $folder);
my $node = new_node('shipped', "extension_destdir = '$folder'");
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
spoil($good);
is(answer(), 'positive', 'there again, it answers again');

done_testing();
