# Twenty sessions answer, train, submit and command jobs, deploy, roll back, prepare and drop, while
# statements are canceled, sessions and jobs are terminated, processes are killed with
# signal 9, the postmaster with them, and the server is stopped at once.  What each
# version answers is written down by the transaction that makes it.  At the end each version
# that is there answers so, to the bit, from the shared cache, in batches and by a
# server without the library preloaded; what was committed is there; what was not, is
# not; nothing is left over; and jobs that were interrupted have made the bytes that an
# uninterrupted training makes.
#
#	TORTURE_SECONDS=3600 TORTURE_SEED=2 sh scripts/test.sh tap
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Aftermath;
use Crowd;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use WireClient;

my $SECONDS = $ENV{TORTURE_SECONDS} || 70;
my $SEED = $ENV{TORTURE_SEED} || 1;
my $N_SESSIONS = 20;

# How long after one disaster the next one comes, on average.
my $PEACE_S = 4;

diag("seed $SEED, $SECONDS s");
srand($SEED);

my $node = new_node('torture', preload(), "pg_lstm.cache_size = '16MB'", 'pg_lstm.checkpoint_interval = 0', 'pg_lstm.max_workers = 2', 'max_connections = 60',
	'max_worker_processes = 12', 'max_prepared_transactions = 10', 'dynamic_shared_memory_type = mmap', 'restart_after_crash = on', 'lock_timeout = 3s',
	"log_line_prefix = '%m [%p] %e '", 'log_statement = none', 'log_min_error_statement = panic', 'autovacuum = on', 'autovacuum_naptime = 1s', 'fsync = off');

# ---- models, and what their versions answer ---------------------------------------------

# Of each task and each kind of input one; those of jobs last.
my %models = (
	a => { input => 'body', target => 'cause' },
	b => { input => 'body', target => 'hours' },
	c => { input => 'grid', target => 'is_even', options => '"bag": false' },
	d => { input => 'body', target => 'cause', options => '"bag": false, "cell": "gru", "workers": 3, "shards": 4, "batch": 64', more => '"hidden": 64, "epochs": 6' },
	e => { input => 'words', target => 'tags', base => '{"hidden": 8, "embedding": 8}' },
	f => { input => 'body', target => undef, base => '{"hidden": 8, "embedding": 8, "subwords": 100}' },
	j => { input => 'body', target => 'cause', options => '"patience": 0, "refit": true' },
	k => { input => 'grid', target => 'is_even', options => '"patience": 0, "bag": false' });
my @names = grep { $_ lt 'j' } sort keys %models;
my @job_names = grep { $_ ge 'j' } sort keys %models;

sub fill
{
	my ($template, $name) = @_;

	return $template =~ s/MODEL/$name/gr =~ s/INPUT/$models{$name}{input}/gr;
}

sub target_of
{
	my ($name) = @_;

	return defined $models{$name}{target} ? "'$models{$name}{target}'" : 'NULL';
}

