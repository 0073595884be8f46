#!/bin/sh
# From rows in a table to a finished model, beside a PyTorch script that begins with a file.
#
#   sh bench/endtoend/run.sh [SET...]	sst2 and imdb, or those named
#   LIMIT=2000 ...						with so many rows, to see that it runs
#   SEED=2, DATA=FOLDER
#
# Needs the data sets in ../shared/data (or in $DATA) and python3-torch.  Prints a table and puts it
# behind the others in bench/results.md.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
DATA=${DATA:-$here/../shared/data}
. "$here/scripts/cluster.sh"

[ -d "$DATA" ] || die "no data sets in $DATA"
/usr/bin/python3 -c 'import torch, numpy' || die "python3-torch or python3-numpy is missing"
sh "$here/scripts/setup.sh"
find_postgres || die "no PostgreSQL server with its development files"
find_state
build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
install_extension "$here/build/pg"
cluster_start bench "fsync = off" "pg_lstm.train_memory = '2GB'"
export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$pg_bin:$PATH"
export DATA
psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' \
	-c 'CREATE EXTENSION pg_lstm'
/usr/bin/python3 "$here/bench/endtoend/run.py" "$@"
cluster_stop bench
