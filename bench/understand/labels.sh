#!/bin/sh
# labels.sh: accuracy against the number of labels.
#
#   PGHOST=... labels.sh DATA_DIRECTORY [SET:INPUT:TARGET ...]
#
# For each set trains on 20, 50 and 200 rows of each label and on all rows of train.tsv.gz, the
# first two also from a language model of the whole column (warm_start), and prints the accuracy on valid.tsv.gz.
# Needs psql and a server with the extension; makes and drops tables few_train, few_valid, few_now.
set -eu
data=${1:?DATA_DIRECTORY}
shift
[ $# -gt 0 ] || set -- it_tickets:text:label bug_reports:summary:resolution airline_tweets:text:label

ask()
{
	psql -XqAt -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" "$@" | tail -n 1
}

load()
{
	columns=$(zcat "$2" | head -n 1 | sed 's/\t/" text, "/g')
	ask -c "DROP TABLE IF EXISTS $1" -c "CREATE TABLE $1 (\"$columns\" text)" \
		-c "\\copy $1 FROM PROGRAM 'zcat $2' WITH (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b', NULL '\\N')"
}

# measure INPUT TARGET ROWS_OF_A_LABEL OPTIONS
measure()
{
	ask -c "DROP TABLE IF EXISTS few_now" \
		-c "CREATE TABLE few_now AS SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY \"$2\" ORDER BY md5(\"$1\")) AS few_n FROM few_train) s WHERE few_n <= $3" \
		-c "SELECT version FROM lstm_train('few_now', '$1', '$2', model => 'few', options => '$4')" \
		-c "SELECT round((metrics->>'accuracy')::numeric, 3) FROM lstm_evaluate('few', 'few_valid', '$1', '$2')"
}

printf '%-16s %8s %8s %8s\n' set labels plain warm
for set
do
	name=${set%%:*}
	rest=${set#*:}
	input=${rest%%:*}
	target=${rest#*:}
	load few_train "$data/$name/train.tsv.gz"
	load few_valid "$data/$name/valid.tsv.gz"
	ask -c "SELECT version FROM lstm_train('few_train', '$input', model => 'few_language')" >/dev/null
	for n in 20 50 200 1000000
	do
		plain=$(measure "$input" "$target" $n '{}')
		warm=-
		[ $n -gt 50 ] || warm=$(measure "$input" "$target" $n '{"warm_start": "few_language"}')
		[ $n -lt 1000000 ] || n=all
		printf '%-16s %8s %8s %8s\n' "$name" "$n" "$plain" "$warm"
	done
	ask -c "DROP TABLE few_train, few_valid, few_now" -c "SELECT lstm_drop('few')" -c "SELECT lstm_drop('few_language')" >/dev/null
done
