#!/usr/bin/perl
# Pictures of a page that lstm_report() wrote, by a headless Chromium:
#
#   scripts/report_shots.pl PAGE.html FOLDER [WIDTH...]
#
# writes FOLDER/WIDTH-light.png and FOLDER/WIDTH-dark.png (400 and 1200 unless given), and says
# what the page complained about and whether it is wider than the screen.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";
use Browser;
use Cwd 'abs_path';

my ($page, $folder, @widths) = @ARGV;
die "usage: report_shots.pl PAGE.html FOLDER [WIDTH...]\n" unless defined $folder;
die "report_shots: there is no chromium (apt-get install --no-install-recommends chromium)\n" unless defined Browser::program();
@widths = (400, 1200) unless @widths;
my $browser = Browser->new;
my $status = 0;

for my $width (@widths)
{
	for my $scheme (qw(light dark))
	{
		$browser->open_file(abs_path($page), $width, $scheme);
		$browser->screenshot("$folder/$width-$scheme.png");
		my $wide = $browser->evaluate('document.documentElement.scrollWidth');
		my @complaints = $browser->complaints;
		push @complaints, "the page is $wide wide" if $wide > $width;
		print "$width $scheme: ", (@complaints ? join('; ', @complaints) : 'nothing to complain about'), "\n";
		$status = 1 if @complaints;
	}
}
exit $status;
