#!/bin/sh
# How fast training and answers are, beside PyTorch, oneDNN and ONNX Runtime.
#
#   sh bench/speed/run.sh [SECTION...] [CORES...]
#
# Sections: train, answer, sql, workers; all if none is named.  profiles only if it is.  Cores: 1, 2; both if none is named.
#
#   ROUNDS=5 SECONDS=1 ...          rounds (3), seconds of a measurement (0.7)
#   ROWS='lstm 1 128 32' ...        the rows of train that begin so: cell, directions, H, batch, T
#   ROWS='sst2 128' ...             the rows of workers: set or T, H, batch
#   NO_TORCH=1 ...              workers without PyTorch, which takes most of their time
#   SEED=2, DATA=FOLDER, ONNXRUNTIME=FOLDER
#
# Needs PostgreSQL's development files for sql and workers; python3-numpy; and of the other sides what is there:
# python3-torch, libdnnl-dev and g++, nodejs with python3-onnx and onnxruntime-node, which
#   npm install --ignore-scripts --prefix build/bench/peers onnxruntime-node
# puts in its place.  What is missing is said and left out.  A table a section goes to
# bench/results.md; it is worth something if nothing else runs on the machine.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
. "$here/scripts/cluster.sh"

/usr/bin/python3 -c 'import numpy' || die "python3-numpy is missing"
make -s -C "$here" -f core.mk build/bench/bin/speed/train build/bench/bin/speed/answer build/bench/bin/learn
onednn=$here/build/bench/bin/speed/onednn
if echo '#include <dnnl.hpp>' | g++ -x c++ -E - >/dev/null 2>&1
then
	[ "$onednn" -nt "$here/bench/speed/peers/onednn.cpp" ] ||
		g++ -O2 -std=c++17 -Wall -Wextra -o "$onednn" "$here/bench/speed/peers/onednn.cpp" -ldnnl
else
	rm -f "$onednn"
	say "oneDNN is left out: apt install libdnnl-dev g++"
fi

has_sql=no
[ $# -gt 0 ] || has_sql=yes
case " $* " in
	*" sql "* | *" workers "*) has_sql=yes ;;
	*" train "* | *" answer "* | *" profiles "*) ;;
	*) has_sql=yes ;;
esac
if [ $has_sql = yes ]
then
	sh "$here/scripts/setup.sh"
	find_postgres || die "no PostgreSQL server with its development files"
	find_state
	build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
	install_extension "$here/build/pg"
	cluster_start bench "fsync = off" "pg_lstm.progress = off" \
		"shared_preload_libraries = '$state/install$("$pg_config" --pkglibdir)/pg_lstm'" "max_parallel_workers = 2"
	export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$pg_bin:$PATH"
	psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' \
		-c 'CREATE EXTENSION pg_lstm'
fi
/usr/bin/python3 "$here/bench/speed/run.py" "$@"
[ $has_sql = no ] || cluster_stop bench
