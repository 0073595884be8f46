#!/bin/sh
# Build and test with other majors of PostgreSQL, each in a Debian release of
# its own, as chroots.
#
#   sh scripts/majors.sh                  13 17 18 19
#   sh scripts/majors.sh 17               some
#   MAJOR_PARTS="build regress" sh scripts/majors.sh 18
#   MAJOR_PARTS=tap TAP=070_pg_upgrade sh scripts/majors.sh 17
#
# Each chroot takes 2 to 5 minutes of network and 2 GB when it is made; it stays
# in .local/chroots (see cluster.sh) and is used again.  The sources are copied
# into it, and its own scripts/test.sh runs the parts of MAJOR_PARTS.  Where there
# is an older major to come from, t/070_upgrade.pl runs pg_upgrade from it.
#
# All of it runs in namespaces of its own: mounts, processes, shared memory.
# However this script ends, by Ctrl-C or kill -9 too, the kernel ends the servers in
# there and takes the mounts away; outside nothing is ever mounted.
#
# The last line is `counts: PASSED FAILED SKIPPED`.  A major that cannot be had
# (no root, no network, no such release any more) counts as one skipped.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"

MAJOR_PARTS=${MAJOR_PARTS:-build regress isolation tap}
MIN_FREE_MB=4000
n_passed=0
n_failed=0
n_skipped=0
inside=

# Where Debian has a major, and the older one that pg_upgrade comes from with
# the release that has that.  18 and 19 have none: columns that were made by Debian's 15.20 or 17.12
# have an option pg_attver, which 18.6 does not know, so that its pg_upgrade fails with any table.
find_release()
{
	old_major=
	old_release=
	from=
	case $1 in
		13) release=bullseye ;;
		15) release=bookworm ;;
		17) release=trixie old_major=15 old_release=bookworm ;;
		18) release=sid ;;
		19) release=sid from=experimental ;;
		*) return 1 ;;
	esac
}

skip()
{
	say "skipped - $1"
	n_skipped=$((n_skipped + 1))
}

# ---- the machine -----------------------------------------------------------

# The mirrors that apt is told to use here: of the release and of its security updates.
find_mirrors()
{
	[ -r /etc/os-release ] || return 1
	codename=$(. /etc/os-release && [ "$ID" = debian ] && say "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || return 1
	mirror=$(mirror_of "$codename")
	security=$(mirror_of "$codename-security")
	[ -n "$mirror" ]
}

mirror_of()
{
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -v release="$1" '$1 == release && $2 == "main" { print $3; exit }'
}

# Why nothing can be done here, if so.
find_obstacle()
{
	obstacle=
	if [ "$(id -u)" -ne 0 ]
	then
		obstacle="chroots are made by root"
	elif ! setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child true 2>/dev/null
	then
		obstacle="this machine gives out no namespaces"
	elif ! find_mirrors
	then
		obstacle="this is not Debian, or apt has no mirror of it"
	elif ! sh "$here/scripts/setup.sh" majors >"$work/setup" 2>&1
	then
		obstacle="debootstrap is missing and could not be installed"
	fi
	[ -n "$obstacle" ]
}

# ---- inside ----------------------------------------------------------------

# run LOG COMMAND...: as root in namespaces of its own; shown and kept in LOG.
# In the background, since a shell that waits for a command in front would not
# end it when it is told to end.
run()
{
	log=$1
	shift
	rm -f "$work/pipe"
	mkfifo "$work/pipe" || return 1
	case $log in
		*.shown) tee "$log" <"$work/pipe" & ;;
		*) cat <"$work/pipe" >"$log" & ;;
	esac
	reader=$!
	setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child \
		"$@" >"$work/pipe" 2>&1 </dev/null 8>&- &
	inside=$!
	wait $inside
	run_status=$?
	inside=
	wait $reader
	return $run_status
}

# enter LOG ROOT COMMAND...: in the chroot.
enter()
{
	enter_log=$1
	shift
	# shellcheck disable=SC2016
	run "$enter_log" sh -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" &&
		mount --rbind /dev "$root/dev" &&
		mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
		chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy:-}" "$@"' sh "$@"
}

stop_inside()
{
	[ -z "$inside" ] || kill -KILL "$inside" 2>/dev/null
}

# ---- chroots ---------------------------------------------------------------

# Nothing is mounted below, but what is removed for good is looked at twice.
remove_chroot()
{
	if grep -qF " $1/" /proc/self/mountinfo
	then
		die "something is mounted below $1"
	fi
	rm -rf --one-file-system "$1"
}

# make_chroot RELEASE: sets root.  The sources of apt are those of this machine.
make_chroot()
{
	root=$local_dir/chroots/$1
	[ ! -f "$root/.made" ] || return 0
	remove_chroot "$root"
	mkdir -p "$root" || return 1
	say "making $root from $mirror"
	run "$work/debootstrap" debootstrap --variant=minbase "$1" "$root" "$mirror" || return 1

	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	mkdir -p "$root/etc/postgresql-common"
	say "create_main_cluster = false" >"$root/etc/postgresql-common/createcluster.conf"
	# proxies and the like
	apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-|Retries|ForceIPv)' \
		>"$root/etc/apt/apt.conf.d/90here"
	say "deb $mirror $1 main" >"$root/etc/apt/sources.list"
	if [ -n "$security" ] && [ "$1" != sid ]
	then
		say "deb $security $1-security main" >"$root/etc/apt/sources.list.d/security.list"
	fi
	: >"$root/.made"
}

