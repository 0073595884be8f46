#!/bin/sh
# Accuracy with default options, beside fastText on the same rows.
#
#   sh bench/accuracy/run.sh [SET...]          all sets of sets.txt, or those named
#   NO_PEER=1 sh bench/accuracy/run.sh ...     without fastText
#
# Needs the data sets in ../shared/data (or in $DATA) and, for the peer, Debian's
# fasttext.  Prints one row a set, and writes them to build/accuracy.md.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
DATA=${DATA:-$here/../shared/data}
. "$here/scripts/cluster.sh"

[ -d "$DATA" ] || die "no data sets in $DATA"
sh "$here/scripts/setup.sh"
find_postgres || die "no PostgreSQL server with its development files"
find_state
build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
install_extension "$here/build/pg"
cluster_start bench "fsync = off" "pg_lstm.progress = off"
export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$pg_bin:$PATH"
export NO_PEER="${NO_PEER:-}" DATA here
psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' -c 'CREATE EXTENSION pg_lstm'
python3 "$here/bench/accuracy/run.py" "$@" | tee "$here/build/accuracy.md"
cluster_stop bench
