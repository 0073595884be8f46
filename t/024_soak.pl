# Fifty sessions answer, in every way, while two others train, deploy, roll back and
# drop versions; the shared cache holds a few of the models; statements are canceled
# and run into timeouts, sessions are terminated.  Every answer is, to the bit, that of
# a version that was live at some moment of its statement; and nothing is left.
#
#	SOAK_SECONDS=3600 SOAK_SEED=2 sh scripts/test.sh tap
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use FindBin;
use lib $FindBin::Bin;
use Crowd;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $SECONDS = $ENV{SOAK_SECONDS} || 20;
my $SEED = $ENV{SOAK_SEED} || 1;
my $N_ANSWERING = 50;
my $N_DEPLOYING = 2;

my $node = new_node('soak', preload(), "pg_lstm.cache_size = '1MB'", 'max_connections = 80', 'max_worker_processes = 12',
	'dynamic_shared_memory_type = mmap', 'restart_after_crash = off', 'log_statement = none', 'fsync = off');

# ---- models, and what they answer ---------------------------------------------------

# The first deployer has the first two models.  over: an answer above it is one of several.
my %models = (
	a => { input => 'body', target => 'cause', function => 'lstm_classify', over => 'c' },
	b => { input => 'body', target => 'hours', function => 'lstm_regress', over => '15' },
	c => { input => 'grid', target => 'is_even', function => 'lstm_classify', over => 'g', options => '"bag": false' },
	d => { input => 'body', target => 'cause', function => 'lstm_classify', over => 'c', options => '"bag": false, "cell": "gru"' });
my @names = sort keys %models;

# One statement each, with one row; "answer" stands for what lstm_predict says, "-" for nothing.
my %shapes = (
	'plain' => q{SELECT md5(string_agg(coalesce(lstm_predict('MODEL', INPUT), '-'), ',' ORDER BY id)) FROM doc},
	'typed' => q{SELECT md5(string_agg(coalesce(FUNCTION('MODEL', INPUT)::text, '-'), ',' ORDER BY id)) FROM doc WHERE id % 3 > 0},
	'vectors' => q{SELECT md5(string_agg(lstm_embed('MODEL', INPUT)::text, ',' ORDER BY id)) FROM doc WHERE id <= 25},
	'exists' => q{SELECT md5(string_agg(d.id::text, ',' ORDER BY d.id)) FROM doc d WHERE EXISTS (SELECT FROM doc e WHERE e.id = d.id AND lstm_predict('MODEL', e.INPUT) > 'OVER')},
	'groups' => q{SELECT string_agg(v || ' ' || n, ',' ORDER BY v) FROM (SELECT lstm_predict('MODEL', INPUT) AS v, count(*) AS n FROM doc WHERE INPUT IS NOT NULL GROUP BY 1) s},
	'batch' => q{SELECT md5(string_agg(coalesce(answer, '-'), ',' ORDER BY key::int)) FROM lstm_predict_batch('MODEL', 'SELECT id, INPUT FROM doc')},
	'join' => q{SELECT md5(string_agg(a.id || lstm_predict('MODEL', a.INPUT), ',' ORDER BY a.id)) FROM doc a JOIN doc b ON lstm_predict('MODEL', a.INPUT) = lstm_predict('MODEL', b.INPUT) AND b.id <= 5});
my @shape_names = sort keys %shapes;

sub fill
{
	my ($template, $name) = @_;
	my $model = $models{$name};

	return $template =~ s/MODEL/$name/gr =~ s/INPUT/$model->{input}/gr =~ s/FUNCTION/$model->{function}/gr =~ s/OVER/$model->{over}/gr;
}

make_tickets($node, 120);
$node->safe_psql('postgres', qq{
	CREATE TABLE doc AS SELECT id, CASE WHEN id % 7 > 0 THEN body END AS body, CASE WHEN id % 11 > 0 THEN grid END AS grid FROM ticket WHERE id <= 60;
	UPDATE doc SET body = '' WHERE id = 13;
	UPDATE doc SET body = body || repeat(' router and invoice', 60) WHERE id IN (20, 40);
	UPDATE doc SET body = (SELECT body FROM doc WHERE id = 1) WHERE id IN (22, 23);
	CREATE TABLE own AS SELECT s AS session, doc.*, NULL::text AS answer FROM doc, generate_series(0, $N_ANSWERING) s;
	CREATE INDEX ON own (session);
	CREATE TABLE recorded (model text, digest text, shape text, answer text, PRIMARY KEY (model, digest, shape));
	CREATE TABLE expected (digest text, id integer, answer text, PRIMARY KEY (digest, id))});

