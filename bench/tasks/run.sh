#!/bin/sh
# One table of every task: score, goal, seconds, memory.
#
#   sh bench/tasks/run.sh [ROW...]        all rows of tasks.txt, or those named
#   LIMIT=500 sh bench/tasks/run.sh ...   with so many rows of each file (steps of a series),
#                                         to see that it runs; such scores mean nothing
#   SEED=2 ...                            another seed
#   OPTIONS='{"epochs": 2}' ...           other options, over those of tasks.txt
#   WARM_ROWS=2000 ...                    texts without label for the row imdb_500
#
# Needs the data sets in ../shared/data (or in $DATA) and python3-numpy.  Prints a row
# as soon as it is known, and writes them to build/tasks.md.  All rows take some hours: those that this
# very build of the library has measured, with the same options, are kept in build/tasks and not measured
# again, so that a run which was interrupted goes on.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
DATA=${DATA:-$here/../shared/data}
. "$here/scripts/cluster.sh"

[ -d "$DATA" ] || die "no data sets in $DATA"
/usr/bin/python3 -c 'import numpy' || die "python3-numpy is missing"
sh "$here/scripts/setup.sh"
find_postgres || die "no PostgreSQL server with its development files"
find_state
build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
install_extension "$here/build/pg"
# scores of the captions' baseline, by the code that scores ours
make -s -C "$here" -f core.mk build/bench/bin/texts || exit 1
cluster_start bench "fsync = off" "pg_lstm.progress = off" "pg_lstm.train_memory = '4GB'"
export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$pg_bin:$PATH"
KEPT=$here/build/tasks/$(sha256sum <"$here/build/pg/pg_lstm.so" | cut -c1-12)
export KEPT DATA here LIMIT="${LIMIT:-}" SEED="${SEED:-1}" OPTIONS="${OPTIONS:-}" WARM_ROWS="${WARM_ROWS:-15000}"
psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' -c 'CREATE EXTENSION pg_lstm'
/usr/bin/python3 "$here/bench/tasks/run.py" "$@" | tee "$here/build/tasks.md"
cluster_stop bench
