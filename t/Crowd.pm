# Many sessions at once, driven by one process: each does tasks, one after the
# other; a task is a list of statements.
#
#	statement   { sql => text or code that returns one,
#				  then => code, called with rows (reference), when it was sent and when it was done }
#	task        { name, steps => [ statements ], may_fail => pattern of errors that are expected,
#				  failed => code, called at its first error }
#
# A task ends at its first error, and the transaction that it may have begun is
# rolled back.  Cancels, timeouts and terminations that were asked for are counted;
# any other error that the task does not expect is kept.  A session whose connection
# is lost begins anew; where servers are not meant to go, that is an error, too.
package Crowd;

use strict;
use warnings;
use IO::Select;
use Time::HiRes qw(time);
use WireClient;

my $CANCELED = qr/ 57014: /;

# Connect with connect->(number), n times; next_task->(number) says what a session does next; may_lose: connections
# may be lost at any moment.
sub new
{
	my ($class, $n, $connect, $next_task, $may_lose) = @_;
	my $self = bless { connect => $connect, next_task => $next_task, may_lose => $may_lose, sessions => [], count => {}, failures => [] }, $class;

	foreach my $number (0 .. $n - 1)
	{
		push @{ $self->{sessions} }, { number => $number, client => $connect->($number) };
	}
	return $self;
}

sub _send
{
	my ($self, $session) = @_;
	my $sql = $session->{steps}[0]{sql};

	$session->{sql} = ref $sql ? $sql->() : $sql;
	$session->{sent} = time;
	$session->{client}->start($session->{sql});
	return;
}

sub _begin
{
	my ($self, $session) = @_;
	my $task = $self->{next_task}->($session->{number});

	$session->{task} = $task;
	$session->{steps} = [ @{ $task->{steps} } ];
	$self->_send($session);
	return;
}

# What is left to do after an error: leave the transaction, and forget the settings.
sub _clean_up
{
	my ($self, $session) = @_;

	$session->{steps} = [ map { { sql => $_ } } ($session->{client}{transaction} ne 'I' ? 'ROLLBACK' : ()), 'RESET statement_timeout' ];
	$session->{is_cleaning} = 1;
	return;
}

sub _failed
{
	my ($self, $session, $error) = @_;
	my $may_fail = $session->{task}{may_fail};

	$session->{task}{failed}->() if defined $session->{task}{failed} && !$session->{is_cleaning};
	# A cancel that comes late hits the statements that clean up: they are sent again.
	return $self->_clean_up($session) if $session->{is_cleaning} && $error =~ $CANCELED;
	if ($error =~ $CANCELED)
	{
		$self->{count}{canceled}++;
	}
	elsif (defined $may_fail && $error =~ $may_fail)
	{
		$self->{count}{'failed as expected'}++;
	}
	else
	{
		push @{ $self->{failures} }, "$session->{task}{name}: $session->{sql}\n$error";
	}
	return $self->_clean_up($session);
}

# The connection is gone: begin anew with another.
sub _lost
{
	my ($self, $session) = @_;

	if ($session->{is_terminated})
	{
		$self->{count}{terminated}++;
	}
	elsif ($self->{may_lose})
	{
		$self->{count}{lost}++;
	}
	else
	{
		push @{ $self->{failures} }, "$session->{task}{name}: $session->{sql}\nthe connection is lost: " . join("\n", $session->{client}->lines);
	}
	@$session{ 'client', 'task', 'is_cleaning', 'is_terminated' } = ($self->{connect}->($session->{number}));
	return;
}

# A statement has ended: keep what it says, and take the next one or go to the next task.
sub _ended
{
	my ($self, $session) = @_;
	my @lines = $session->{client}->lines;
	my ($error) = grep { /^ERROR / } @lines;
	my $step = shift @{ $session->{steps} };

	return $self->_lost($session) if !$session->{client}{is_open};
	push @{ $self->{warnings} }, grep { /^WARNING / } @lines;
	$self->_failed($session, $error) if defined $error;
	$step->{then}->([ grep { !/^(NOTICE|WARNING) / } @lines ], $session->{sent}, time) if !defined $error && defined $step->{then};
	return $self->_send($session) if @{ $session->{steps} };
	$self->{count}{ $session->{task}{name} }++ if !$session->{is_cleaning} && !defined $error;
	$session->{is_cleaning} = 0;
	$session->{task} = undef;
	return;
}

# For so many seconds, then until all have finished what they do.  meddle->(sessions at work) is called at most
# each tenth of a second.
sub run
{
	my ($self, $seconds, $meddle) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $until = time + $seconds;
	my $meddled = time;

	while (1)
	{
		my $is_over = time > $until;

		foreach my $session (@{ $self->{sessions} })
		{
			$self->_begin($session) if !$is_over && !defined $session->{task};
		}
		my %working = map { (fileno($_->{client}{socket}) => $_) } grep { defined $_->{task} } @{ $self->{sessions} };

		last if !%working;
		my $select = IO::Select->new(map { $_->{client}{socket} } values %working);
		my @ready = $select->can_read(60) or die 'no session has answered for a minute';

		foreach my $socket (@ready)
		{
			my $session = $working{ fileno $socket };

			$self->_ended($session) if $session->{client}->take;
		}
		if (!$is_over && time - $meddled > 0.1)
		{
			$meddled = time;
			$meddle->(grep { defined $_->{task} } @{ $self->{sessions} });
		}
	}
	return;
}

sub close
{
	my ($self) = @_;

	$_->{client}->close foreach @{ $self->{sessions} };
	return;
}

1;
