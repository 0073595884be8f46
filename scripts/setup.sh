#!/bin/sh
# Install the Debian or Ubuntu packages that are missing.
#
#   sh scripts/setup.sh          what building and the demo need
#   sh scripts/setup.sh server   and what tests in a server need
#   sh scripts/setup.sh test     and what all tests need
#   sh scripts/setup.sh majors   what scripts/majors.sh needs, and nothing else
#
# As root, or through sudo.  Does nothing, quickly, when nothing is missing.
# Ends with 1 if something that is needed could not be had; what is only good
# to have (a fuzzer, a formatter) is named and left out.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"

is_installed()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_available()
{
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]
	then
		"$@"
	else
		sudo "$@"
	fi
}

can_install()
{
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null || return 1
	# With a terminal sudo may ask for a password.
	sudo -n true 2>/dev/null || [ -t 0 ]
}

apt()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"
}

# The newest server that is there and lacks nothing but its headers, so that no
# second one is installed beside it; else the system's own version.
major_to_install()
{
	for major in $(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | cut -d / -f 5 | sort -rn)
	do
		if is_available "postgresql-server-dev-$major"
		then
			echo "$major"
			return
		fi
	done
	# "15+248" of the package without a number is version 15.
	major=$(apt-cache policy postgresql | sed -n 's/^ *Candidate: \([0-9]*\)+.*/\1/p')
	echo "${major:-15}"
}

# Fills missing and optional with the packages that are not installed.
find_missing()
{
	needed="gcc make libc6-dev binutils libutf8proc-dev libjsmn-dev"
	wanted=
	if [ "$purpose" = majors ]
	then
		needed="debootstrap util-linux"
		list_missing
		return
	fi
	if ! find_postgres
	then
		pg_major=$(major_to_install)
		needed="$needed postgresql-$pg_major postgresql-server-dev-$pg_major"
	fi
	# Any variant of OpenBLAS serves; we ask for one thread anyway.
	if ! /sbin/ldconfig -p | grep -q 'libopenblas\.so\.0'
	then
		wanted="$wanted libopenblas0-serial"
	fi
	if [ "$purpose" = test ]
	then
		wanted="$wanted libonnx-testdata"
		command -v pg_bsd_indent >/dev/null || wanted="$wanted pg-bsd-indent"
		# t/090_report.pl looks at pages in it; only Debian has it as a package.
		if is_available chromium
		then
			wanted="$wanted chromium"
		fi
		# clang's run-time library has a package of its own in newer releases.
		if is_available libclang-rt-dev
		then
			wanted="$wanted libclang-rt-dev"
		fi
	fi
	if [ "$purpose" != demo ]
	then
		needed="$needed perl"
		wanted="$wanted clang libipc-run-perl libfaketime"
		for other in cron pgvector
		do
			if is_available "postgresql-${pg_major:-15}-$other"
			then
				wanted="$wanted postgresql-${pg_major:-15}-$other"
			fi
		done
	fi
	list_missing
}

list_missing()
{
	missing=
	for package in $needed
	do
		is_installed "$package" || missing="$missing $package"
	done
	optional=
	for package in $wanted
	do
		is_installed "$package" || optional="$optional $package"
	done
}

purpose=${1:-demo}
find_missing
[ -n "$missing$optional" ] || exit 0

if can_install
then
	for package in $missing $optional
	do
		if ! is_available "$package"
		then
			say "setup: fetching the list of packages"
			apt update || say "setup: apt-get update failed; going on with the lists that are there"
			find_missing
			break
		fi
	done
	installable=
	for package in $optional
	do
		if is_available "$package"
		then
			installable="$installable $package"
		fi
	done
	say "setup: installing$missing$installable"
	# shellcheck disable=SC2086
	apt install -y --no-install-recommends $missing $installable >"$here/setup.log" 2>&1 ||
		{
			tail -n 20 "$here/setup.log"
			# One package of the second kind must not keep the others away.
			# shellcheck disable=SC2086
			[ -z "$missing" ] || apt install -y --no-install-recommends $missing >>"$here/setup.log" 2>&1
		}
	rm -f "$here/setup.log"
	find_missing
fi

[ -z "$optional" ] || say "setup: going on without$optional"
if [ -n "$missing" ]
then
	die "setup: these packages are missing:$missing
Run as root, or once by hand:
  sudo apt-get update && sudo apt-get install --no-install-recommends$missing$optional"
fi
