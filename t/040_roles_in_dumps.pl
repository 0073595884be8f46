# Owners and grants of models in dumps, restored where the roles have other numbers, where some are
# missing, without owners, without privileges, by somebody who is no superuser: the models always come
# along, and never fall to the wrong hands.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_node('source');
my $dir = PostgreSQL::Test::Utils::tempdir();

make_tickets($source, 60);
$source->safe_psql('postgres', q{
	CREATE ROLE anna; CREATE ROLE bert; CREATE ROLE "Carl's"; CREATE ROLE gone;
	GRANT SELECT ON ticket TO PUBLIC;
	SET ROLE anna;
	SELECT lstm_train('ticket', 'body', 'cause', 'of anna', options => } . small() . q{);
	SELECT lstm_train('ticket', 'body', 'cause', 'of anna', options => } . small('"seed": 2') . q{);
	SELECT lstm_grant('of anna', 'bert'), lstm_grant('of anna', 'gone');
	SELECT lstm_deploy('of anna', 1);
	SELECT lstm_check('of anna', 'the router again', lstm_predict('of anna', 'the router again'));
	SELECT lstm_policy('of anna', new_rows => 1000, max_age => '30 days');
	SET ROLE "Carl's";
	SELECT lstm_train('ticket', 'grid', 'is_even', 'of "Carl''s"', options => } . small() . q{);
	SELECT lstm_grant('of "Carl''s"', 'public');
	SET ROLE gone;
	SELECT lstm_train('ticket', 'body', 'hours', 'of gone', options => } . small() . q{);
	SELECT lstm_grant('of gone', 'bert');
	RESET ROLE;
	SELECT lstm_train('ticket', 'body', 'cause', 'of postgres', options => } . small() . q{)});

my $answers = q{SELECT md5(string_agg(a::text, E'\n' ORDER BY id)) FROM
	(SELECT id, lstm_embed('of anna', body), lstm_embed('of "Carl''s"', grid), lstm_embed('of gone', body), lstm_embed('of postgres', body) FROM ticket) a};
my $rights = 'SELECT model, owner, granted, version FROM lstm_models WHERE NOT shipped ORDER BY 1';
my $kept = 'SELECT model, input, expected, created FROM lstm_checks; SELECT model, new_rows, max_age, not_more_often FROM lstm_policies';
my $servers = 'SELECT srvname, srvowner::regrole, srvacl FROM pg_foreign_server ORDER BY 1';
my $before = $source->safe_psql('postgres', $answers);
my $rights_before = $source->safe_psql('postgres', $rights);

is($rights_before, join("\n", q{of "Carl's"|"Carl's"|{PUBLIC}|1}, 'of anna|anna|{bert,gone}|1', 'of gone|gone|{bert}|1', 'of postgres|postgres|{}|1'),
	'the models and their rights');

$source->safe_psql('postgres', 'CREATE SCHEMA "Lstm things"; GRANT USAGE ON SCHEMA "Lstm things" TO PUBLIC; ALTER EXTENSION pg_lstm SET SCHEMA "Lstm things"; ALTER DATABASE postgres SET search_path = public, "Lstm things"');
is($source->safe_psql('postgres', $rights), $rights_before, 'moved to another schema: the same');
$source->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", $source->connstr('postgres') ], 'pg_dump -Fc');
$source->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $source->connstr('postgres') ], 'pg_dump');

# A cluster where the same roles have other numbers.
my $target = PostgreSQL::Test::Cluster->new('target');

$target->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$target->append_conf('postgresql.conf', "autovacuum = off\n");
$target->start;
$target->safe_psql('postgres', q{CREATE TABLE some_oids (); CREATE ROLE gone; CREATE ROLE "Carl's"; CREATE ROLE bert; CREATE ROLE nobody; CREATE ROLE anna});
isnt($target->safe_psql('postgres', "SELECT 'anna'::regrole::oid"), $source->safe_psql('postgres', "SELECT 'anna'::regrole::oid"), 'the roles have other numbers');