# add_packages FROM PACKAGE...: from the chroot's own release with its security updates, or from another
# one, which is added to the sources and preferred for what the packages need.
add_packages()
{
	add_from=$1
	shift
	if [ "$add_from" != "$release" ]
	then
		say "deb $mirror $add_from main" >"$root/etc/apt/sources.list.d/$add_from.list"
		set -- -t "$add_from" "$@"
	fi
	# shellcheck disable=SC2016
	enter "$work/packages" "$root" sh -c '
		apt-get -q update &&
		apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"' sh "$@"
}

has_major()
{
	[ -x "$root/usr/lib/postgresql/$1/bin/postgres" ] && [ -d "$root/usr/include/postgresql/$1/server" ]
}

# prepare MAJOR: a chroot in which scripts/test.sh can run.  Sets root, or why not.
prepare()
{
	if [ ! -f "$local_dir/chroots/$release/.made" ] &&
		[ "$(df -Pm "$local_dir" | awk 'NR == 2 { print $4 }')" -lt $MIN_FREE_MB ]
	then
		why="less than $MIN_FREE_MB MB are free in $local_dir"
		return 1
	fi
	why="$release could not be had from $mirror"
	make_chroot "$release" || { tail -n 5 "$work/debootstrap"; return 1; }
	why="its packages could not be had from ${from:-$release}"
	has_major "$1" ||
		add_packages "${from:-$release}" "postgresql-$1" "postgresql-server-dev-$1" ||
		{ tail -n 20 "$work/packages"; return 1; }
	why="the sources could not be copied to $root"
	copy_sources "$1" || return 1
	why="packages that the build needs could not be had"
	enter "$work/setup" "$root" env PG_CONFIG="/usr/lib/postgresql/$1/bin/pg_config" sh /src/scripts/setup.sh server ||
		{ tail -n 20 "$work/setup"; return 1; }
}

# copy_sources MAJOR: what was built for it before is kept.
copy_sources()
{
	[ "$(cat "$root/src/build/major" 2>/dev/null)" = "$1" ] || rm -rf "$root/src/build"
	copy_project "$root/src" && say "$1" >"$root/src/build/major"
}

# The extension built for the older major, for pg_upgrade to come from.
prepare_old()
{
	has_major "$old_major" ||
		add_packages "$old_release" "postgresql-$old_major" "postgresql-server-dev-$old_major" ||
		{ tail -n 20 "$work/packages"; return 1; }
	# shellcheck disable=SC2016
	enter "$work/old" "$root" sh -c '
		mkdir -p /src/build/old /src/.local &&
		make -s -j"$(nproc)" -C /src/build/old -f /src/Makefile PG_CONFIG="$1" DESTDIR=/src/.local/old install' \
		sh "/usr/lib/postgresql/$old_major/bin/pg_config" ||
		{ tail -n 20 "$work/old"; return 1; }
}

# ---- run -------------------------------------------------------------------

# Takes over what the chroot's scripts/test.sh says in its last line.
count_last_line()
{
	counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p' "$1" | tail -n 1)
	if [ -z "$counts" ]
	then
		say "not ok - the tests of PostgreSQL $2 did not run to their end"
		n_failed=$((n_failed + 1))
		return
	fi
	say "== PostgreSQL $2: $(tail -n 1 "$1")"
	# shellcheck disable=SC2086
	set -- $counts 0
	n_passed=$((n_passed + $1))
	n_failed=$((n_failed + $2))
	n_skipped=$((n_skipped + $3))
}

test_major()
{
	say "== PostgreSQL $1"
	if ! find_release "$1"
	then
		skip "PostgreSQL $1: Debian has it in no release"
		return
	fi
	exec 8>"$local_dir/chroots/$release.lock"
	flock -n 8 || die "another run uses the chroot of $release in $local_dir"
	if ! prepare "$1"
	then
		skip "PostgreSQL $1: $why"
		return
	fi
	old_bin=
	if [ -n "$old_major" ]
	then
		if prepare_old
		then
			old_bin=/usr/lib/postgresql/$old_major/bin
		else
			skip "pg_upgrade from $old_major to $1: its packages could not be had, or it was not built"
		fi
	fi
	# shellcheck disable=SC2086
	enter "$work/test.shown" "$root" env PG_CONFIG="/usr/lib/postgresql/$1/bin/pg_config" \
		REGRESS="${REGRESS:-}" ISOLATION="${ISOLATION:-}" TAP="${TAP:-}" \
		PG_LSTM_OLD_BIN="$old_bin" PG_LSTM_OLD_INSTALL=/src/.local/old \
		sh /src/scripts/test.sh $MAJOR_PARTS
	count_last_line "$work/test.shown" "$1"
}

majors=${*:-13 17 18 19}
find_state
work=$(mktemp -d)
mkdir -p "$local_dir/chroots"
trap 'stop_inside; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
if find_obstacle
then
	for major in $majors
	do
		skip "PostgreSQL $major: $obstacle"
	done
else
	for major in $majors
	do
		test_major "$major"
	done
fi
say "counts: $n_passed $n_failed $n_skipped"
[ $n_failed -eq 0 ]
