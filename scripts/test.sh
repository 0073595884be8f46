#!/bin/sh
# Run all tests, in private servers.  Nothing but Debian packages is needed.
#
#   sh scripts/test.sh              everything
#   sh scripts/test.sh PART...      some of: build lint unit fuzz regress
#                                   isolation tap
#   sh scripts/test.sh [PART...] --majors [MAJOR...]
#                                   the parts named, then the build and tests of
#                                   other majors of PostgreSQL, in chroots that
#                                   scripts/majors.sh makes
#   FUZZ_SECONDS=300 sh scripts/test.sh fuzz
#   REGRESS="setup train tag" ISOLATION=job_commits TAP="030_jobs 031_jobs_elsewhere" sh scripts/test.sh regress isolation tap
#                                   some files of these parts
#
# The last line is `N passed, N failed`, with `, N skipped` if there were any.
# An assertion of a unit or TAP test, a file of a regression or isolation test,
# a fuzz target and a check each count as one.  A part that fails does not keep
# the next from running.  Ends with 1 if anything failed.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"

FUZZ_SECONDS=${FUZZ_SECONDS:-30}
parts=
majors=
while [ $# -gt 0 ]
do
	if [ "$1" = --majors ]
	then
		shift
		majors=$*
		parts="$parts majors"
		break
	fi
	parts="$parts $1"
	shift
done
parts=${parts:-build lint unit fuzz regress isolation tap}
n_passed=0
n_failed=0
n_skipped=0

# count PASSED FAILED SKIPPED
count()
{
	n_passed=$((n_passed + $1))
	n_failed=$((n_failed + $2))
	n_skipped=$((n_skipped + $3))
}

# check NAME COMMAND...: one test, shown with its output if it fails.
check()
{
	check_name=$1
	shift
	if "$@" >"$work/check" 2>&1
	then
		say "ok - $check_name"
		count 1 0 0
	else
		say "not ok - $check_name"
		head -n 200 "$work/check"
		count 0 1 0
	fi
}

skip()
{
	say "skipped - $1"
	count 0 0 1
}

# Take the last `counts:` line of a log; a log without one is a failure.
count_log()
{
	counts=$(sed -n 's/^counts: //p' "$1" | tail -n 1)
	if [ -n "$counts" ]
	then
		# shellcheck disable=SC2086
		count $counts
	else
		say "not ok - $2 did not run to its end"
		count 0 1 0
	fi
}

# The words of a variable of the Makefile.
make_variable()
{
	make -s -C "$here" PG_CONFIG="$pg_config" --eval "print-it: ; @echo \$($1)" print-it
}

# The programs of a variable of core.mk that could be built.
core_programs()
{
	make -s -C "$here" -f core.mk --eval "print-it: ; @echo \$(wildcard \$($1))" print-it
}

has_built()
{
	[ -f "$here/build/pg/pg_lstm.so" ] && [ -z "${build_failed:-}" ]
}

# ---- parts -----------------------------------------------------------------

no_warnings()
{
	! grep -E 'warning:|error:' "$1"
}

# Builds into build/pg whatever parts were asked for; the part `build` judges it.
build()
{
	if ! build_extension || ! install_extension "$here/build/pg" >"$work/install" 2>&1
	then
		build_failed=yes
		# a compiler's complaints, without its command lines
		grep -vE '^[^ ]*(gcc|clang|cc)(-[0-9]+)? ' "$here/build/pg.log" | tail -n 30
		cat "$work/install" 2>/dev/null
		say "not ok - build"
		count 0 1 0
	fi
}

part_build()
{
	# The log of an earlier run would hide what it warned of.
	rm -rf "$here/build/pg"
	build
	has_built || return
	count 1 0 0
	check "no warnings ($(cc --version | head -n 1))" no_warnings "$here/build/pg.log"

	if command -v clang >/dev/null
	then
		rm -rf "$here/build/clang"
		mkdir -p "$here/build/clang"
		# the server's flags may be another compiler's, and ask it to link with a plugin
		check "builds with clang -Werror" make -s -j"$(nproc)" -k -C "$here/build/clang" \
			-f "$here/Makefile" PG_CONFIG="$pg_config" CC=clang \
			COPT="-Werror -Wno-unknown-warning-option -fno-lto"
	else
		skip "build with clang: there is no clang"
	fi
}

part_lint()
{
	check "layers" "$here/scripts/check-layers"
	check "no unlisted tests" "$here/scripts/check-tests"
	check "what can be built with" "$here/scripts/check-setup"
	if has_built
	then
		check "exported symbols" "$here/scripts/check-exports" "$here/build/pg/pg_lstm.so"
		check "symbols that core uses" "$here/scripts/check-core-symbols" "$here/build/pg"
	else
		skip "symbols: not built"
	fi
	if command -v pg_bsd_indent >/dev/null
	then
		check "formatting" "$here/scripts/format" --check
	else
		skip "formatting: there is no pg_bsd_indent"
	fi
}

part_unit()
{
	if ! make -s -j"$(nproc)" -k -C "$here" -f core.mk check-core-programs >"$work/unit" 2>&1
	then
		say "not ok - unit tests build"
		grep -E 'error|warning|undefined' "$work/unit" | head -n 40
		count 0 1 0
	fi
	programs=$(core_programs unit_programs)
	[ -n "$programs" ] || return
	# shellcheck disable=SC2086
	(cd "$here" && ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
		UBSAN_OPTIONS=print_stacktrace=1 \
		scripts/tap-run -j "$(nproc)" --exec 'timeout 600' $programs) 2>&1 | tee "$work/unit.tap"
	count_log "$work/unit.tap" "unit tests"
}

part_fuzz()
{
	if ! command -v clang >/dev/null
	then
		skip "fuzz targets: there is no clang"
		return
	fi
	if ! make -s -j"$(nproc)" -k -C "$here" -f core.mk fuzz-programs >"$work/fuzz.build" 2>&1
	then
		if grep -q 'libclang_rt.*No such file' "$work/fuzz.build"
		then
			skip "fuzz targets: clang's run-time library is missing"
			return
		fi
		say "not ok - fuzz targets build"
		grep -E 'error|undefined' "$work/fuzz.build" | head -n 20
		count 0 1 0
	fi
	programs=$(core_programs fuzz_programs)
	[ -n "$programs" ] || return
	# shellcheck disable=SC2086
	(cd "$here" && printf '%s\n' $programs |
		xargs -P "$(nproc)" -n 1 sh scripts/fuzz-one.sh "$FUZZ_SECONDS") 2>&1 | tee "$work/fuzz"
	count "$(grep -c '^ok - fuzz' "$work/fuzz")" "$(grep -c '^not ok - fuzz' "$work/fuzz")" 0
}

# A server for the tests that share one, and a copy of their files that its
# user can read.
start_test_server()
{
	[ -z "${test_server:-}" ] || return 0
	cluster_remove test
	cluster_start test "fsync = off" "max_prepared_transactions = 2" \
		"log_line_prefix = '%m [%p] %q%a '" "log_statement = 'all'" || return 1
	test_server=yes
	cp -R "$here/sql" "$here/expected" "$here/specs" "$here/t" "$state/test/" &&
		mkdir "$state/test/out" && give_to_server "$state/test/out"
}

# count_regress LOG: pg_regress's lines, in the form up to 15 and in TAP since 16.
count_regress()
{
	count "$(grep -cE '^(test|    ) .*\.\.\. ok|^ok ' "$1")" \
		"$(grep -cE '^(test|    ) .*\.\.\. FAILED|^not ok ' "$1")" 0
}

# run_regress NAME PROGRAM TEST...
run_regress()
{
	regress_name=$1
	program=$2
	shift 2
	if ! start_test_server
	then
		say "not ok - a private server starts"
		count 0 1 0
		return
	fi
	failed_before=$n_failed
	as_server env LC_ALL=C.UTF-8 PATH="$pg_bin:$PATH" "$pg_test/$program" \
		--bindir="$pg_bin" --inputdir="$state/test" --outputdir="$state/test/out" \
		--host="$socket" --port=5432 --user=postgres --dbname="$regress_name" \
		--encoding=UTF8 --no-locale "$@" >"$work/regress" 2>&1
	regress_status=$?
	grep -E '^(test|    |ok|not ok) ' "$work/regress"
	count_regress "$work/regress"
	if [ "$n_failed" -gt "$failed_before" ] || [ $regress_status -ne 0 ]
	then
		[ "$n_failed" -gt "$failed_before" ] || count 0 1 0
		[ -f "$state/test/out/regression.diffs" ] || tail -n 20 "$work/regress"
		[ ! -f "$state/test/out/regression.diffs" ] || head -n 300 "$state/test/out/regression.diffs"
	fi
	if grep -E 'PANIC|was terminated by signal|TRAP:' "$state/test/log"
	then
		say "not ok - the server stayed up"
		count 0 1 0
	fi
}

part_regress()
{
	has_built || { skip "regression tests: not built"; return; }
	tests=${REGRESS:-$(make_variable REGRESS)}
	# shellcheck disable=SC2086
	[ -z "$tests" ] || run_regress regress regress/pg_regress $tests
}

part_isolation()
{
	has_built || { skip "isolation tests: not built"; return; }
	[ -x "$pg_test/isolation/pg_isolation_regress" ] ||
		{ skip "isolation tests: PostgreSQL $pg_major's packages have no pg_isolation_regress"; return; }
	tests=${ISOLATION:-$(make_variable ISOLATION)}
	# shellcheck disable=SC2086
	[ -z "$tests" ] || run_regress isolation isolation/pg_isolation_regress $tests
}

part_tap()
{
	has_built || { skip "TAP tests: not built"; return; }
	ls "$here"/t/*.pl >/dev/null 2>&1 || return
	if ! perl -MIPC::Run -e 1 2>/dev/null
	then
		skip "TAP tests: perl's IPC::Run is missing"
		return
	fi
	rm -rf "$state/tap"
	mkdir -p "$state/tap/src" "$state/tap/run"
	give_to_server "$state/tap" "$state/tap/run"
	cp -R "$here/t" "$here/scripts" "$here/models" "$here/doc" "$here/README.md" "$state/tap/src/"
	[ ! -d "$here/test/golden" ] || cp -R "$here/test/golden" "$state/tap/src/"
	{
		extension_settings
		say "fsync = off"
	} >"$state/tap/extra.conf"
	tests="'$state'/tap/src/t/*.pl"
	if [ -n "${TAP:-}" ]
	then
		tests=
		for name in $TAP
		do
			tests="$tests '$state/tap/src/t/$name.pl'"
		done
	fi
	# The test modules add TEMP_CONFIG to the settings of each node they make.
	as_server sh -c "cd '$state/tap/run' && umask 077 && env PATH='$pg_bin':\"\$PATH\" \
		LC_ALL=C.UTF-8 TEMP_CONFIG='$state/tap/extra.conf' \
		PG_REGRESS='$pg_test/regress/pg_regress' \
		TESTDIR='$state/tap/run' TESTDATADIR='$state/tap/run/data' TESTLOGDIR='$state/tap/run/log' \
		PG_LSTM_INSTALL='$state/install' \
		perl '$state/tap/src/scripts/tap-run' -I '$pg_test/perl' $tests" 2>&1 |
		tee "$work/tap"
	count_log "$work/tap" "TAP tests"
	if grep -qE '^Result: FAIL|Failed' "$work/tap"
	then
		tail -n 40 "$state"/tap/run/log/*.log "$state"/tap/run/tmp_check/log/*.log 2>/dev/null
	fi
}

part_majors()
{
	# shellcheck disable=SC2086
	sh "$here/scripts/majors.sh" $majors 2>&1 | tee "$work/majors"
	count_log "$work/majors" "other majors"
}

# ---- run -------------------------------------------------------------------

cleanup()
{
	[ -z "${test_server:-}" ] || cluster_stop test
	rm -rf "$work"
}

started=$(date +%s)
case " $parts " in
	*" lint "* | *" unit "* | *" fuzz "*) purpose="test" ;;
	*) purpose="server" ;;
esac
sh "$here/scripts/setup.sh" $purpose || exit 1
find_postgres || die "no PostgreSQL with its development files"
find_state
pg_test=$(dirname "$("$pg_config" --pgxs)")/../test
exec 9>"$local_dir/test.lock"
flock -n 9 || die "another run of the tests is under way in $local_dir (set PG_LSTM_LOCAL for a second one)"
work=$(mktemp -d)
trap cleanup EXIT
trap 'exit 130' INT TERM

case " $parts " in
	*" build "*) ;;
	*" lint "* | *" regress "* | *" isolation "* | *" tap "*) build ;;
esac

for part in $parts
do
	case $part in
		build | lint | unit | fuzz | regress | isolation | tap | majors) ;;
		*) die "no such part: $part (build lint unit fuzz regress isolation tap)" ;;
	esac
	say "== $part"
	part_started=$(date +%s)
	before="$n_passed $n_failed $n_skipped"
	part_"$part" 9>&-
	say "$before $n_passed $n_failed $n_skipped $(($(date +%s) - part_started))" |
		awk -v part="$part" '{ printf "== %s: %d passed, %d failed, %d skipped in %d s\n", part, $4 - $1, $5 - $2, $6 - $3, $7 }'
done

say "all parts took $(($(date +%s) - started)) s"
if [ $n_skipped -gt 0 ]
then
	say "$n_passed passed, $n_failed failed, $n_skipped skipped"
else
	say "$n_passed passed, $n_failed failed"
fi
[ $n_failed -eq 0 ]
