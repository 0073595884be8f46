# Default options learn from real rows.  Needs data sets that are not part of the
# project, in the folder PG_LSTM_DATA or beside it in ../shared/data; skipped without.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The tests run from a copy; what is installed for them lies in the project's folder as a rule.
my @places = grep { defined }
  ($ENV{PG_LSTM_DATA}, "$FindBin::Bin/../../shared/data", defined $ENV{PG_LSTM_INSTALL} ? "$ENV{PG_LSTM_INSTALL}/../../../../shared/data" : undef);
my ($data) = grep { -r "$_/airline_tweets/train.tsv.gz" } @places;

plan skip_all => 'there are no data sets' unless defined $data;

my $node = new_node('accuracy');
my $load = "$FindBin::Bin/../scripts/load_set.sh";

foreach my $set ('airline_tweets', 'digits')
{
	foreach my $part ('train', 'valid')
	{
		local $ENV{PGHOST} = $node->host;
		local $ENV{PGPORT} = $node->port;
		command_ok([ 'sh', $load, "$data/$set/$part.tsv.gz", "${set}_$part", '-d', 'postgres' ], "$set: $part rows are loaded");
	}
}

sub learn
{
	my ($set, $input, $relation, $options) = @_;
	my $started = time;
	my $epochs = $node->safe_psql('postgres', "SELECT epochs FROM lstm_train('$relation', '$input', 'label', '$set', options => '$options')");
	my $seconds = time - $started;
	my ($rows, $accuracy, $majority) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT rows, metrics->>'accuracy', (SELECT max(n) / sum(n) FROM (SELECT count(*) AS n FROM ${set}_valid GROUP BY label) s)
		  FROM lstm_evaluate('$set', '${set}_valid', '$input', 'label')});

	note(sprintf('%s: accuracy %.4f on %d rows not seen (the most frequent label alone: %.4f), %d epochs in %.1f s', $set, $accuracy, $rows, $majority, $epochs, $seconds));
	return ($accuracy, $majority, $seconds);
}

# 4,000 rows of tweets about airlines: negative, neutral, positive.
$node->safe_psql('postgres', 'CREATE VIEW airline_tweets_part AS SELECT * FROM airline_tweets_train LIMIT 4000');
my ($accuracy, $majority, $seconds) = learn('airline_tweets', 'text', 'airline_tweets_part', '{}');
cmp_ok($accuracy, '>', $majority + 0.08, 'airline_tweets: well above the most frequent label');
cmp_ok($seconds, '<', 60, 'airline_tweets: in time');

# 8 x 8 pixels of written digits, line by line.
($accuracy) = learn('digits', 'pixels', 'digits_train', '{}');
cmp_ok($accuracy, '>', 0.95, 'digits: nearly all are read');

done_testing();