# Make a database and restore into it; returns what pg_restore or psql complained of.
sub restore
{
	my ($database, @options) = @_;
	my ($out, $err);

	$target->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$target->safe_psql('postgres', qq{ALTER DATABASE $database SET search_path = public, "Lstm things"});
	IPC::Run::run([ 'pg_restore', @options, '-d', $target->connstr($database), "$dir/custom" ], '>', \$out, '2>', \$err);
	return $err;
}

is(restore('same'), '', 'restored without a complaint');
is($target->safe_psql('same', $rights), $rights_before, 'the same owners and grants');
is($target->safe_psql('same', $answers), $before, 'and answers');
isnt($source->safe_psql('postgres', $kept), '', 'there are checks and policies');
is($target->safe_psql('same', $kept), $source->safe_psql('postgres', $kept), 'which come along');
my ($status, $out, $err) = $target->psql('same', q{SET ROLE bert; SELECT lstm_predict('of anna', 'router'), lstm_predict('of gone', 'router')});
is($status, 0, 'who was granted a model, uses it');
foreach my $role ('nobody', "Carl's")
{
	($status, $out, $err) = $target->psql('same', qq{SET ROLE "$role"; SELECT lstm_predict('of anna', 'router')});
	like($err, qr/permission denied for model "of anna"/, "$role does not");
}
is($target->safe_psql('same', q{SET ROLE anna; SELECT lstm_deploy('of anna', 2); SELECT lstm_drop('of anna', 1)}), "2\n1", 'its owner changes it');
($status, $out, $err) = $target->psql('same', 'DROP ROLE anna');
like($err, qr/cannot be dropped because some objects depend on it/, 'its owner cannot be dropped');

# As text; then the extension goes, with all that stands for models.
$target->safe_psql('postgres', q{CREATE DATABASE plain TEMPLATE template0; ALTER DATABASE plain SET search_path = public, "Lstm things"});
$target->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $target->connstr('plain'), '-f', "$dir/plain.sql" ], 'restored by psql');
is($target->safe_psql('plain', $rights), $rights_before, 'plain text: the same owners and grants');
is($target->safe_psql('plain', 'DROP EXTENSION pg_lstm; ' . $servers), '', 'restored models hold up DROP EXTENSION as little as others');

# In parallel, data before and after.
is(restore('parallel', '-j', '3'), '', 'restored by three');
is($target->safe_psql('parallel', $rights), $rights_before, 'in parallel: the same owners and grants');

# Without owners: all is of who restores.  Without privileges: nothing is granted.
is(restore('no_owner', '--no-owner'), '', 'restored without owners');
is($target->safe_psql('no_owner', "SELECT DISTINCT owner FROM lstm_models WHERE NOT shipped"), 'postgres', '--no-owner: the models are of who restored them');
is(restore('no_acl', '--no-acl'), '', 'restored without privileges');
is($target->safe_psql('no_acl', "SELECT DISTINCT granted FROM lstm_models WHERE NOT shipped"), '{}', '--no-acl: nothing is granted');
is($target->safe_psql('no_acl', "SELECT owner FROM lstm_models WHERE model = 'of anna'"), 'anna', '--no-acl: the owners are there');
is($target->safe_psql('no_acl', $answers), $before, '--no-acl: the same answers');

# A role is missing: its models come along, as those of who restores.
$target->safe_psql('postgres', 'DROP DATABASE same; DROP DATABASE parallel; DROP DATABASE no_acl; DROP DATABASE no_owner; DROP DATABASE plain; DROP ROLE gone');
$err = restore('missing');
like($err, qr/role "gone" does not exist/, 'pg_restore says who is missing');
# pg_restore gives an object all of its privileges or none
is($target->safe_psql('missing', $rights),
	join("\n", q{of "Carl's"|"Carl's"|{PUBLIC}|1}, 'of anna|anna|{}|1', 'of gone|postgres|{bert}|1', 'of postgres|postgres|{}|1'),
	'what can be restored, is');
