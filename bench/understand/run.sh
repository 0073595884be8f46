#!/bin/sh
# What explanations, root causes, topics and similar texts are worth, on real rows.
#
#   sh bench/understand/run.sh [NAME...]       all parts of parts.txt, or those named
#   LIMIT=5000 sh bench/understand/run.sh ...  train on so many rows of each set at most
#
# Needs the data sets in ../shared/data (or in $DATA).  Each part prints a table, and all
# of them together are written to build/understand.md.  A part that this very build of the library
# has measured is kept in build/understand and not measured again.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
DATA=${DATA:-$here/../shared/data}
. "$here/scripts/cluster.sh"

[ -d "$DATA" ] || die "no data sets in $DATA"
find_postgres || die "no PostgreSQL server with its development files"
find_state
build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
install_extension "$here/build/pg"
cluster_start bench "fsync = off" "pg_lstm.progress = off"
export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$pg_bin:$PATH"
export DATA here PYTHONDONTWRITEBYTECODE=1
psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' \
	-c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' -c 'CREATE EXTENSION pg_lstm'
: >"$here/build/understand.md"
kept=$here/build/understand/$(sha256sum <"$here/build/pg/pg_lstm.so" | cut -c1-12)-${LIMIT:-all}
mkdir -p "$kept"
while read -r part arguments
do
	case " $* " in *" $part "*) ;; *) [ $# -eq 0 ] || continue ;; esac
	case $part in "#"* | "") continue ;; esac
	arguments=$(printf '%s' "$arguments" | sed "s,\<DATA\>,$DATA,g")
	if [ ! -f "$kept/$part.md" ]
	then
		# Debian's own Python: it is the one that has sklearn and numpy
		# shellcheck disable=SC2086
		{ /usr/bin/python3 "$here/bench/understand/$part.py" $arguments </dev/null || echo "$part failed"; } | tee "$kept/$part.part"
		! grep -qx "$part failed" "$kept/$part.part" || exit 1
		mv "$kept/$part.part" "$kept/$part.md"
	else
		cat "$kept/$part.md"
	fi
	cat "$kept/$part.md" >>"$here/build/understand.md"
done <"$here/bench/understand/parts.txt"
cluster_stop bench
