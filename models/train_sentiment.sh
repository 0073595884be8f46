#!/bin/sh
# Train models/sentiment_en.safetensors with this extension, from scratch.
#
#   sh models/train_sentiment.sh
#
# Needs the data sets named in models/README.md in ../shared/data (or $DATA).
# Takes about ten minutes on one core and prints the accuracy on each set's valid
# part.  The same data, options and processor kind give the same bytes.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
DATA=${DATA:-$here/../shared/data}
. "$here/scripts/cluster.sh"

[ -d "$DATA/sst2" ] || die "no data sets in $DATA"
sh "$here/scripts/setup.sh"
find_postgres || die "no PostgreSQL server with its development files"
find_state
build_extension || { tail -n 20 "$here/build/pg.log"; exit 1; }
install_extension "$here/build/pg"
cluster_start models "fsync = off"
trap 'cluster_stop models' EXIT
export PGHOST="$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=sentiment PATH="$pg_bin:$PATH"

dropdb --if-exists sentiment
createdb sentiment
for set in sst2 sst5 mr imdb amazon_reviews airline_tweets customer_reviews
do
	for part in train valid
	do
		sh "$here/scripts/load_set.sh" "$DATA/$set/$part.tsv.gz" "${set}_$part"
	done
done
sh "$here/scripts/load_set.sh" "$DATA/glove_100d/vectors.tsv.gz" glove

psql -X -v ON_ERROR_STOP=1 -f "$here/models/train_sentiment.sql"
psql -X -q -A -t -v ON_ERROR_STOP=1 -c "SELECT encode(lstm_export('shipped'), 'base64')" |
	base64 -d >"$here/build/sentiment.safetensors"
margin=$(psql -X -q -A -t -v ON_ERROR_STOP=1 -c "SELECT margin FROM chosen_margin")
python3 "$here/models/set_margin.py" "$here/build/sentiment.safetensors" "$margin" \
	"$here/models/sentiment_en.safetensors"
ls -l "$here/models/sentiment_en.safetensors"
