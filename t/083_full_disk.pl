# A disk of the write-ahead log that fills up while a job writes checkpoints and a session versions: the server
# stops, as PostgreSQL does.  Where there is room again, it starts, all that was committed is there, nothing
# else, and the job goes on to the bytes that it would have made.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Aftermath;
use IPC::Run;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'this user may not make a name space'
  if system("unshare -U --map-current-user --keep-caps -m sh -c 'mount -t tmpfs -o size=1m tmpfs /dev/shm' >/dev/null 2>&1") != 0;

my $small = PostgreSQL::Test::Utils::tempdir_short();
my $node = PostgreSQL::Test::Cluster->new('full');
my $data = $node->data_dir;

$node->init(extra => [ '--encoding=UTF8', '--locale=C', '--wal-segsize=1' ]);
$node->append_conf('postgresql.conf', join("\n", 'autovacuum = off', preload(), 'max_worker_processes = 12', 'pg_lstm.checkpoint_interval = 0',
	'restart_after_crash = off', 'min_wal_size = 2MB', 'max_wal_size = 4MB', 'checkpoint_timeout = 1h') . "\n");

# A name space with a file system of 24 MB, which is there as long as the holder.
my ($holder_pid, $holder_err) = ('', '');
my $holder = IPC::Run::start([ 'unshare', '-U', '--map-current-user', '--keep-caps', '-m', 'sh', '-c', "mount -t tmpfs -o size=24m tmpfs $small && echo \$\$ && exec sleep 900" ],
	'<', \undef, '>', \$holder_pid, '2>', \$holder_err);
$holder->pump until $holder_pid =~ /\n/ || !$holder->pumpable;
chomp $holder_pid;

sub inside
{
	my ($command) = @_;

	return system('nsenter', '-t', $holder_pid, '-U', '-m', '--preserve-credentials', 'sh', '-c', "{ $command; } >/dev/null 2>&1") == 0;
}

sub start_inside
{
	my $is_up = inside("exec pg_ctl -w -D $data -l " . $node->logfile . ' start');

	$node->_update_pid($is_up);
	return $is_up;
}

inside("cp -a $data/pg_wal/. $small && rm -r $data/pg_wal && ln -s $small $data/pg_wal") or die "no small file system: $holder_err";
ok(start_inside(), 'the server starts');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_lstm');
make_tickets($node, 300);

my $options = small('"patience": 0, "seed": 5') . q{::jsonb || '{"epochs": 200, "hidden": 64}'};
my $answers = q{SELECT md5(string_agg(lstm_embed('m', body)::text || lstm_predict('m', body), ',' ORDER BY id)) FROM ticket};

$node->safe_psql('postgres', 'SELECT count(lstm_train(\'ticket\', \'body\', \'cause\', \'m\', options => ' . small() . '))');
$node->safe_psql('postgres', "BEGIN; SELECT lstm_train('ticket', 'body', 'cause', 'job', options => $options); CREATE TABLE reference AS SELECT digest FROM lstm_versions WHERE model = 'job'; SELECT lstm_drop('job'); COMMIT");
my $expected = $node->safe_psql('postgres', $answers);
my $job = $node->safe_psql('postgres', "SELECT lstm_submit('ticket', 'body', 'cause', 'job', options => $options)");

ok($node->poll_query_until('postgres', "SELECT checkpoint IS NOT NULL FROM lstm_jobs WHERE job = $job"), 'a job writes checkpoints');
inside("cat /dev/zero >$small/filler");
my ($out, $err) = ('', '');
$node->psql('postgres', q{SELECT count(lstm_import('many', lstm_export('m'))) FROM generate_series(1, 2000)}, stdout => \$out, stderr => \$err);
is($out, '', 'the disk is full: a session that writes versions does not end well');
like(slurp_file($node->logfile), qr/PANIC:  could not write to (log )?file .*No space left on device/, 'the disk is full: the log says so');
ok(inside("for i in 1 2 3 4 5 6 7 8 9 10; do pg_ctl -D $data status || exit 0; sleep 1; done; exit 1"), 'the disk is full: the server stops');
$node->_update_pid(0);

inside("rm $small/filler");
ok(start_inside(), 'there is room again: the server starts');
is($node->safe_psql('postgres', $answers), $expected, 'there is room again: answers are as before');
is($node->safe_psql('postgres', q{SELECT string_agg(model, ',') FROM lstm_models WHERE NOT shipped AND model <> 'job'}), 'm', 'there is room again: what was not committed is not there');
is($node->safe_psql('postgres', "SELECT lstm_wait($job, '120 s')"), 'done', 'there is room again: the job goes on');
is($node->safe_psql('postgres', q{SELECT digest = (SELECT digest FROM reference) FROM lstm_versions WHERE model = 'job'}), 't', 'there is room again: to the same bytes');
cmp_ok($node->safe_psql('postgres', "SELECT starts FROM lstm_jobs WHERE job = $job"), '>', 1, 'there is room again: from where it was');
no_jobs_open($node, 'there is room again');
is_consistent($node, 'there is room again');
is_tidy($node, 'at the end');
$node->stop;
$holder->kill_kill;
done_testing();