# As arguments of lstm_train and lstm_submit.
sub arguments
{
	my ($name, $seed, $more) = @_;
	my $model = $models{$name};
	my $options = (defined $model->{base} ? "'$model->{base}'" : small($model->{options})) . "::jsonb || '" . ($more // '{' . ($model->{more} // '"epochs": 2') . '}') . qq{'::jsonb || '{"seed": $seed}'};

	return "'ticket', '$model->{input}', " . target_of($name) . ", '$name', options => $options";
}

make_tickets($node, 150);
$node->safe_psql('postgres', q{
	ALTER TABLE ticket ADD PRIMARY KEY (id), ADD words text[], ADD tags text[];
	UPDATE ticket SET words = string_to_array(body, ' '),
		tags = (SELECT array_agg(CASE WHEN w IN ('router', 'cable', 'crash') THEN 'B-thing' ELSE 'O' END ORDER BY n) FROM unnest(string_to_array(body, ' ')) WITH ORDINALITY AS u (w, n));
	CREATE TABLE probe AS SELECT id, body, grid, words FROM ticket WHERE id <= 14;
	UPDATE probe SET body = '', words = '{}' WHERE id = 13;
	UPDATE probe SET body = body || repeat(' router and invoice', 60), grid = NULL WHERE id = 14;
	CREATE TABLE kept (id serial PRIMARY KEY, body text, answer text, version integer);
	INSERT INTO kept (body) SELECT body FROM ticket;
	CREATE TRIGGER answer BEFORE INSERT OR UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION lstm_tag_row('a', 'body', 'answer', 'version');
	ALTER TABLE kept DISABLE TRIGGER answer;
	CREATE VIEW answered AS SELECT id, lstm_predict('a', body) AS answer FROM probe;

	CREATE TABLE recorded (model uuid, version integer, digest text, name text, kind text, seed text, answers text, bits text, is_dropped boolean NOT NULL DEFAULT false, PRIMARY KEY (model, version));
	CREATE FUNCTION answers(digest text, kind text) RETURNS text LANGUAGE sql STABLE AS $$
		SELECT string_agg(coalesce(CASE kind WHEN 'numbers' THEN lstm_predict_pinned(digest, grid) WHEN 'words' THEN lstm_predict_pinned(digest, words)
			ELSE lstm_predict_pinned(digest, body) END, '-'), ',' ORDER BY id) FROM probe $$;
	CREATE FUNCTION bits(model text, kind text) RETURNS text LANGUAGE sql STABLE AS $$
		SELECT md5(string_agg(CASE kind WHEN 'numbers' THEN lstm_embed(model, grid) WHEN 'words' THEN lstm_embed(model, words) ELSE lstm_embed(model, body) END::text, ',' ORDER BY id)) FROM probe $$;
	-- a version is there before anybody can deploy it, and only a live one has a name to be asked by
	CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	DECLARE
		m lstm_model;
	BEGIN
		IF TG_OP = 'DELETE' THEN
			UPDATE recorded SET is_dropped = true WHERE model = OLD.model AND version = OLD.version;
		ELSIF TG_OP = 'INSERT' THEN
			SELECT * INTO m FROM lstm_model WHERE id = NEW.model;
			INSERT INTO recorded SELECT NEW.model, NEW.version, NEW.digest, m.name, m.input_kind, NEW.options ->> 'seed', answers(NEW.digest, m.input_kind),
				CASE WHEN m.live = NEW.version THEN bits(m.name, m.input_kind) END;
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER record AFTER INSERT OR DELETE ON lstm_version FOR EACH ROW EXECUTE FUNCTION record();
	CREATE ROLE clerk LOGIN;
	GRANT SELECT ON ticket, probe, recorded TO clerk});

my $n_seeds = 0;
my $n_segments = n_segments($node);
foreach my $name (@names, @job_names)
{
	$node->safe_psql('postgres', 'SELECT version FROM lstm_train(' . arguments($name, ++$n_seeds) . ')') foreach 1 .. 2;
}

# ---- what must have come of the transactions ------------------------------------------------

# By seed: open (or nobody knows, as the connection was lost at the commit), prepared, committed, undone.
my %fate = map { $_ => 'committed' } 1 .. $n_seeds;

# By number of the job: the model, and the seed of its training.
my %job_of;

sub new_seed
{
	$fate{ ++$n_seeds } = 'open';
	return $n_seeds;
}

sub settle
{
	my ($seed, $fate) = @_;

	return sub { $fate{$seed} = $fate };
}

# The task's transaction makes a version with this seed or nothing.
sub task_of_seed
{
	my ($name, $seed, @steps) = @_;

	return { name => $name, steps => \@steps, failed => sub { $fate{$seed} = 'undone' if $fate{$seed} eq 'open' } };
}

# ---- those who answer --------------------------------------------------------------------------

my %n_asked;
my @wrong;

sub one_of
{
	return $_[ int(rand(scalar @_)) ];
}

# One statement sees one snapshot: the answers that were recorded with the version that it sees as live.
sub check_task
{
	my ($kind, $name, $answers, @before) = @_;
	my $digest = "(SELECT digest FROM lstm_versions v WHERE v.model = '$name' AND v.live)";
	my $recorded = "(SELECT max(answers) FROM recorded JOIN lstm_versions v USING (digest) WHERE v.model = '$name' AND v.live AND name = v.model)";

	return { name => $kind,
		steps => [ (map { { sql => $_ } } @before), { sql => fill("SELECT $recorded IS NOT NULL, a = $recorded, $digest FROM ($answers) s (a)", $name),
			then => sub { my ($seen) = $_[0][0] =~ /^(.\|.?)/; $n_asked{$seen}++; push @wrong, "$kind of $name: $_[0][0]" if $seen eq 't|f' } }, (@before ? { sql => 'RESET ALL' } : ()) ] };
}

my $plain = q{SELECT string_agg(coalesce(lstm_predict('MODEL', INPUT), '-'), ',' ORDER BY id) FROM probe};

sub answering_task
{
	my $name = one_of(@names, @job_names);
	my $kind = one_of('batch node', 'batch node', 'plain', 'parallel', 'view', 'pinned', 'cached');
	my $task =
	    $kind eq 'plain' ? check_task($kind, $name, $plain, 'SET pg_lstm.enable_batch = off')
	  : $kind eq 'parallel' ? check_task($kind, $name, $plain, 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0')
	  : $kind eq 'view' ? check_task($kind, 'a', q{SELECT string_agg(coalesce(answer, '-'), ',' ORDER BY id) FROM answered})
	  : $kind eq 'pinned' ? { name => $kind, steps => [ { sql => 'SELECT digest, answers(digest, kind) = answers FROM recorded WHERE NOT is_dropped ORDER BY random() LIMIT 1',
				then => sub { push @wrong, "pinned: @{ $_[0] }" if join('', @{ $_[0] }) =~ /f$/ } } ] }
	  : $kind eq 'cached' ? { name => $kind, steps => [ { sql => "SELECT lstm_prewarm('$name')" }, { sql => 'SELECT count(*) FROM lstm_cache' } ] }
	  : check_task($kind, $name, $plain);

	unshift @{ $task->{steps} }, { sql => 'SET statement_timeout = ' . (1 + int(rand(40))) } if rand() < 0.1;
	push @{ $task->{steps} }, { sql => 'RESET statement_timeout' };
	return $task;
}

# ---- those who train and deploy ------------------------------------------------------------------

sub train_task
{
	my ($name) = @_;
	my $seed = new_seed();
	my $train = { sql => 'SELECT version FROM lstm_train(' . arguments($name, $seed) . ')' };
	my $end = one_of('alone', 'commit', 'commit', 'roll back', 'savepoint', 'prepare', 'prepare');

	return task_of_seed('train', $seed, { %$train, then => settle($seed, 'committed') }) if $end eq 'alone';
	return task_of_seed('train', $seed, { sql => 'BEGIN' }, $train, { sql => 'COMMIT', then => settle($seed, 'committed') }) if $end eq 'commit';
	return task_of_seed('undo', $seed, { sql => 'BEGIN' }, $train, { sql => 'ROLLBACK', then => settle($seed, 'undone') }) if $end eq 'roll back';
	return task_of_seed('undo a part', $seed, { sql => 'BEGIN; SAVEPOINT s' }, $train, { sql => 'ROLLBACK TO s', then => settle($seed, 'undone') },
		{ sql => fill("SELECT lstm_rollback('MODEL')", $name) }, { sql => 'COMMIT' })
	  if $end eq 'savepoint';
	my $is_kept = rand() < 0.5;
	return task_of_seed('prepare', $seed, { sql => 'BEGIN' }, $train, { sql => "PREPARE TRANSACTION 'seed $seed'", then => settle($seed, 'prepared') },
		{ sql => 'SELECT pg_sleep(0.05)' }, { sql => ($is_kept ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'seed $seed'", then => settle($seed, $is_kept ? 'committed' : 'undone') });
}

sub retrain_task
{
	my ($name) = @_;
	my $seed = new_seed();

	return task_of_seed('retrain', $seed, { sql => qq{SELECT challenger FROM lstm_retrain('$name', '{"seed": $seed, "epochs": 2}')}, then => settle($seed, 'committed') });
}

sub changing_task
{
	my $name = one_of(@names);
	my $other = "version FROM lstm_versions WHERE model = '$name' AND NOT live ORDER BY random() LIMIT 1";
	my $kind = one_of(('train') x 9, 'retrain', 'deploy', 'deploy', 'roll back', 'drop', 'drop', 'drop all', 'drop server', 'two at once', 'copy', 'keep', 'check', 'rights');
	my %steps = (
		'deploy' => [ "SELECT lstm_deploy('MODEL', version) FROM (SELECT $other) v" ],
		'roll back' => [ "SELECT lstm_rollback('MODEL')" ],
		'drop' => [ "SELECT lstm_drop('MODEL', version) FROM (SELECT $other) v" ],
		'drop all' => [ 'BEGIN', "SELECT lstm_drop('MODEL')", one_of('COMMIT', 'ROLLBACK') ],
		'drop server' => [ q{DO $$ BEGIN EXECUTE coalesce((SELECT format('DROP SERVER %I', srvname) FROM pg_foreign_server WHERE srvname LIKE 'lstm\_MODEL\_%'), 'SELECT'); END $$} ],
		'two at once' => [ 'BEGIN', "SELECT lstm_rollback('" . one_of(@names) . "')", "SELECT lstm_rollback('MODEL')", one_of('COMMIT', 'ROLLBACK') ],
		'copy' => [ "SELECT lstm_import('copy of MODEL', lstm_export('MODEL'))", "SELECT lstm_drop('copy of MODEL')" ],
		'keep' => [ "SELECT lstm_refresh('kept', 'answer', 'a', input => 'body', version => 'version', max_rows => 40)", 'UPDATE kept SET answer = NULL WHERE id % 10 = ' . int(rand(10)) ],
		'check' => [ q{SELECT lstm_check('a', 'router after lunch', 'network')}, q{SELECT lstm_drop_check('a')} ],
		'rights' => [ "SELECT lstm_grant('MODEL', 'clerk')", "SELECT lstm_owner('MODEL', 'clerk')", "SELECT lstm_revoke('MODEL', 'clerk')" ]);

	return train_task($name) if $kind eq 'train';
	return retrain_task($name) if $kind eq 'retrain';
	return { name => $kind, steps => [ map { { sql => fill($_, $name) } } @{ $steps{$kind} } ] };
}

# Long ones, which run into statement_timeout more often than not.
sub judging_task
{
	my $name = one_of(@names);
	my $kind = one_of('suspects', 'ask', 'drift', 'evaluate', 'threshold', 'estimate', 'maintain');
	my %sql = (
		suspects => q{SELECT count(*) FROM lstm_suspects('a', folds => 2)},
		ask => q{SELECT count(*) FROM lstm_ask('a', 'ticket', 5)},
		drift => q{SELECT count(*) FROM lstm_drift('a', 'ticket')},
		evaluate => fill(q{SELECT rows FROM lstm_evaluate('MODEL', 'ticket', 'INPUT', } . target_of($name) . ')', $name),
		threshold => q{SELECT label FROM lstm_threshold('a', min_precision => 0.5)},
		estimate => 'SELECT rows FROM lstm_estimate(' . arguments($name, 1) . ')',
		maintain => q{SELECT lstm_policy('a', new_rows => 1000000, not_more_often => '0'); SELECT count(*) FROM lstm_maintain(false)});

	return { name => $kind, steps => [ { sql => 'SET statement_timeout = ' . (20 + int(rand(600))) }, { sql => $sql{$kind} }, { sql => 'RESET statement_timeout' } ] };
}

# ---- those who command jobs --------------------------------------------------------------------------

sub submit_task
{
	my ($name) = @_;
	my $seed = new_seed();
	my $epochs = 10 + int(rand(60));
	my $is_kept = rand() < 0.8;
	my $job;
	my $submit = { sql => 'SELECT lstm_submit(' . arguments($name, $seed, qq({"epochs": $epochs})) . ') WHERE (SELECT count(*) FROM lstm_jobs WHERE finished IS NULL) < 5', then => sub { $job = $_[0][0] } };

	# its versions are the job's own doing: whether there must be one is asked of the job
	$fate{$seed} = 'undone';
	return { name => 'submit', steps => [ { sql => 'BEGIN' }, $submit,
			{ sql => $is_kept ? 'COMMIT' : 'ROLLBACK', then => sub { $job_of{$job} = $seed if $is_kept && defined $job; } } ],
		may_lose => $seed };
}

sub command_task
{
	my $job = one_of(keys %job_of) // return submit_task(one_of(@job_names));
	my $open = 'FROM (SELECT job FROM lstm_jobs WHERE finished IS NULL ORDER BY random() LIMIT 1) j';
	my $sql = one_of("SELECT lstm_wait(job, '0.7 s') $open", "SELECT lstm_stop(job) $open", "SELECT lstm_cancel(job) $open", "BEGIN; SELECT lstm_cancel(job) $open; ROLLBACK",
		'SELECT count(*) FROM lstm_progress', "SELECT state FROM lstm_jobs WHERE job = $job", "SELECT lstm_wait($job, '0.3 s')", "SELECT lstm_drop('j', version) FROM lstm_versions WHERE model = 'j' AND NOT live");

	return { name => 'command', steps => [ { sql => $sql } ] };
}

sub next_task
{
	my ($number) = @_;
	my $task =
	    $number < 10 ? answering_task()
	  : $number < 15 ? changing_task()
	  : $number < 17 ? judging_task()
	  : $number < 18 ? submit_task(one_of(@job_names))
	  : $number < 19 ? command_task()
	  : one_of(sub { submit_task(one_of(@job_names)) }, \&command_task)->();

	# what comes of meeting others; and of models that are gone or have one version only
	$task->{may_fail} //= qr/ (?:55P03|40P01|40001|42704|55000|55006|57000|57P01): | 22000: no threshold promises /;
	return $task;
}

# ---- disasters ------------------------------------------------------------------------------------------

my $path = $node->host . '/.s.PGSQL.' . $node->port;
my $user = $node->safe_psql('postgres', 'SELECT current_user');

# The server may be on its way back.
sub connect_patiently
{
	my $until = time + 60;

	while (time < $until)
	{
		my $client = eval { WireClient->open($path, $user, 'postgres') };

		return $client if defined $client;
		sleep 0.05;
	}
	die "the server does not come back: $@";
}

my $admin = connect_patiently();
my %n_disasters;
my %segments = (own_segment($node) => 1);
my $next_disaster = time + $PEACE_S;

# What the administrator asks, as lines; nothing if the connection is lost.
sub look
{
	my ($sql) = @_;
	my @lines = eval { split /\n/, $admin->query($sql, 0) };

	return @lines if !$@;
	$admin = connect_patiently();
	return;
}

sub start_again
{
	start_orphaned($node);
	$segments{ own_segment($node) } = 1;
	return;
}

sub kill_one
{
	my ($type) = @_;
	my $until = time + 1;
	my $pid;

	# some are short-lived
	until (defined $pid || time > $until)
	{
		($pid) = look("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type LIKE '$type' ORDER BY random() LIMIT 1");
		sleep 0.02 if !defined $pid;
	}
	return if !defined $pid || $pid !~ /^\d+$/ || !kill('KILL', $pid);
	$n_disasters{"killed: $type"}++;
	return;
}

sub strike
{
	my $what = one_of('client backend', 'client backend', 'pg_lstm job', 'pg_lstm job', 'pg_lstm worker', 'pg_lstm worker', 'parallel worker', 'pg_lstm job launcher', '%er', 'immediate', 'immediate', 'fast', 'postmaster');

	if ($what eq 'postmaster')
	{
		$node->kill9;
		start_again();
		$n_disasters{$what}++;
	}
	elsif ($what eq 'immediate' || $what eq 'fast')
	{
		$node->stop($what);
		start_again();
		$n_disasters{$what}++;
	}
	else
	{
		kill_one($what);
	}
	$next_disaster = time + $PEACE_S * (0.5 + rand());
	return;
}

# A transaction that stays prepared holds others up: as an administrator would, end it.
sub end_prepared
{
	foreach my $seed (map { /^seed (\d+)$/ ? $1 : () } look(q{SELECT gid FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - interval '2 s'}))
	{
		my $is_kept = rand() < 0.5;
		my ($error) = look(($is_kept ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'seed $seed'");

		$fate{$seed} = $is_kept ? 'committed' : 'undone' if !defined $error;
	}
	return;
}

sub meddle
{
	my @working = @_;

	if (@working)
	{
		one_of(@working)->{client}->cancel;
		look("SELECT pg_terminate_backend(" . one_of(@working)->{client}{pid} . ')') if rand() < 0.03;
	}
	look(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type IN ('pg_lstm job', 'pg_lstm worker', 'parallel worker')}) if rand() < 0.01;
	end_prepared() if rand() < 0.1;
	strike() if time > $next_disaster;
	return;
}

# ---- all of them ------------------------------------------------------------------------------------------

my $crowd = Crowd->new($N_SESSIONS, \&connect_patiently, \&next_task, 1);

$crowd->run($SECONDS, \&meddle);
$crowd->close;
note(join(', ', map { "$_: $crowd->{count}{$_}" } sort keys %{ $crowd->{count} }));
note(join(', ', map { "$_: $n_disasters{$_}" } sort keys %n_disasters));
note(join(', ', map { "checked $_: $n_asked{$_}" } sort keys %n_asked));
is(scalar @{ $crowd->{failures} }, 0, 'nothing fails but what was made to') or diag(join("\n", @{ $crowd->{failures} }[ 0 .. 9 ]));
is(join("\n", @wrong), '', 'every answer is, to the bit, that of the version that the statement saw as live');
cmp_ok($n_asked{'t|t'} // 0, '>', 5 * $SECONDS, 'and there were many');
cmp_ok($crowd->{count}{$_} // 0, '>', 0, "some tasks: $_") foreach 'canceled', 'lost', 'batch node', 'plain', 'parallel', 'view', 'pinned', 'train', 'undo', 'prepare', 'submit', 'command', 'deploy', 'drop', 'ask', 'evaluate';

# ---- what is left -------------------------------------------------------------------------------------------

$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
foreach my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
{
	$node->safe_psql('postgres', "ROLLBACK PREPARED '$gid'");
	$fate{ $gid =~ s/seed //r } = 'undone';
}
eval { $admin->close };
no_jobs_open($node, 'at the end');
is_tidy($node, 'at the end', $n_segments);
is_consistent($node, 'at the end');

# ---- what was committed, and what was not -------------------------------------------------------------------

my $not_recorded = q{SELECT v.digest FROM lstm_version v LEFT JOIN recorded r USING (model, version) WHERE v.digest IS DISTINCT FROM r.digest OR r.is_dropped};
is($node->safe_psql('postgres', $not_recorded), '', 'each version was recorded by the transaction that made it');
is($node->safe_psql('postgres', 'SELECT digest FROM recorded r WHERE NOT is_dropped AND NOT EXISTS (SELECT FROM lstm_version v WHERE v.model = r.model AND v.version = r.version)'),
	'', 'and those that were recorded are there');

my %recorded = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT seed FROM recorded WHERE seed IS NOT NULL');
my %seed_of_job = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{SELECT job, options ->> 'seed' FROM lstm_jobs});
my %version_of_job = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{SELECT options ->> 'seed', state FROM lstm_jobs});

is(join(' ', grep { $fate{$_} eq 'committed' && !$recorded{$_} } keys %fate), '', 'trainings that were committed have their versions');
is(join(' ', grep { $fate{$_} eq 'undone' && $recorded{$_} && ($version_of_job{$_} // '') !~ /^(done|stopped)$/ } keys %fate), '', 'those that were not, and jobs that were canceled or failed, have none');
is(join(' ', grep { $version_of_job{$_} =~ /^(done|stopped)$/ && !$recorded{$_} } keys %version_of_job), '', 'jobs that are done have their versions');
is(join(' ', grep { ($seed_of_job{$_} // '') ne $job_of{$_} } keys %job_of), '', 'jobs whose submission was committed are there');
note(join(', ', map { my $fate = $_; "$fate: " . grep { $fate{$_} eq $fate } keys %fate } 'committed', 'undone', 'prepared', 'open'));
note($node->safe_psql('postgres', q{SELECT string_agg(state || ': ' || n, ', ' ORDER BY state) FROM (SELECT state || CASE WHEN starts > 1 THEN ' after interruptions' ELSE '' END AS state, count(*) AS n FROM lstm_jobs GROUP BY 1) s}));
is($node->safe_psql('postgres', q{SELECT error_code, error FROM lstm_jobs WHERE state = 'failed' AND error_code <> '55P03'}), '', 'no job has failed but by a lock that it did not get');

# ---- what is answered now -------------------------------------------------------------------------------------

sub answers_as_recorded
{
	my ($what, $settings) = @_;

	is($node->safe_psql('postgres', "$settings; SELECT name, version, digest FROM recorded WHERE NOT is_dropped AND answers(digest, kind) IS DISTINCT FROM answers"), '', "$what: every version answers as recorded");
	my @versions = split /\n/, $node->safe_psql('postgres', q{SELECT format($$BEGIN; SELECT lstm_deploy(%1$L, %2$s, true); SELECT 'is', %1$L, %2$s, bits(%1$L, %3$L) = %4$L; ROLLBACK;$$, m.name, r.version, r.kind, r.bits)
		FROM recorded r JOIN lstm_model m ON m.id = r.model WHERE NOT is_dropped AND bits IS NOT NULL});
	my $out = $node->safe_psql('postgres', join("\n", "$settings;", @versions));

	is(join("\n", $out =~ /^is\|.*\|f$/mg), '', "$what: to the bit, also once it is deployed again");
	is(scalar(() = $out =~ /^is\|.*\|t$/mg), scalar(@versions), "$what: " . @versions . ' versions');
}

answers_as_recorded('in batches', 'SELECT');
$node->restart;
answers_as_recorded('row by row', 'SET pg_lstm.enable_batch = off');
like($node->safe_psql('postgres', q{SELECT value FROM lstm_doctor() WHERE item = 'cache'}), qr/shared/, 'out of the shared cache');

# Jobs that were interrupted: the bytes of an uninterrupted training.
my @again = split /\n/, $node->safe_psql('postgres', q{
	SELECT j.model, j.options ->> 'seed', j.options ->> 'epochs', r.digest FROM lstm_jobs j JOIN recorded r ON r.seed = j.options ->> 'seed'
	 WHERE j.state = 'done' ORDER BY starts DESC, job LIMIT 4});
foreach my $it (@again)
{
	my ($name, $seed, $epochs, $digest) = split /\|/, $it;

	is($node->safe_psql('postgres', 'BEGIN; SELECT count(lstm_train(' . arguments($name, $seed, qq({"epochs": $epochs})) . ")); SELECT max(digest) FROM lstm_versions WHERE model = '$name' AND live; ROLLBACK"),
		"1\n$digest", "a job of $epochs epochs, trained again at one go: the same bytes");
}
cmp_ok(scalar(@again), '>', 0, 'there are jobs that were done');

# A server without the library preloaded.
$segments{ own_segment($node) } = 1;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
answers_as_recorded('without preload', 'SELECT');
is_tidy($node, 'without preload', $n_segments);
$segments{ own_segment($node) } = 1;
$node->stop;
is(join(' ', grep { !is_removed($_) } keys %segments), '', 'no segment of shared memory of any of its servers is left');

my $log = slurp_file($node->logfile);
# A parallel worker that comes too late finds its leader's memory gone.
my @bad = grep { !/could not (map|attach)/ && /PANIC|TRAP| XX00\d |terminated by signal (?!9)|leak|still referenced|not closed/ } split(/\n/, $log);
is(join("\n", @bad), '', 'the log has nothing of crashes of our own and of leaks');

done_testing();
