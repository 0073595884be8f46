# A client that speaks the extended protocol: parameters apart from the
# statement, and rows a few at a time.  As little as the tests need.
package WireClient;

use strict;
use warnings;
use IO::Socket::UNIX;

sub connect
{
	my ($class, $node, $database) = @_;
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "cannot connect: $!";
	my $self = bless { socket => $socket }, $class;
	my $startup = pack('N', 196608) . "user\0$user\0database\0$database\0\0";

	print $socket pack('N', 4 + length $startup) . $startup;
	$socket->flush;
	$self->_read_until('Z');
	return $self;
}

sub _send
{
	my ($self, @messages) = @_;
	my $socket = $self->{socket};

	while (my ($type, $body) = splice(@messages, 0, 2))
	{
		print $socket $type . pack('N', 4 + length $body) . $body;
	}
	$socket->flush;
	return;
}

sub _bytes
{
	my ($self, $n) = @_;
	my $bytes = '';

	while (length $bytes < $n)
	{
		read($self->{socket}, $bytes, $n - length $bytes, length $bytes) or die 'the server closed the connection';
	}
	return $bytes;
}

# Lines for rows, notices and errors; and the type of the message that ended it.
sub _read_until
{
	my ($self, @types) = @_;
	my @lines;

	while (1)
	{
		my ($type, $length) = unpack('a1 N', $self->_bytes(5));
		my $body = $length > 4 ? $self->_bytes($length - 4) : '';

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
			push @lines, join('|', @columns);
		}
		elsif ($type eq 'E' || $type eq 'N')
		{
			my %fields = map { /^(.)(.*)$/s ? ($1, $2) : () } split(/\0/, $body);

			push @lines, "$fields{S} $fields{C}: $fields{M}";
			return (\@lines, 'E') if $type eq 'E' && grep { $_ eq 'E' } @types;
		}
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

sub close
{
	my ($self) = @_;

	$self->_send('X', '');
	return;
}

1;
