# A client that speaks the server's protocol: parameters apart from the statement,
# rows a few at a time, statements that are not waited for, and cancels.  As little
# as the tests need.
package WireClient;

use strict;
use warnings;
use IO::Socket::UNIX;

sub _socket
{
	my ($path) = @_;

	return IO::Socket::UNIX->new(Peer => $path) || die "cannot connect: $!";
}

sub connect
{
	my ($class, $node, $database) = @_;
	my $user = $node->safe_psql('postgres', 'SELECT current_user');

	return $class->open($node->host . '/.s.PGSQL.' . $node->port, $user, $database);
}

# The same where socket and user are known.
sub open
{
	my ($class, $path, $user, $database) = @_;
	my $self = bless { path => $path, socket => _socket($path), buffer => '', is_open => 1 }, $class;
	my $startup = pack('N', 196608) . "user\0$user\0database\0$database\0\0";

	$self->_write(pack('N', 4 + length $startup) . $startup);
	$self->_read_until('Z');
	return $self;
}

sub _write
{
	my ($self, $bytes) = @_;

	$self->{socket}->syswrite($bytes);
	return;
}

sub _send
{
	my ($self, @messages) = @_;
	my $bytes = '';

	while (my ($type, $body) = splice(@messages, 0, 2))
	{
		$bytes .= $type . pack('N', 4 + length $body) . $body;
	}
	$self->_write($bytes);
	return;
}

# Wait for bytes; false if the server has closed the connection.
sub _receive
{
	my ($self) = @_;
	my $n = sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});

	$self->{is_open} = 0 if !$n;
	return $n;
}

# Type and body of the next message that has come as a whole, or nothing.
sub _message
{
	my ($self) = @_;

	return if length $self->{buffer} < 5;
	my ($type, $length) = unpack('a1 N', $self->{buffer});

	return if length $self->{buffer} < 1 + $length;
	my $message = substr($self->{buffer}, 0, 1 + $length, '');

	return ($type, substr($message, 5));
}

# A row, notice or error as a line; nothing for other messages.
sub _line
{
	my ($self, $type, $body) = @_;

	if ($type eq 'D')
	{
		my ($n, $at) = (unpack('n', $body), 2);
		my @columns;

		foreach (1 .. $n)
		{
			my $size = unpack('l>', substr($body, $at, 4));

			$at += 4;
			push @columns, $size < 0 ? '' : substr($body, $at, $size);
			$at += $size if $size > 0;
		}
		return join('|', @columns);
	}
	if ($type eq 'E' || $type eq 'N')
	{
		my %fields = map { /^(.)(.*)$/s ? ($1, $2) : () } split(/\0/, $body);

		return "$fields{S} $fields{C}: $fields{M}";
	}
	@$self{ 'pid', 'secret' } = unpack('N N', $body) if $type eq 'K';
	$self->{transaction} = $body if $type eq 'Z';
	return;
}

# Lines for rows, notices and errors; and the type of the message that ended it.
sub _read_until
{
	my ($self, @types) = @_;
	my @lines;

	while (1)
	{
		my ($type, $body) = $self->_message;

		if (!defined $type)
		{
			$self->_receive or die 'the server closed the connection';
			next;
		}
		push @lines, $self->_line($type, $body);
		return (\@lines, $type) if grep { $_ eq $type } @types;
	}
}

# Run a statement with text parameters, at most so many rows an Execute (0: all).
sub query
{
	my ($self, $sql, $max_rows, @parameters) = @_;
	my $bind = "\0\0" . pack('nn', 0, scalar @parameters) . join('', map { pack('N', length $_) . $_ } @parameters) . pack('n', 0);
	my ($lines, $end);
	my @all;

	$self->_send('P', "\0$sql\0" . pack('n', 0), 'B', $bind);
	do
	{
		$self->_send('E', "\0" . pack('N', $max_rows), 'H', '');
		($lines, $end) = $self->_read_until('s', 'C', 'E', 'I');
		push @all, @$lines;
	} while ($end eq 's');
	$self->_send('S', '');
	($lines) = $self->_read_until('Z');
	return join("\n", @all, @$lines);
}

# Send a statement and do not wait.
sub start
{
	my ($self, $sql) = @_;

	$self->{lines} = [];
	$self->_send('Q', "$sql\0");
	return;
}

# Take what has come, at least something; true once the statement has ended, or the
# connection: then lines() has its rows, notices and errors.
sub take
{
	my ($self) = @_;

	return 1 if !$self->_receive;
	while (my ($type, $body) = $self->_message)
	{
		push @{ $self->{lines} }, $self->_line($type, $body);
		return 1 if $type eq 'Z';
	}
	return 0;
}

sub lines
{
	my ($self) = @_;

	return @{ $self->{lines} };
}

# Ask the server to cancel what it does for this client.
sub cancel
{
	my ($self) = @_;

	_socket($self->{path})->syswrite(pack('N4', 16, 80877102, $self->{pid}, $self->{secret}));
	return;
}

sub close
{
	my ($self) = @_;

	$self->_send('X', '');
	close $self->{socket};
	return;
}

1;
