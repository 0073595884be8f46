# ALTER EXTENSION UPDATE from each released version makes what a fresh CREATE EXTENSION makes.  A release is
# a script sql/pg_lstm--VERSION.sql; the way from it to the newest is what sql/pg_lstm--A--B.sql offer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use ExtensionCatalog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $sharedir = `pg_config --sharedir`);
my $scripts = ($ENV{PG_LSTM_INSTALL} // '') . "$sharedir/extension";
my ($newest) = slurp_file("$scripts/pg_lstm.control") =~ /^default_version = '(.*)'$/m;
my %released = map { m{/pg_lstm--(.+?)(?:--.+)?\.sql$} ? ($1 => 1) : () } glob "$scripts/pg_lstm--*.sql";

die "there is no pg_lstm--$newest.sql in $scripts" unless delete $released{$newest};
plan skip_all => "no version before $newest was released: there is nothing to update from, and to compare" unless %released;

my $node = new_node('update');
my @fresh = extension_catalog($node, 'postgres');

foreach my $version (sort keys %released)
{
	$node->safe_psql('postgres', qq{CREATE DATABASE "from $version" TEMPLATE template0});
	$node->safe_psql("from $version", "CREATE EXTENSION pg_lstm VERSION '$version'");
	make_tickets($node, 60, "from $version");
	my $train = q{SELECT lstm_train('ticket', 'body', 'cause', 'm', options => } . small() . ')';
	my $answers = q{SELECT md5(string_agg(lstm_embed('m', body)::text, ',' ORDER BY id)) FROM ticket};

	$node->safe_psql("from $version", $train);
	my $before = $node->safe_psql("from $version", $answers);
	my (undef, undef, $err) = $node->psql("from $version", 'ALTER EXTENSION pg_lstm UPDATE');
	is($err, '', "$version: there is a way to $newest");
	catalogs_are_equal([ extension_catalog($node, "from $version") ], \@fresh, "$version: the same catalog as that of a fresh install");
	is($node->safe_psql("from $version", $answers), $before, "$version: its models answer the same");
	is($node->safe_psql("from $version", "$train; SELECT live FROM lstm_model WHERE name = 'm'") =~ /2\z/, 1, "$version: and can be trained again");
}
done_testing();
