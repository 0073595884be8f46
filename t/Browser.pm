# A headless Chromium, driven over a pair of pipes by its DevTools protocol: JSON, each
# message ended by a 0 byte.  Needs nothing but perl.
package Browser;

use strict;
use warnings;
use Fcntl qw(F_SETFD);
use File::Temp;
use IO::Select;
use JSON::PP;
use MIME::Base64;
use Time::HiRes qw(time);

# Its program, or undef.
sub program
{
	for my $name (qw(chromium chromium-browser google-chrome))
	{
		for my $folder (split /:/, $ENV{PATH})
		{
			return "$folder/$name" if -x "$folder/$name";
		}
	}
	return undef;
}

# Start it, with one empty page; dies if it does not come up.
sub new
{
	my ($class, %options) = @_;
	my $self = bless { next => 1, events => [], buffer => '', timeout => $options{timeout} // 60 }, $class;
	my $home = File::Temp->newdir('lstm_browser_XXXXXX', TMPDIR => 1);

	pipe(my $its_in, my $to) or die "pipe: $!";
	pipe(my $from, my $its_out) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		# the browser reads from descriptor 3 and writes to 4
		require POSIX;
		my ($in, $out) = (fileno $its_in, fileno $its_out);
		$in = POSIX::dup($in) while $in < 5;
		$out = POSIX::dup($out) while $out < 5;
		POSIX::dup2($in, 3);
		POSIX::dup2($out, 4);
		open STDERR, '>', '/dev/null';
		open STDOUT, '>', '/dev/null';
		$ENV{HOME} = "$home";
		no warnings 'exec';
		exec program(), '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars',
		  '--no-first-run', '--disable-extensions', '--disable-background-networking', '--font-render-hinting=none',
		  "--user-data-dir=$home/profile", '--remote-debugging-pipe', 'about:blank';
		POSIX::_exit(127);
	}
	close $its_in;
	close $its_out;
	binmode $_ for $to, $from;
	@$self{qw(pid to from home)} = ($pid, $to, $from, $home);

	my ($page) = grep { $_->{type} eq 'page' } @{ $self->call('Target.getTargets')->{targetInfos} };
	$self->{session} = $self->call('Target.attachToTarget', targetId => $page->{targetId}, flatten => JSON::PP::true)->{sessionId};
	$self->call($_) for qw(Page.enable Runtime.enable Log.enable);
	return $self;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	return unless $self->{pid};
	close $self->{to};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}

# The next message; undef if none comes in time.
sub receive
{
	my ($self, $until) = @_;

	my $end;

	while (($end = index($self->{buffer}, "\0")) < 0)
	{
		my $left = $until - time;
		my $more;

		return undef if $left <= 0 || !IO::Select->new($self->{from})->can_read($left);
		sysread($self->{from}, $more, 1 << 16) or die "the browser has ended\n";
		$self->{buffer} .= $more;
	}
	my $message = substr $self->{buffer}, 0, $end + 1, '';

	chop $message;
	return decode_json($message);
}

# Call a method and return its result; dies on an error of its.
sub call
{
	my ($self, $method, %params) = @_;
	my $id = $self->{next}++;
	my $until = time + $self->{timeout};
	my %message = (id => $id, method => $method, params => \%params);

	$message{sessionId} = $self->{session} if defined $self->{session};
	print { $self->{to} } encode_json(\%message), "\0" or die "the browser does not read: $!\n";
	$self->{to}->flush;
	while (my $answer = $self->receive($until))
	{
		if (!defined $answer->{id})
		{
			push @{ $self->{events} }, $answer;
			next;
		}
		next if $answer->{id} != $id;
		die "$method: $answer->{error}{message}\n" if $answer->{error};
		return $answer->{result};
	}
	die "$method: no answer\n";
}

# Wait for an event.
sub wait_for
{
	my ($self, $method) = @_;
	my $until = time + $self->{timeout};

	while (1)
	{
		for my $i (0 .. $#{ $self->{events} })
		{
			return splice(@{ $self->{events} }, $i, 1) if $self->{events}[$i]{method} eq $method;
		}
		push @{ $self->{events} }, $self->receive($until) // die "no $method\n";
	}
}

# Show a file, so wide, 'light' or 'dark'.
sub open_file
{
	my ($self, $file, $width, $scheme) = @_;

	@{ $self->{events} } = ();
	$self->call('Emulation.setDeviceMetricsOverride', width => $width, height => 900, deviceScaleFactor => 1,
		mobile => $width < 600 ? JSON::PP::true : JSON::PP::false);
	$self->call('Emulation.setEmulatedMedia', features => [ { name => 'prefers-color-scheme', value => $scheme // 'light' } ]);
	$self->call('Page.navigate', url => "file://$file");
	$self->wait_for('Page.loadEventFired');
	# what a page would do at once, it has done when this comes back
	$self->evaluate('new Promise(resolve => setTimeout(resolve, 100))');
}

# The value of an expression in the page; a promise is awaited.
sub evaluate
{
	my ($self, $expression) = @_;
	my $result = $self->call('Runtime.evaluate', expression => $expression, returnByValue => JSON::PP::true, awaitPromise => JSON::PP::true);

	die "$expression: $result->{exceptionDetails}{text}\n" if $result->{exceptionDetails};
	return $result->{result}{value};
}

# What the page has complained about since it was opened.
sub complaints
{
	my ($self) = @_;
	my @complaints;

	for my $event (@{ $self->{events} })
	{
		my $p = $event->{params};

		push @complaints, "$p->{entry}{level}: $p->{entry}{text}" if $event->{method} eq 'Log.entryAdded';
		push @complaints, "exception: $p->{exceptionDetails}{text}" if $event->{method} eq 'Runtime.exceptionThrown';
		push @complaints, "console: $p->{type}" if $event->{method} eq 'Runtime.consoleAPICalled';
		push @complaints, "dialog: $p->{message}" if $event->{method} eq 'Page.javascriptDialogOpening';
	}
	return @complaints;
}

sub press_tab
{
	my ($self) = @_;

	$self->call('Input.dispatchKeyEvent', type => $_, key => 'Tab', code => 'Tab', windowsVirtualKeyCode => 9) for qw(keyDown keyUp);
}

# The page as a PNG: all of it, or so much from the top on.
sub screenshot
{
	my ($self, $file, $top, $height) = @_;
	my $size = $self->call('Page.getLayoutMetrics')->{cssContentSize};

	$top //= 0;
	$height = $size->{height} - $top if !defined $height || $top + $height > $size->{height};
	my $png = $self->call('Page.captureScreenshot', format => 'png', captureBeyondViewport => JSON::PP::true,
		clip => { x => 0, y => $top, width => $size->{width}, height => $height, scale => 1 });
	open my $out, '>:raw', $file or die "$file: $!\n";
	print $out decode_base64($png->{data});
	close $out or die "$file: $!\n";
}

1;
