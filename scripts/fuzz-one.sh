#!/bin/sh
# Run one fuzz target for some seconds and say how it went in one TAP line:
#   sh scripts/fuzz-one.sh SECONDS build/fuzz/bin/fuzz_model
#
# Seeds come from test/fuzz/corpus/NAME (NAME without "fuzz_") and, if they are
# there, tokens from test/fuzz/NAME.dict.  What is found on the way stays in
# build/fuzz/corpus/NAME and is used the next time; an input that fails is
# kept as build/fuzz/found/NAME-*.
set -u

seconds=$1
program=$2
name=$(basename "$program" | sed 's/^fuzz_//')
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
seeds=$here/test/fuzz/corpus/$name
dict=$here/test/fuzz/$name.dict
corpus=build/fuzz/corpus/$name
log=build/fuzz/$name.log

mkdir -p "$corpus" build/fuzz/found
set -- "$corpus"
[ -d "$seeds" ] && set -- "$@" "$seeds"
[ -f "$dict" ] && set -- "$@" "-dict=$dict"

if "./$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1500 \
	-print_final_stats=1 -artifact_prefix="build/fuzz/found/$name-" \
	"$@" >"$log" 2>&1
then
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	echo "ok - fuzz $name: ${runs:-?} inputs in $seconds s"
else
	echo "not ok - fuzz $name: see $log"
	tail -n 40 "$log" | sed 's/^/# /'
	exit 1
fi
