#!/bin/sh
# Run tests in servers that look more closely than the one of the package.
#
#   sh scripts/hardened.sh asan [PART...]      the extension under AddressSanitizer
#                                              and UBSan, in the package's server
#   sh scripts/hardened.sh asserts [PART...]   in a server that checks its assertions
#   sh scripts/hardened.sh valgrind [PART...]  that server under valgrind
#
#   REGRESS="setup train" sh scripts/hardened.sh valgrind
#
# PART is of test.sh: regress isolation tap; regress and isolation if none is
# given, regress alone under valgrind, with the few files named below, since it
# is fifty times as slow.  REGRESS, ISOLATION and TAP name other files.
#
# The tests run in a copy of the project, in a folder of .local.  A server with
# assertions is built there once, from the source package of the distribution.
# Ends with 1 if a test failed or if something was found; what was found is shown.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"

# Those that take a second or two elsewhere: what they train is small, and they go through the reading of rows, files,
# the cache, plans and errors.  What trains for longer is the business of asan.
valgrind_files="setup train predict predict_batch models errors transactions prepared"

# Must be there: package and what it is needed for.
need()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ||
		die "hardened: $2 needs the package $1 (apt-get install $1)"
}

# ---- programs ----------------------------------------------------------------

# wrap PG_CONFIG SETTINGS [COMMAND...]: a folder of programs like that of
# PG_CONFIG, whose server has settings in its environment and runs by a command.
# Sets PG_CONFIG to one that knows it.  What only asks the server for its version
# or its settings is not slowed down.  The program itself keeps its place, by which
# it finds its files; pg_ctl restart would start that, without us.
wrap()
{
	wrap_config=$1
	wrapped=$("$1" --bindir)
	settings=$2
	shift 2
	rm -rf "$work/bin"
	mkdir -p "$work/bin"
	cp "$wrapped"/* "$work/bin/"
	rm "$work/bin/postgres" "$work/bin/initdb"
	ln -s "$wrapped/initdb" "$work/bin/initdb"
	cat >"$work/bin/postgres" <<-END
		#!/bin/sh
		case " \$* " in
			*" --describe-config "* | *" -V "* | *" --version "* | *" --boot "* | *" --check "* | *" --single "* | *" -C "*)
				exec $wrapped/postgres "\$@" ;;
		esac
		export $settings
		exec $* $wrapped/postgres "\$@"
	END
	mv "$work/bin/pg_ctl" "$work/bin/pg_ctl_once"
	cat >"$work/bin/pg_ctl" <<-END
		#!/bin/sh
		case " \$* " in
			*" restart "*)
				options=\${*%restart*}
				$work/bin/pg_ctl_once \$options stop && exec $work/bin/pg_ctl_once \$options start ;;
		esac
		exec $work/bin/pg_ctl_once "\$@"
	END
	cat >"$work/bin/pg_config" <<-END
		#!/bin/sh
		[ "\$*" = --bindir ] && exec echo $work/bin
		exec $wrap_config "\$@"
	END
	chmod 755 "$work/bin/postgres" "$work/bin/pg_ctl" "$work/bin/pg_config"
	PG_CONFIG=$work/bin/pg_config
}

# The newest source package that the mirror has all files of.
fetch_source()
{
	for version in $(apt-cache $apt_options showsrc "postgresql-$pg_major" | sed -n 's/^Version: //p' | sort -rV)
	do
		apt-get $apt_options source "postgresql-$pg_major=$version" && return
	done
	return 1
}

# only_below FOLDER: nothing was installed beside it.
only_below()
{
	elsewhere=$(find "$stage" -type f ! -path "$1/*" -print)
	[ -z "$elsewhere" ] || say "it would install: $elsewhere"
	[ -z "$elsewhere" ]
}

# A server with assertions, in a folder that all modes share; USE_VALGRIND makes
# its memory contexts known to valgrind.
#
# Debian's source puts libraries into /usr/lib/postgresql, over those of the
# package, unless "pgsql" or "postgres" stands in its prefix.  It is installed into
# a stage, so that what would go elsewhere is an error and goes nowhere.
build_server()
{
	prefix=$server/pgsql
	stage=$server/stage
	assert_config=$prefix/bin/pg_config
	[ ! -f "$server/complete" ] || return 0
	say "== server with assertions, from the source package postgresql-$pg_major (minutes, once)"
	need dpkg-dev "building a server"
	need libreadline-dev "building a server"
	need zlib1g-dev "building a server"
	rm -rf "$server"
	source=$server/source
	mkdir -p "$source/lists/partial" "$source/parts"
	sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$source/parts/here.sources" 2>/dev/null
	grep -h '^deb ' /etc/apt/sources.list 2>/dev/null | sed 's/^deb /deb-src /' >"$source/here.list"
	apt_options="-q -o Dir::Etc::sourcelist=$source/here.list -o Dir::Etc::sourceparts=$source/parts -o Dir::State::lists=$source/lists"
	(
		# shellcheck disable=SC2086
		cd "$source" && apt-get $apt_options update && fetch_source &&
			cd "postgresql-$pg_major"*/ &&
			./configure --prefix="$prefix" --enable-cassert --enable-debug --enable-tap-tests --without-icu \
				CPPFLAGS=-DUSE_VALGRIND CFLAGS="-O1 -fno-omit-frame-pointer" &&
			make -s -j"$jobs" && make -s install DESTDIR="$stage" && make -s -C contrib/postgres_fdw install DESTDIR="$stage" &&
			only_below "$stage$prefix" && mv "$stage$prefix" "$prefix" &&
			cp src/tools/valgrind.supp "$server/"
	) >"$server.log" 2>&1 || { tail -n 30 "$server.log"; die "hardened: the server could not be built, see $server.log"; }
	rm -rf "$source" "$stage"
	touch "$server/complete"
}

