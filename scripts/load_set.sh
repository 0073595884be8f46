#!/bin/sh
# Load one file of tab-separated values (gzip, one header row, no quoting) into
# a new table.
#
#   sh scripts/load_set.sh FILE.tsv.gz TABLE [psql argument...]
#
# Columns are named by the header.  A column is real[] if its first value is an
# array literal, float8 if it is a number and the file has no text to learn
# from (a plain time series), else text; \N is NULL.
set -eu
file=$1
table=$2
shift 2

[ -r "$file" ] || { echo "load_set: cannot read $file" >&2; exit 1; }

# Backspace, which such a file does not hold, stands for "no quote character".
columns=$(gzip -dc "$file" | awk -F '\t' '
	function is_number(s) { return s ~ /^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$/ }
	NR == 1 { n = split($0, name, FS); next }
	NR <= 1000 {
		for (i = 1; i <= n; i++)
		{
			if ($i == "" || $i == "\\N")
				continue
			n_values[i]++
			if ($i ~ /^[{]/)
				n_arrays[i]++
			else if (is_number($i))
				n_numbers[i]++
		}
		next
	}
	{ exit }
	END {
		is_series = 1
		for (i = 1; i <= n; i++)
			if (name[i] ~ /^(label|text|tokens|pixels|caption|features|title)$/ || n_arrays[i] > 0)
				is_series = 0
		for (i = 1; i <= n; i++)
		{
			quoted = name[i]
			gsub(/"/, "\"\"", quoted)
			type = "text"
			if (n_values[i] > 0 && n_arrays[i] == n_values[i])
				type = "real[]"
			else if (is_series && n_values[i] > 0 && n_numbers[i] == n_values[i])
				type = "float8"
			printf "%s\"%s\" %s", (i > 1 ? ", " : ""), quoted, type
		}
	}')

# An empty number is NULL, an empty text is an empty text.
case $columns in
	*float8*) null= ;;
	*) null='\N' ;;
esac

gzip -dc "$file" | psql -X -q -v ON_ERROR_STOP=1 "$@" -c "CREATE TABLE $table ($columns)" \
	-c "COPY $table FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b', NULL '$null')"
