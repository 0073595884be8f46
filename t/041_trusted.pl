# A database's owner who is no superuser creates the extension, can dump and restore it, and gains nothing
# by what he may do with its tables.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('trusted');
my ($status, $out, $err);

$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE dba LOGIN; CREATE ROLE anna LOGIN; CREATE ROLE bert LOGIN; CREATE DATABASE house TEMPLATE template0 OWNER dba');

sub as
{
	my ($role, $sql, %options) = @_;

	return $node->safe_psql($options{database} // 'house', $sql, extra_params => [ '-U', $role ]);
}

sub refused
{
	my ($role, $sql, $pattern, $what) = @_;
	($status, $out, $err) = $node->psql('house', $sql, extra_params => [ '-U', $role ]);

	isnt($status, 0, "$what: refused");
	like($err, $pattern, "$what: and says why");
}

refused('anna', 'CREATE EXTENSION pg_lstm', qr/permission denied to create extension "pg_lstm"/, 'a role that may not create in the database');
as('dba', 'CREATE SCHEMA lstm; GRANT USAGE ON SCHEMA lstm TO PUBLIC; CREATE EXTENSION pg_lstm SCHEMA lstm; ALTER DATABASE house SET search_path = public, lstm; GRANT CREATE ON SCHEMA public TO anna, bert');
is(as('dba', "SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class WHERE relname ~ '^lstm_' AND relkind = 'r'"), $node->safe_psql('house', 'SELECT CURRENT_USER'), 'the tables are a superuser\'s');
is(as('dba', "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'lstm' AND proowner = 'dba'::regrole"), '0', 'the functions, which are C, are not');
is(as('anna', "SELECT count(*) FROM lstm_models"), '1', 'the views can be read');

make_tickets($node, 60, 'house');
$node->safe_psql('house', 'GRANT SELECT ON ticket TO PUBLIC');
as('anna', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . "); SELECT lstm_grant('m', 'bert')");
is(as('bert', "SELECT owner, granted FROM lstm_models WHERE model = 'm'"), 'anna|{bert}', 'a model belongs to who trained it, though he is nothing to the owner of the database');
my $answers = "SELECT md5(string_agg(lstm_embed('m', body)::text, ' ' ORDER BY id)) FROM ticket";
my $before = as('bert', $answers);

# He reads and fills the tables; the models stay their owners', and nobody else's code gets onto the tables.
is(as('dba', 'SELECT name, owner_name FROM lstm_model'), 'm|anna', 'who asked for the extension reads the tables');
refused('anna', 'SELECT * FROM lstm_model', qr/permission denied for table lstm_model/, 'others do not');
refused('dba', "SELECT lstm_drop('m')", qr/must be owner of model "m"/, 'he is not the owner of the models');
refused('dba', "INSERT INTO lstm_model (name, owner_name, task, input_kind) VALUES ('forged', 'postgres', 'classify', 'text'); DO \$\$ BEGIN RAISE '%', lstm_owner('forged'); END \$\$",
	qr/ERROR:  dba/, 'he cannot give a model to a role that he is not');
foreach my $command ('UPDATE lstm_model SET live = NULL', 'DELETE FROM lstm_version', 'TRUNCATE lstm_epoch', 'ALTER TABLE lstm_model DROP name',
	'CREATE TRIGGER t AFTER INSERT ON lstm_model FOR EACH ROW EXECUTE FUNCTION lstm_changed()', 'CREATE INDEX ON lstm_model (name)',
	'CREATE POLICY p ON lstm_model USING (true)', 'CREATE RULE r AS ON INSERT TO lstm_model DO INSTEAD NOTHING', 'DROP EVENT TRIGGER lstm_dropped',
	'CREATE OR REPLACE FUNCTION lstm.lstm_may_use(model text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$')
{
	refused('dba', $command, qr/permission denied|must be owner/, (split / /, $command)[0] . ' by him');
}

# A superuser has put code on the tables: it runs as their owner, and does not wait for the caller's commit.
$node->safe_psql('house', q{
	CREATE TABLE seen (who name);
	GRANT INSERT ON seen TO PUBLIC;
	CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (CURRENT_USER); RETURN NULL; END $$;
	CREATE TRIGGER spy AFTER INSERT ON lstm_model FOR EACH ROW EXECUTE FUNCTION spy();
	ALTER TABLE lstm_model OWNER TO dba; ALTER TABLE lstm_version OWNER TO dba; ALTER TABLE lstm_epoch OWNER TO dba;
	ALTER TABLE lstm_check OWNER TO dba; ALTER TABLE lstm_decision OWNER TO dba; ALTER TABLE lstm_policy OWNER TO dba;
	ALTER TABLE lstm_model FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY});
$node->safe_psql('house', "SELECT lstm_train('ticket', 'body', 'cause', 'of the superuser', options => " . small() . "); SELECT lstm_deploy('of the superuser', 1); SELECT count(lstm_predict('of the superuser', body)) FROM ticket; SELECT lstm_drop('of the superuser')");
is($node->safe_psql('house', 'SELECT string_agg(who, $$ $$) FROM seen'), 'dba', 'a trigger on the tables runs as their owner');
$node->safe_psql('house', 'CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER nothing BEFORE UPDATE ON lstm_model FOR EACH ROW EXECUTE FUNCTION nothing()');
refused('anna', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . ')', qr/a statement on a table of extension pg_lstm returned no row/, 'a trigger that swallows rows');
$node->safe_psql('house', 'DROP TRIGGER nothing ON lstm_model; DROP TRIGGER spy ON lstm_model; CREATE CONSTRAINT TRIGGER late AFTER INSERT ON lstm_model DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spy()');
refused('anna', "SELECT lstm_train('ticket', 'body', 'cause', 'late', options => " . small() . ')', qr/cannot fire deferred trigger within security-restricted operation/, 'a deferred trigger');
$node->safe_psql('house', 'DROP TRIGGER late ON lstm_model; ALTER TABLE lstm_model NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY; ALTER TABLE lstm_model OWNER TO CURRENT_USER; ALTER TABLE lstm_version OWNER TO CURRENT_USER; ALTER TABLE lstm_epoch OWNER TO CURRENT_USER; ALTER TABLE lstm_check OWNER TO CURRENT_USER; ALTER TABLE lstm_decision OWNER TO CURRENT_USER; ALTER TABLE lstm_policy OWNER TO CURRENT_USER; DROP TABLE seen; DROP FUNCTION spy; DROP FUNCTION nothing; DELETE FROM lstm_model WHERE name = $$forged$$; GRANT SELECT, INSERT ON lstm_model, lstm_version, lstm_epoch, lstm_check, lstm_decision, lstm_policy TO dba');

# Bytes of his making are what any bytes are.
is(as('dba', "INSERT INTO lstm_version (model, version, digest, bytes, weights) SELECT id, 7, repeat('a', 64), 2, '\\x00ff' FROM lstm_model; SELECT count(*) FROM lstm_version"), '2', 'rows of his making for other roles\' models');
refused('anna', "SELECT lstm_predict_pinned(repeat('a', 64), 'router')", qr/weights of version 7 of model "m" are not those of its digest/, 'weights that are none');
$node->safe_psql('house', 'DELETE FROM lstm_model; DELETE FROM lstm_version; DELETE FROM lstm_epoch');
as('anna', "SELECT lstm_train('ticket', 'body', 'cause', 'm', options => " . small() . "); SELECT lstm_grant('m', 'bert')");
is(as('bert', $answers), $before, 'trained again: the same answers');

# He dumps his database, and restores it, alone.
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('house', 'ALTER TABLE ticket OWNER TO dba; GRANT SELECT ON ticket TO PUBLIC');
$node->command_ok([ 'pg_dump', '-U', 'dba', '-Fc', '-f', "$dir/house", $node->connstr('house') ], 'pg_dump by the owner of the database');
$node->safe_psql('postgres', 'CREATE DATABASE house2 TEMPLATE template0 OWNER dba; ALTER DATABASE house2 SET search_path = public, lstm; GRANT anna TO dba');
IPC::Run::run([ 'pg_restore', '-U', 'dba', '-d', $node->connstr('house2'), "$dir/house" ], '2>', \$err);
like($err, qr/permission denied for foreign-data wrapper pg_lstm.*ALTER SERVER lstm_m_[0-9a-f]{8} OWNER TO anna/s, 'pg_restore by somebody who is no superuser cannot give the models to their owners');
is(as('bert', $answers, database => 'house2'), $before, 'the same answers in the copy');
is(as('bert', "SELECT owner, granted FROM lstm_models WHERE model = 'm'", database => 'house2'), 'dba|{bert}', 'the model is of who restored it, and granted as before');
is(as('dba', "SELECT lstm_owner('m', 'anna'); SELECT owner, granted FROM lstm_models WHERE model = 'm'", database => 'house2'), "\nanna|{bert}", 'who can give it to its owner');

# REASSIGN OWNED by somebody who is no superuser: the new owner needs a right on the wrapper, which the owner of the database can grant.
$node->safe_psql('postgres', 'GRANT bert TO dba');
($status, $out, $err) = $node->psql('house', 'REASSIGN OWNED BY anna TO bert', extra_params => [ '-U', 'dba' ]);
like($err, qr/permission denied for foreign-data wrapper pg_lstm/, 'REASSIGN OWNED by no superuser is refused');
as('dba', 'GRANT USAGE ON FOREIGN DATA WRAPPER pg_lstm TO bert; REASSIGN OWNED BY anna TO bert');
is(as('bert', "SELECT owner FROM lstm_models WHERE model = 'm'"), 'bert', 'with the right, it moves the models');
($status, $out, $err) = $node->psql('house', "SELECT lstm_predict('m', 'router')", extra_params => [ '-U', 'anna' ]);
like($err, qr/permission denied for model "m"/, 'the old owner has them no more');

# Dropped by its owner, nothing is left.
as('dba', 'DROP EXTENSION pg_lstm');
is($node->safe_psql('house', "SELECT count(*) FROM pg_foreign_server"), '0', 'DROP EXTENSION by the owner of the database: nothing is left');
$node->safe_psql('postgres', 'DROP DATABASE house2');
$node->safe_psql('postgres', 'DROP DATABASE house; DROP ROLE anna; DROP ROLE bert');
pass('the role of the models can be dropped');

done_testing();
