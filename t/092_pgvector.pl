# Embeddings in pgvector's type: cast, kept, found by an index, as the manual shows.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $libraries = `pg_config --pkglibdir`);
plan skip_all => 'pgvector is not installed' unless -e "$libraries/vector.so";

my $node = new_node('vector');

make_tickets($node, 300);
$node->safe_psql('postgres', q{
	CREATE EXTENSION vector;
	SELECT lstm_train('ticket', 'body', 'cause', 'm', options => } . small() . q{)});
my $width = $node->safe_psql('postgres', q{SELECT cardinality(lstm_embed('m', 'x'))});

is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket WHERE lstm_embed('m', body)::vector::real[] <> lstm_embed('m', body)}),
	'0', 'the same numbers there and back');
$node->safe_psql('postgres', qq{
	ALTER TABLE ticket ADD place vector($width);
	UPDATE ticket SET place = lstm_embed('m', body);
	CREATE INDEX ticket_place ON ticket USING hnsw (place vector_cosine_ops)});

# Texts of one cosine may stand in any order: what is compared is how near the ten nearest are.
my $own = $node->safe_psql('postgres', q{
	SELECT string_agg(round(similarity::numeric, 4)::text, ' ' ORDER BY rank) FROM lstm_similar('m', 'my invoice is wrong', 'ticket', 'body', 10)});
my $query = q{SELECT round((1 - (place <=> lstm_embed('m', 'my invoice is wrong')::vector))::numeric, 4) AS s FROM ticket ORDER BY place <=> lstm_embed('m', 'my invoice is wrong')::vector LIMIT 10};
is($node->safe_psql('postgres', "SET enable_indexscan = off; SELECT string_agg(s::text, ' ' ORDER BY s DESC) FROM ($query) q"), $own, 'a scan finds what lstm_similar finds');
like($node->safe_psql('postgres', "SET enable_seqscan = off; EXPLAIN $query"), qr/Index Scan using ticket_place/, 'the index is used');
is($node->safe_psql('postgres', "SET enable_seqscan = off; SET hnsw.ef_search = 300; SELECT string_agg(s::text, ' ' ORDER BY s DESC) FROM ($query) q"), $own, 'and finds the same');

done_testing();