# A new version, and what it answers row by row, of which others know as soon as they can ask it.
sub training
{
	my ($name, $seed) = @_;
	my $model = $models{$name};
	my $more = join(', ', qq{"seed": $seed}, $model->{options} // (), $seed % 4 == 0 ? '"workers": 2' : ());

	return ('SET LOCAL pg_lstm.enable_batch = off',
		"SELECT version FROM lstm_train('ticket', '$model->{input}', '$model->{target}', '$name', options => " . small($more) . '::jsonb || \'{"epochs": 2}\')',
		(map { "INSERT INTO recorded SELECT '$name', digest, '$_', (" . fill($shapes{$_}, $name) . ") FROM lstm_versions WHERE model = '$name' AND live" } @shape_names),
		fill(q{INSERT INTO expected SELECT v.digest, doc.id, lstm_predict('MODEL', INPUT) FROM doc, lstm_versions v WHERE v.model = 'MODEL' AND v.live}, $name));
}

my $live = q{SELECT digest FROM lstm_versions WHERE model = 'MODEL' AND live};
my $n_seeds = 0;

foreach my $name (@names)
{
	$node->safe_psql('postgres', join(";\n", 'BEGIN', training($name, ++$n_seeds), 'COMMIT')) foreach 1 .. 2;
}
$node->restart;

sub segments
{
	return scalar(() = glob($node->data_dir . '/pg_dynshmem/*'));
}
my $n_segments = segments();

# ---- which version was live when -------------------------------------------------------

# Of each model: [ digest, when it was asked for, when it was done ].
my %history = map { ($_ => [ [ $node->safe_psql('postgres', fill($live, $_)), 0, 0 ] ]) } @names;

# What was answered: [ model, shape, answer, when it was asked, when it was there ].
my @answers;
my @wrong_now;

# Versions that may have been live at some moment of an interval.
sub live_between
{
	my ($name, $begin, $end) = @_;
	my @events = @{ $history{$name} };

	return map { $events[$_][0] } grep { $events[$_][1] <= $end && ($_ == $#events || $events[ $_ + 1 ][2] >= $begin) } 0 .. $#events;
}

# ---- those who answer --------------------------------------------------------------------

sub one_of
{
	return $_[ int(rand(scalar @_)) ];
}

sub keep
{
	my ($name, $shape, $rows, $begin, $end) = @_;

	push @answers, [ $name, $shape, join("\n", @$rows), $begin, $end ];
	return;
}

sub ask
{
	my ($name, $shape) = @_;

	return { sql => fill($shapes{$shape}, $name), then => sub { keep($name, $shape, @_) } };
}

# Rows come in two parts, others change the version in between: the cursor's snapshot counts.
sub cursor_task
{
	my ($name) = @_;
	my @rows;
	my @times;

	return (
		{ sql => 'BEGIN' },
		{ sql => fill(q{DECLARE c CURSOR FOR SELECT coalesce(lstm_predict('MODEL', INPUT), '-') FROM doc ORDER BY id}, $name), then => sub { @times = @_[ 1, 2 ] } },
		{ sql => 'FETCH 7 FROM c', then => sub { @rows = @{ $_[0] } } },
		{ sql => 'FETCH ALL FROM c', then => sub { keep($name, 'plain', [ md5_hex(join(',', @rows, @{ $_[0] })) ], @times) } },
		{ sql => 'COMMIT' });
}

sub update_task
{
	my ($name, $number) = @_;
	my @times;

	return (
		{ sql => fill("UPDATE own SET answer = lstm_predict('MODEL', INPUT) WHERE session = $number", $name), then => sub { @times = @_[ 1, 2 ] } },
		{ sql => "SELECT md5(string_agg(coalesce(answer, '-'), ',' ORDER BY id)) FROM own WHERE session = $number", then => sub { keep($name, 'plain', $_[0], @times) } });
}

# One snapshot, one version: what comes later is asked for at the time of the first.
sub repeatable_task
{
	my ($name) = @_;
	my $first = one_of(@shape_names);
	my $second = one_of(@shape_names);
	my @times;

	return (
		{ sql => 'BEGIN ISOLATION LEVEL REPEATABLE READ' },
		{ sql => fill($shapes{$first}, $name), then => sub { @times = @_[ 1, 2 ]; keep($name, $first, @_) } },
		{ sql => fill($shapes{$second}, $name), then => sub { keep($name, $second, $_[0], @times) } },
		{ sql => 'COMMIT' });
}

# Within one snapshot: exactly the version that it sees as live, row by row.
sub snapshot_task
{
	my ($name) = @_;

	return { sql => fill(q{SELECT count(*) || ' ' || count(*) FILTER (WHERE lstm_predict('MODEL', INPUT) IS DISTINCT FROM answer)
							FROM doc JOIN expected USING (id) JOIN lstm_versions USING (digest) WHERE model = 'MODEL' AND live}, $name),
		then => sub { push @wrong_now, "$name: $_[0][0]" if $_[0][0] ne '60 0' } };
}

sub pinned_task
{
	my ($name) = @_;
	my $digest = one_of(@{ $history{$name} })->[0];

	return { sql => fill("SELECT md5(string_agg(coalesce(lstm_predict_pinned('$digest', INPUT), '-'), ',' ORDER BY id)) FROM doc", $name),
		then => sub { push @answers, [ $name, 'plain', $_[0][0], undef, $digest ] } };
}

sub answering_task
{
	my ($number) = @_;
	my $name = one_of(@names);
	my $kind = one_of('shape', 'shape', 'shape', 'shape', 'parallel', 'cursor', 'update', 'repeatable', 'snapshot', 'snapshot', 'pinned');
	my $shape = one_of(@shape_names);
	my %steps = (
		shape => sub { ask($name, $shape) },
		parallel => sub {
			({ sql => 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0' },
				ask($name, $shape), { sql => 'RESET max_parallel_workers_per_gather' }) },
		cursor => sub { cursor_task($name) },
		update => sub { update_task($name, $number) },
		repeatable => sub { repeatable_task($name) },
		snapshot => sub { snapshot_task($name) },
		pinned => sub { pinned_task($name) });
	my @steps = $steps{$kind}->();

	@steps = ({ sql => 'SET statement_timeout = ' . (1 + int(rand(60))) }, @steps, { sql => 'RESET statement_timeout' }) if rand() < 0.1;
	return { name => $kind, steps => \@steps, may_fail => $kind eq 'pinned' ? qr/ 42704: no version has the digest / : undef };
}

# ---- those who deploy -----------------------------------------------------------------------

# The change that was just committed is the last of the model's history.
sub note_live
{
	my ($name, $times) = @_;

	return { sql => fill($live, $name), then => sub { push @{ $history{$name} }, [ $_[0][0], @$times ] if $_[0][0] ne $history{$name}[-1][0] } };
}

sub train_task
{
	my ($name, $is_kept) = @_;
	my @times;

	return ({ sql => 'BEGIN' }, (map { { sql => $_ } } training($name, ++$n_seeds)),
		$is_kept ? ({ sql => 'COMMIT', then => sub { @times = @_[ 1, 2 ] } }, note_live($name, \@times)) : { sql => 'ROLLBACK' });
}

sub change_task
{
	my ($name, $sql) = @_;
	my @times;

	return ({ sql => fill($sql, $name), then => sub { @times = @_[ 1, 2 ] } }, note_live($name, \@times));
}

sub deploying_task
{
	my ($number) = @_;
	my $name = one_of(@names[ 2 * $number, 2 * $number + 1 ]);
	my $other = "version FROM lstm_versions WHERE model = 'MODEL' AND NOT live ORDER BY random() LIMIT 1";
	my $kind = one_of('train', 'train', 'train', 'undo', 'deploy', 'deploy', 'roll back', 'drop', 'drop', 'copy');
	my %steps = (
		'train' => sub { train_task($name, 1) },
		'undo' => sub { train_task($name, 0) },
		'deploy' => sub { change_task($name, "SELECT lstm_deploy('MODEL', version) FROM (SELECT $other) v") },
		'roll back' => sub { change_task($name, "SELECT lstm_rollback('MODEL')") },
		'drop' => sub { { sql => fill("SELECT lstm_drop('MODEL', version) FROM (SELECT $other) v", $name) } },
		'copy' => sub {
			({ sql => fill("SELECT lstm_import('copy of MODEL', lstm_export('MODEL'))", $name) }, { sql => fill("SELECT lstm_prewarm('copy of MODEL')", $name) },
				{ sql => fill("SELECT lstm_drop('copy of MODEL')", $name) }) });

	return { name => $kind, steps => [ $steps{$kind}->() ], may_fail => $kind eq 'roll back' ? qr/ 55000: no other version of model / : undef };
}

# ---- all of them ------------------------------------------------------------------------------

srand($SEED);
my $path = $node->host . '/.s.PGSQL.' . $node->port;
my $user = $node->safe_psql('postgres', 'SELECT current_user');
my $connect = sub { WireClient->open($path, $user, 'postgres') };
my $crowd = Crowd->new($N_ANSWERING + $N_DEPLOYING, $connect,
	sub { my ($number) = @_; return $number < $N_ANSWERING ? answering_task($number) : deploying_task($number - $N_ANSWERING) });
my $admin = $connect->();

$crowd->run($SECONDS, sub {
	my @working = @_;

	one_of(@working)->{client}->cancel if @working;
	if (@working && rand() < 0.05)
	{
		my $session = one_of(@working);

		$session->{is_terminated} = 1;
		$admin->query("SELECT pg_terminate_backend($session->{client}{pid})", 0);
	}
});

note(join(', ', map { "$_: $crowd->{count}{$_}" } sort keys %{ $crowd->{count} }));
is(scalar @{ $crowd->{failures} }, 0, 'nothing fails but what was canceled or terminated') or diag(join("\n", @{ $crowd->{failures} }[ 0 .. 4 ]));
cmp_ok(scalar @answers, '>', 20 * $SECONDS, 'there are answers');
cmp_ok($crowd->{count}{$_} // 0, '>', 0, "some tasks: $_") foreach 'canceled', 'terminated', 'parallel', 'cursor', 'update', 'repeatable', 'snapshot', 'pinned', 'train', 'deploy', 'roll back', 'drop', 'copy';
is(join("\n", grep { !/found no room in the shared cache/ } @{ $crowd->{warnings} // [] }), '', 'no warning but that the cache is small');

# ---- the answers --------------------------------------------------------------------------------

my %recorded;
foreach my $line (split /\n/, $node->safe_psql('postgres', 'SELECT model, shape, answer, digest FROM recorded'))
{
	my ($name, $shape, $answer, $digest) = split /\|/, $line;

	$recorded{"$name|$shape|$answer"}{$digest} = 1;
}
my %n_wrong = (unknown => 0, 'not live' => 0);
my %seen;
foreach my $it (@answers)
{
	my ($name, $shape, $answer, $begin, $end) = @$it;
	my $of = $recorded{"$name|$shape|$answer"} // {};
	my @may = defined $begin ? live_between($name, $begin, $end) : $end;

	$seen{"$name $_"} = 1 foreach keys %$of;
	next if grep { $of->{$_} } @may;
	my $what = %$of ? 'not live' : 'unknown';
	diag("$what: $name, $shape: $answer") if ++$n_wrong{$what} < 4;
}
note(scalar(@answers) . ' answers by ' . scalar(keys %seen) . " versions; $n_seeds trainings; " .
	  join(', ', map { "$_: " . scalar(@{ $history{$_} }) . ' times live' } @names));
is($n_wrong{unknown}, 0, 'every answer is, to the bit, that of a version');
is($n_wrong{'not live'}, 0, 'which was live at some moment of the statement');
is(join("\n", @wrong_now), '', 'and the one that the snapshot sees as live');
cmp_ok(scalar keys %seen, '>', 2 * @names, 'versions came and went');
foreach my $name (@names)
{
	is($node->safe_psql('postgres', fill($shapes{typed}, $name)), $node->safe_psql('postgres', "SELECT answer FROM recorded WHERE shape = 'typed' AND digest = ($live)" =~ s/MODEL/$name/r),
		"$name answers on");
}

# ---- what is left -----------------------------------------------------------------------------------

my $cached = q{FROM (SELECT DISTINCT digest FROM recorded) r, LATERAL lstm_cached(r.digest) c WHERE c.place = 'shared'};
is($node->safe_psql('postgres', "SELECT coalesce(sum(c.in_use), 0) $cached"), '0', 'no model is pinned');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()'), '0', 'no lock is held');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pg_lstm worker', 'parallel worker')}), '0', 'no worker runs');
like($node->safe_psql('postgres', q{SELECT advice FROM lstm_doctor() WHERE item = 'cache'}), qr/\d+ times a model had to leave/, 'the cache was too small for all');
$crowd->close;
$admin->close;
ok($node->poll_query_until('postgres', "SELECT coalesce(sum(c.sessions), 0) + coalesce(sum(c.in_use), 0) = 0 $cached"), 'no session is counted that has gone');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', 'no temporary file is left');
is(segments(), $n_segments, 'no segment of shared memory is left');
$node->stop;
# A parallel worker that comes too late finds its leader's memory and files gone, and says so; that is no harm.
my @bad = grep { /PANIC|TRAP|XX00\d|terminated by|leak|still referenced|not closed|ERROR:  could not (?!map|attach)/ }
  split(/\n/, slurp_file($node->logfile));
is(join("\n", @bad), '', 'the log has nothing of crashes and leaks');

done_testing();