# Debian 12's libraries call these while they are loaded, and under the
# sanitizer wait for ever for a lock of the C library.
build_shim()
{
	cat >"$work/shim.c" <<-END
		char *bindtextdomain(const char *domain, const char *path) { (void) domain; return (char *) path; }
		char *bind_textdomain_codeset(const char *domain, const char *set) { (void) domain; return (char *) set; }
		char *textdomain(const char *domain) { return (char *) domain; }
	END
	cc -shared -fPIC -o "$work/shim.so" "$work/shim.c" || die "hardened: no C compiler"
}

# ---- what was found ----------------------------------------------------------

# Show the reports in files of a pattern; false if there are any.
show_reports()
{
	found=$(grep -lE "$1" "$work"/reports/* 2>/dev/null)
	[ -n "$found" ] || return 0
	# shellcheck disable=SC2086
	grep -hE -A 25 "$1" $found | head -n 200
	say "hardened: $(printf '%s\n' "$found" | wc -l) processes reported an error, see $work/reports"
	return 1
}

# ---- run ----------------------------------------------------------------------

mode=${1:-}
case $mode in
	asan | asserts | valgrind) shift ;;
	*) die "usage: sh scripts/hardened.sh asan | asserts | valgrind [regress] [isolation] [tap]" ;;
esac
sh "$here/scripts/setup.sh" test || exit 1
find_postgres || die "no PostgreSQL with its development files"
find_state

# The server's user must reach all of it.
work=$(dirname "$state")/hardened
as_server test -x "$(dirname "$state")" || work=$state/hardened
server=$work-server
work=$work-$mode
jobs=${JOBS:-$(nproc)}
mkdir -p "$work/reports" "$work/local"
rm -f "$work"/reports/*
[ "$(id -u)" -ne 0 ] || chown "$server_user" "$work/reports"
chmod 777 "$work/reports"

copy_project "$work/tree" || die "hardened: cannot copy the project"

if [ "$mode" = valgrind ]
then
	REGRESS=${REGRESS:-$valgrind_files}
	export REGRESS
fi
report=NONE
case $mode in
	asan)
		build_shim
		COPT="-fsanitize=address,undefined -fno-omit-frame-pointer -g -O1"
		export COPT
		options="detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:disable_coredump=1:allocator_may_return_null=1:log_path=$work/reports/asan"
		wrap "$pg_config" "ASAN_OPTIONS=$options UBSAN_OPTIONS=print_stacktrace=1:log_path=$work/reports/ubsan LD_PRELOAD='$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so) $work/shim.so'"
		report='ERROR: AddressSanitizer|runtime error:'
		parts=${*:-regress isolation} ;;
	asserts)
		build_server
		PG_CONFIG=$assert_config
		parts=${*:-regress isolation} ;;
	valgrind)
		need valgrind valgrind
		build_server
		wrap "$assert_config" "VALGRIND_OPTS=" valgrind --quiet --leak-check=no --num-callers=30 --gen-suppressions=no \
			--suppressions="$server/valgrind.supp" --time-stamp=yes --error-markers=VALGRINDERROR-BEGIN,VALGRINDERROR-END \
			--log-file="$work/reports/%p"
		report='VALGRINDERROR-BEGIN'
		parts=${*:-regress} ;;
esac
export PG_CONFIG

# shellcheck disable=SC2086
PG_LSTM_LOCAL=$work/local sh "$work/tree/scripts/test.sh" $parts
status=$?
show_reports "$report" || status=1
[ $status -eq 0 ] && say "hardened: $mode found nothing"
exit $status
