# What the extension consists of in a database, as text to compare: each member with its definition,
# privileges and comment, and what hangs on members without being one.
package ExtensionCatalog;

use strict;
use warnings;
use Exporter 'import';
use Test::More;

our @EXPORT = qw(extension_catalog catalogs_are_equal);

# Privileges: NULL is the default, and the order of grants says nothing.
sub privileges
{
	my ($acl, $kind, $owner) = @_;

	return qq{(SELECT string_agg(concat_ws(' ', coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'), privilege_type, is_grantable), ', '
			   ORDER BY grantee, privilege_type) FROM aclexplode(coalesce($acl, acldefault('$kind', $owner))))};
}

# One query for each kind of member: where it is, and its definition.  (Newer minor releases note in
# attoptions, as pg_attver, when a column was made.)
my @kinds = (
	[ 'pg_extension e', 'e.oid = x.oid', q{concat_ws(' ', 'version', e.extversion, 'relocatable', e.extrelocatable)} ],
	[ 'pg_extension e, unnest(e.extconfig, e.extcondition) AS c (t, w)', 'e.oid = x.oid', q{concat_ws(' ', 'dumped', t::regclass, w)} ],
	[ 'pg_proc p', q{m.classid = 'pg_proc'::regclass AND p.oid = m.objid},
		q{concat_ws(E'\n', CASE WHEN p.prokind = 'a' THEN (SELECT to_jsonb(a)::text FROM pg_aggregate a WHERE a.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END, } .
		privileges('p.proacl', 'f', 'p.proowner') . ')' ],
	[ 'pg_class c', q{m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind <> 'S'},
		q{concat_ws(E'\n', c.relkind, c.relpersistence, c.reloptions, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, } .
		privileges('c.relacl', 'r', 'c.relowner') . ')' ],
	[ 'pg_sequence s', q{m.classid = 'pg_class'::regclass AND s.seqrelid = m.objid},
		q{concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)} ],
	[ 'pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum',
		q{(m.classid = 'pg_class'::regclass AND a.attrelid = m.objid OR m.classid = 'pg_type'::regclass AND a.attrelid = (SELECT typrelid FROM pg_type WHERE oid = m.objid)) AND a.attnum > 0 AND NOT a.attisdropped},
		q{concat_ws(' ', 'column', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid),
		  a.attidentity, a.attgenerated, a.attstorage, a.attcollation::regcollation, a.attacl,
		  (SELECT string_agg(o, ',') FROM unnest(a.attoptions) o WHERE o !~ '^pg_attver='), col_description(a.attrelid, a.attnum))} ],
	[ 'pg_index i', q{m.classid = 'pg_class'::regclass AND i.indrelid = m.objid}, q{concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid)} ],
	# NOT NULL, which became a constraint in 18, is told of the column
	[ 'pg_constraint c', q{m.classid = 'pg_class'::regclass AND c.conrelid = m.objid AND c.contype <> 'n'}, q{concat_ws(' ', c.conname, pg_get_constraintdef(c.oid))} ],
	[ 'pg_trigger t', q{m.classid = 'pg_class'::regclass AND t.tgrelid = m.objid AND NOT t.tgisinternal}, q{concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))} ],
	[ 'pg_event_trigger t', q{m.classid = 'pg_event_trigger'::regclass AND t.oid = m.objid}, q{concat_ws(' ', t.evtevent, t.evttags, t.evtenabled, t.evtfoid::regprocedure)} ],
	[ 'pg_foreign_data_wrapper w', q{m.classid = 'pg_foreign_data_wrapper'::regclass AND w.oid = m.objid}, q{concat_ws(' ', w.fdwhandler, w.fdwvalidator, w.fdwoptions, } .
		privileges('w.fdwacl', 'F', 'w.fdwowner') . ')' ],
	[ 'pg_type t', q{m.classid = 'pg_type'::regclass AND t.oid = m.objid},
		q{concat_ws(' ', t.typtype, t.typcategory, t.typlen, t.typinput, t.typoutput, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))} ],
	[ 'pg_cast c', q{m.classid = 'pg_cast'::regclass AND c.oid = m.objid}, q{concat_ws(' ', c.castcontext, c.castmethod, c.castfunc::regprocedure)} ]);

# Texts of "member: definition", sorted; names without the extension's schema.
sub extension_catalog
{
	my ($node, $database) = @_;
	my $query = join("\nUNION ALL\n", map {
		my ($from, $where, $what) = @$_;
		"SELECT m.name, ($what)::text AS what FROM x, m, $from WHERE $where" . ($from =~ /pg_extension/ ? ' AND m.name = x.name' : '')
	} @kinds);

	my $text = $node->safe_psql($database, qq{
		SELECT set_config('search_path', (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_lstm'), false) \\g /dev/null
		WITH x AS (SELECT oid, 'extension' AS name FROM pg_extension WHERE extname = 'pg_lstm'),
			 m AS (SELECT 'pg_extension'::regclass AS classid, x.oid AS objid, x.name FROM x
				   UNION ALL
				   SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0)
					 FROM pg_depend d, x WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.deptype = 'e')
		SELECT chr(30) || name || ': ' || coalesce(what, '') FROM (
		SELECT m.name, concat_ws(' ', 'member', obj_description(m.objid, m.classid::regclass::name)) AS what FROM m
		UNION ALL
		$query) a ORDER BY (name || ': ' || coalesce(what, '')) COLLATE "C"});

	return grep { $_ ne '' } map { s/\n\z//r } split /\x1e/, $text;
}

# A test: what one of two catalogs has and the other has not.
sub catalogs_are_equal
{
	my ($got, $expected, $name) = @_;
	my %left = map { $_ => 1 } @$got;
	my @missing = grep { !delete $left{$_} } @$expected;

	cmp_ok(scalar @$expected, '>', 100, "$name: there is something to compare");
	is(join("\n", (map { "has: $_" } sort keys %left), (map { "lacks: $_" } @missing)), '', $name);
}

1;