is($target->safe_psql('missing', $answers), $before, 'the same answers');

# Rows without what stands for their models: as their rows say, else of the tables' owner.
$target->safe_psql('postgres', q{CREATE DATABASE data TEMPLATE template0; ALTER DATABASE data SET search_path = public, "Lstm things"});
$target->safe_psql('data', 'CREATE SCHEMA "Lstm things"; CREATE EXTENSION pg_lstm SCHEMA "Lstm things"');
$target->command_ok([ 'pg_restore', '--data-only', '-n', 'Lstm things', '-d', $target->connstr('data'), "$dir/custom" ], 'restored the data of one schema alone');
is($target->safe_psql('data', $rights),
	join("\n", q{of "Carl's"|"Carl's"|{}|1}, 'of anna|anna|{}|1', 'of gone|postgres|{}|1', 'of postgres|postgres|{}|1'), 'data only: owners as far as there are such roles');

# Into a database that has the extension in another schema, with a model of its own.
$target->safe_psql('postgres', 'CREATE DATABASE elsewhere TEMPLATE template0; ALTER DATABASE elsewhere SET search_path = public, other, "Lstm things"');
$target->safe_psql('elsewhere', 'CREATE SCHEMA other; CREATE EXTENSION pg_lstm SCHEMA other');
make_tickets($target, 60, 'elsewhere');
$target->safe_psql('elsewhere', q{SELECT lstm_train('ticket', 'body', 'cause', 'native', options => } . small() . q{); DROP TABLE ticket;
	CREATE SCHEMA "Lstm things"; ALTER EXTENSION pg_lstm SET SCHEMA "Lstm things"});
IPC::Run::run([ 'pg_restore', '--no-acl', '-d', $target->connstr('elsewhere'), "$dir/custom" ], '2>', \$err);
unlike($err =~ s/.*schema "Lstm things" already exists.*//r, qr/COPY|lstm_model|relation/, 'restored into a database that has the extension already');
$target->safe_psql('elsewhere', 'ALTER EXTENSION pg_lstm SET SCHEMA other');
is($target->safe_psql('elsewhere', $answers), $before, 'moved back: the same answers');
is($target->safe_psql('elsewhere', 'SELECT string_agg(model, \', \' ORDER BY model) FROM other.lstm_models WHERE NOT shipped'),
	q{native, of "Carl's", of anna, of gone, of postgres}, 'beside the model that was there');

# One schema, without the extension: nothing of it, and no error.
$source->command_ok([ 'pg_dump', '-n', 'public', '-f', "$dir/public.sql", $source->connstr('postgres') ], 'pg_dump --schema');
my $text = slurp_file("$dir/public.sql");
unlike($text, qr/lstm_model|FOREIGN SERVER|CREATE EXTENSION/, 'a dump of one schema holds no model');

# The tables of an extension that lies in the dumped schema come only with the extension.
$source->command_ok([ 'pg_dump', '-t', 'ticket', '-f', "$dir/table.sql", $source->connstr('postgres') ], 'pg_dump --table');
unlike(slurp_file("$dir/table.sql"), qr/lstm/, 'a dump of one table holds no model');

# REASSIGN OWNED and DROP OWNED in a restored database.
$target->safe_psql('missing', 'REASSIGN OWNED BY anna TO bert');
is($target->safe_psql('missing', "SELECT owner FROM lstm_models WHERE model = 'of anna'"), 'bert', 'REASSIGN OWNED moves the models');
$target->safe_psql('missing', 'DROP OWNED BY bert');
is($target->safe_psql('missing', "SELECT count(*) FROM lstm_model WHERE name = 'of anna'"), '0', 'DROP OWNED drops them');
is($target->safe_psql('missing', q{SELECT count(lstm_predict('of "Carl''s"', grid)) FROM ticket}), '60', 'and no others');

done_testing();
