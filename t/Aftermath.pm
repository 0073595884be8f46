# What holds of a database with the extension whatever happened to its server before:
# rows that belong together are there together or not at all, and nothing is left over.
package Aftermath;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_orphaned is_consistent is_tidy n_segments no_jobs_open own_segment is_removed);

# Start a server whose postmaster was killed: not before its other processes have seen that.  Returns how many
# seconds that took.
sub start_orphaned
{
	my ($node) = @_;
	my $began = time;

	until ($node->start(fail_ok => 1))
	{
		die 'the server does not start' if time > $began + 60;
		$node->stop('fast', fail_ok => 1);
		sleep 0.1;
	}
	return time - $began;
}

# Each finds what must not be there.
my @rows_that_must_not_be = (
	[ 'version without its model', 'SELECT digest FROM lstm_version v WHERE NOT EXISTS (SELECT FROM lstm_model m WHERE m.id = v.model)' ],
	[ 'model without a version', 'SELECT name FROM lstm_model m WHERE NOT EXISTS (SELECT FROM lstm_version v WHERE v.model = m.id)' ],
	[ 'live version that is not there', 'SELECT name FROM lstm_model m WHERE NOT EXISTS (SELECT FROM lstm_version v WHERE v.model = m.id AND v.version = m.live)' ],
	[ 'number that was never given', 'SELECT name FROM lstm_model m JOIN lstm_version v ON v.model = m.id WHERE v.version > m.last_version' ],
	[ 'epoch without its version', 'SELECT DISTINCT model, version FROM lstm_epoch e WHERE NOT EXISTS (SELECT FROM lstm_version v WHERE v.model = e.model AND v.version = e.version)' ],
	[ 'version without all of its epochs', 'SELECT model, version FROM lstm_version v WHERE epochs > 0 AND (SELECT count(*) FROM lstm_epoch e WHERE e.model = v.model AND e.version = v.version) NOT IN (0, epochs)' ],
	[ 'check without its model', 'SELECT input FROM lstm_check c WHERE NOT EXISTS (SELECT FROM lstm_model m WHERE m.id = c.model)' ],
	[ 'policy without its model', 'SELECT model FROM lstm_policy p WHERE NOT EXISTS (SELECT FROM lstm_model m WHERE m.id = p.model)' ],
	[ 'decision without its model', 'SELECT model, version FROM lstm_decision d WHERE NOT EXISTS (SELECT FROM lstm_model m WHERE m.id = d.model)' ],
	[ 'weights that are not those of their digest', q{SELECT digest FROM lstm_version WHERE digest <> encode(sha256(weights), 'hex') OR bytes <> length(weights)} ],
	[ 'foreign server that stands for no model', q{SELECT srvname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'pg_lstm'
		WHERE NOT EXISTS (SELECT FROM lstm_model m WHERE s.srvname = left('lstm_' || m.name, 54) || '_' || left(m.id::text, 8))} ],
	[ 'model that is nobody\'s', 'SELECT model FROM lstm_models WHERE owner IS NULL AND NOT shipped' ],
	[ 'job that has made no version, or has made one and failed', q{SELECT job, state, version FROM lstm_jobs WHERE finished IS NOT NULL AND (state IN ('done', 'stopped')) <> (version IS NOT NULL)} ],
	[ 'job that failed and does not say why', q{SELECT job FROM lstm_jobs WHERE state = 'failed' AND (error IS NULL OR error_code IS NULL)} ],
	[ 'chunk of a job that has ended', 'SELECT DISTINCT job FROM lstm_job_chunk c WHERE NOT EXISTS (SELECT FROM lstm_job j WHERE j.id = c.job AND j.finished IS NULL)' ]);

sub is_consistent
{
	my ($node, $what, $database) = @_;

	foreach my $it (@rows_that_must_not_be)
	{
		my ($name, $query) = @$it;

		is($node->safe_psql($database // 'postgres', $query), '', "$what: no $name");
	}
	return;
}

# All jobs come to their end, by themselves if the library is preloaded.
sub no_jobs_open
{
	my ($node, $what) = @_;

	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM lstm_jobs WHERE finished IS NULL'), "$what: all jobs have ended")
	  or diag($node->safe_psql('postgres', 'SELECT job, model, state, starts, notice FROM lstm_jobs WHERE finished IS NULL'));
	is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM lstm_job_chunk), (SELECT count(*) FROM lstm_job_wish)'), '0|0', "$what: and have left no chunk and no wish");
	return;
}

# Files below a folder of the server, by a pattern.
sub files
{
	my ($node, @patterns) = @_;

	return map { glob($node->data_dir . "/$_") } @patterns;
}

# Files of dynamic shared memory; of its own a server has some, too.
sub n_segments
{
	my ($node) = @_;

	return scalar(files($node, 'pg_dynshmem/*'));
}

# Nobody else is connected, and nothing is held that only sessions and processes at work hold; if
# shared memory is files, there are as many segments as there were.
sub is_tidy
{
	my ($node, $what, $n_segments) = @_;
	my $workers = q{backend_type IN ('pg_lstm worker', 'pg_lstm job', 'parallel worker', 'client backend') AND pid <> pg_backend_pid()};

	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE $workers"), "$what: no process is at work")
	  or diag($node->safe_psql('postgres', "SELECT pid, backend_type, state, query FROM pg_stat_activity WHERE $workers"));
	is($node->safe_psql('postgres', q{SELECT l.locktype, l.mode, l.objsubid, l.relation::regclass, a.backend_type FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) WHERE pid IS DISTINCT FROM pg_backend_pid() AND coalesce(backend_type, '') NOT LIKE 'autovacuum%'}),
		'', "$what: no lock is held");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', "$what: no transaction is prepared");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM lstm_progress'), '0', "$what: no training is under way");
	is($node->safe_psql('postgres', q{SELECT coalesce(sum(in_use), 0) FROM lstm_cache WHERE place = 'shared'}), '0', "$what: no model is pinned");
	is(join("\n", files($node, 'base/pgsql_tmp/*', 'pg_tblspc/*/*/pgsql_tmp/*')), '', "$what: no temporary file is left");
	cmp_ok(n_segments($node), '<=', $n_segments, "$what: no segment of shared memory is left") if defined $n_segments;
	return;
}

# The number of the server's own segment of shared memory; and is it gone?
sub own_segment
{
	my ($node) = @_;
	my @lines = split(/\n/, slurp_file($node->data_dir . '/postmaster.pid'));

	return (split ' ', $lines[6])[1];
}

sub is_removed
{
	my ($segment) = @_;

	return !-r '/proc/sysvipc/shm' || !grep { (split)[1] eq $segment } split(/\n/, slurp_file('/proc/sysvipc/shm'));
}

1;
