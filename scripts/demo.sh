#!/bin/sh
# See it work: build pg_lstm, start a private PostgreSQL in the project's folder,
# train a network on real rows and ask it for answers in SQL.
#
#   sh scripts/demo.sh                          descriptions of Debian packages
#   sh scripts/demo.sh SET [INPUT [TARGET]]     a set of ../shared/data, by name
#   sh scripts/demo.sh stop                     end the server, keep its data
#   sh scripts/demo.sh reset                    end it and forget everything
#
# Run as root or as a user with sudo (missing Debian packages are installed), or
# as anybody when nothing is missing.  Existing clusters are left alone.  A second
# run finds the server, the rows and the model and only asks for answers.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"

# Enough for good answers, few enough for a demo of a minute or two.
n_documents=12000
data_dir=${PG_LSTM_DATA:-$here/../shared/data}

sql()
{
	cluster_psql demo demo -P pager=off "$@"
}

# One value.
ask()
{
	sql -A -t -c "$1"
}

# Show a statement as it would be typed, then what it returns.
show()
{
	say
	say "$1" | sed 's/^/    /'
	say
	sql -c "$1"
}

heading()
{
	printf '\n%s\n' "---- $* ----"
}

# ---- the server ---------------------------------------------------------------

start_server()
{
	if ! build_extension
	then
		tail -n 30 "$here/build/pg.log"
		die "pg_lstm does not build (build/pg.log)"
	fi
	install_extension "$here/build/pg" || die "pg_lstm could not be installed into $state"
	cluster_start demo || die "the private server did not start ($state/demo/log)"
	[ "$(cluster_psql demo postgres -A -t -c "SELECT count(*) FROM pg_database WHERE datname = 'demo'")" = 1 ] ||
		cluster_psql demo postgres -c 'CREATE DATABASE demo' || exit 1

	# A changed script (in development, the version stays) means new functions.
	script=$(cksum "$here"/sql/pg_lstm--*.sql "$here/pg_lstm.control" | cksum)
	if [ "$script" != "$(cat "$state/demo/script" 2>/dev/null)" ] ||
		[ "$(ask "SELECT count(*) FROM pg_extension WHERE extname = 'pg_lstm'")" != 1 ]
	then
		sql -c 'SET client_min_messages = warning' -c 'DROP EXTENSION IF EXISTS pg_lstm CASCADE' \
			-c 'CREATE EXTENSION pg_lstm' || exit 1
		say "$script" >"$state/demo/script"
	fi
	say "PostgreSQL $pg_major runs in $state/demo and listens in $socket only."
}

# ---- rows ---------------------------------------------------------------------

# The long texts are in the lists that apt calls translations, which containers
# leave out: then fetch lists into a folder of our own, without changing apt's.
apt_options=
find_apt_lists()
{
	lists=/var/lib/apt/lists
	if ls "$lists"/*Translation-en* >/dev/null 2>&1 && [ "$(apt-cache dumpavail | grep -c '^Package:')" -gt 10000 ]
	then
		return
	fi
	own=$local_dir/apt
	mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
	own_options="-o Dir::State::Lists=$own/lists -o Dir::Cache=$own/cache -o Acquire::Languages=en -o APT::Sandbox::User=root"
	# shellcheck disable=SC2086
	if ls "$own"/lists/*Translation-en* >/dev/null 2>&1 ||
		apt-get -q $own_options update >"$own/log" 2>&1
	then
		lists=$own/lists
		apt_options=$own_options
	else
		say "The lists with the long descriptions could not be fetched ($own/log); the short ones must do."
	fi
}

# Write name, source, section, description of every package as TSV.
package_rows()
{
	for list in "$lists"/*Translation-en*
	do
		[ ! -f "$list" ] || /usr/lib/apt/apt-helper cat-file "$list"
	done >"$work/translations"
	# shellcheck disable=SC2086
	apt-cache $apt_options dumpavail >"$work/available"
	awk '
	function flush_record()
	{
		if (reading_texts)
		{
			if (md5 != "")
				text_of[md5] = text
		}
		else if (name != "" && section != "" && !(name in seen))
		{
			seen[name] = 1
			if (md5 in text_of)
				text = text_of[md5]
			sub(/^.*\//, "", section)
			gsub(/[\t\b]/, " ", text)
			if (text != "")
				print name "\t" (source != "" ? source : name) "\t" section "\t" text
		}
		name = source = section = text = md5 = ""
		in_text = 0
	}
	BEGIN { print "name\tsource\tsection\tdescription" }
	FNR == 1 { flush_record(); reading_texts = (FILENAME == ARGV[1]) }
	/^$/ { flush_record(); next }
	/^ / {
		if (in_text)
		{
			sub(/^ +/, "")
			# A lone full stop parts paragraphs.
			text = text ($0 == "." ? "" : " " $0)
		}
		next
	}
	{ in_text = 0 }
	/^Package: / { name = $2 }
	/^Source: / { source = $2 }
	/^Section: / { section = $2 }
	/^Description-md5: / { md5 = $2 }
	/^Description(-en)?: / { text = $0; sub(/^[^:]*: /, "", text); in_text = 1 }
	END { flush_record() }
	' "$work/translations" "$work/available"
}

load_packages()
{
	find_apt_lists
	package_rows | gzip -1 >"$work/packages.tsv.gz"
	sql -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS packages, packages_unseen, all_packages'
	PATH="$pg_bin:$PATH" sh "$here/scripts/load_set.sh" "$work/packages.tsv.gz" all_packages \
		-h "$socket" -p 5432 -U postgres -d demo || exit 1
	[ "$(ask 'SELECT count(*) > 1000 FROM all_packages')" = t ] ||
		die "apt knows too few packages here to learn from: run apt-get update as root"

	# Packages of one source have nearly the same text.  So we keep one of them
	# for each section, and pick sources, and those not to be seen, by a hash:
	# no text has a twin on the other side.
	sql <<-SQL || exit 1
		CREATE TEMP TABLE sources AS
		SELECT DISTINCT ON (source, section) name, source, section, description
		FROM all_packages ORDER BY source, section, name;
		DELETE FROM sources WHERE section IN
			(SELECT section FROM sources GROUP BY 1 HAVING count(*) < 40);
		CREATE TEMP TABLE picked AS
		SELECT name, section, description, hashtext(source || ' ') % 10 = 0 AS is_unseen
		FROM sources
		WHERE hashtext(source)::float8 + 2147483648
		      < 4294967296 * $n_documents / (SELECT count(*) FROM sources);
		CREATE TABLE packages AS
		SELECT name, CASE WHEN NOT is_unseen THEN section END AS section, description
		FROM picked;
		CREATE TABLE packages_unseen AS
		SELECT name, section, description FROM picked WHERE is_unseen;
		DROP TABLE all_packages;
		COMMENT ON TABLE packages IS 'packages with their descriptions; section is NULL where a model is to tell it';
		COMMENT ON TABLE packages_unseen IS 'the true sections of the packages whose section is NULL in packages';
	SQL
}

# column_of TABLE CANDIDATE...: the first candidate that is a column.
column_of()
{
	column_table=$1
	shift
	for candidate in "$@"
	do
		if [ "$(ask "SELECT count(*) FROM pg_attribute WHERE attrelid = '$column_table'::regclass AND attname = '$candidate' AND attnum > 0")" = 1 ]
		then
			say "$candidate"
			return
		fi
	done
}

load_named_set()
{
	for file in train valid
	do
		table=$relation
		[ $file = train ] || table=${relation}_unseen
		sql -c 'SET client_min_messages = warning' -c "DROP TABLE IF EXISTS $table"
		[ ! -f "$data_dir/$relation/$file.tsv.gz" ] ||
			PATH="$pg_bin:$PATH" sh "$here/scripts/load_set.sh" "$data_dir/$relation/$file.tsv.gz" "$table" \
				-h "$socket" -p 5432 -U postgres -d demo || exit 1
	done
	# A set without a file of its own for it: every tenth row is not learned from.
	[ "$(ask "SELECT to_regclass('${relation}_unseen') IS NULL")" = f ] ||
		sql <<-SQL || exit 1
			CREATE TABLE ${relation}_unseen AS
			SELECT * FROM $relation WHERE hashtext($relation::text) % 10 = 0;
			DELETE FROM $relation WHERE hashtext($relation::text) % 10 = 0;
		SQL
}

# ---- the tour -----------------------------------------------------------------

tell_sentiment()
{
	[ -f "$here/models/sentiment_en.safetensors" ] || return
	heading "Sentiment, with the model that comes with the extension"
	show "SELECT sentiment(body), round(sentiment_score(body)::numeric, 2) AS score, body
FROM (VALUES ('The room was spotless and the staff could not have been kinder.'),
             ('Two hours on hold, and then they hung up on me.'),
             ('The update is not bad at all, it even starts faster.'),
             ('I wanted to like this book, but the ending ruins it.'),
             ('The parcel holds a cable and a manual.')) AS reviews (body);"
}

learn()
{
	heading "Training on $relation: $target from $input"
	say "$(ask "SELECT count(*) FROM $relation WHERE \"$target\" IS NOT NULL") rows with $target known, $(ask "SELECT count(DISTINCT \"$target\") FROM $relation") different ones;"
	say "$(ask "SELECT count(*) FROM ${relation}_unseen") other rows are kept to see how good the answers are."
	show "SELECT model, version, rows, epochs, round(seconds) AS seconds
FROM lstm_train('$relation', '$input', target => '$target');" || exit 1
}

judge()
{
	heading "Accuracy on the rows it did not see"
	show "SELECT rows, round((metrics->>'accuracy')::numeric, 3) AS accuracy, round((metrics->>'macro_f1')::numeric, 3) AS macro_f1
FROM lstm_evaluate('$model', '${relation}_unseen', '$input', '$target');" || exit 1

	heading "Answers for some of them"
	if [ "$relation" = packages ]
	then
		show "SELECT name, a.label, round(a.probability::numeric, 2) AS probability, section AS truth
FROM packages_unseen, lstm_classify('$model', description) AS a
ORDER BY md5(name) LIMIT 10;" || exit 1
		show "SELECT * FROM lstm_probabilities('$model', 'A fast editor for people who write music scores', top => 3);"
	else
		show "SELECT a.label, round(a.probability::numeric, 2) AS probability, u.\"$target\" AS truth, left(u.\"$input\"::text, 60) AS input
FROM (SELECT * FROM ${relation}_unseen LIMIT 10) AS u, lstm_classify('$model', u.\"$input\") AS a;" || exit 1
	fi
}

farewell()
{
	heading "Yours"
	# As root no password or switch of user is needed, as the user of the server neither.
	say "Go on with:   $pg_bin/psql -h $socket -U postgres demo"
	say "for instance: SELECT * FROM lstm_models;"
	if [ "$relation" = packages ]
	then
		say "              UPDATE packages SET section = lstm_predict('$model', description) WHERE section IS NULL;"
	fi
	say "End it with:  sh scripts/demo.sh stop"
	say "This took $(($(date +%s) - started)) s."
}

# ---- run ----------------------------------------------------------------------

started=$(date +%s)
action=${1:-packages}
case $action in
	stop | reset)
		find_postgres || exit 0
		find_state
		if [ "$action" = stop ]
		then
			cluster_stop demo
			say "The demo's server is stopped; sh scripts/demo.sh starts it again."
		else
			cluster_remove demo
			rm -rf "$local_dir/apt"
			say "The demo's server and its data are gone."
		fi
		exit 0
		;;
	-*)
		sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
		exit 1
		;;
esac

relation=$action
if [ "$relation" != packages ]
then
	case $relation in *[!a-z0-9_]*) die "no such set: $relation" ;; esac
	[ -f "$data_dir/$relation/train.tsv.gz" ] ||
		die "no such set: $data_dir/$relation/train.tsv.gz is not there"
fi

sh "$here/scripts/setup.sh" demo || exit 1
find_postgres || die "no PostgreSQL with its development files"
find_state
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

heading "Building, and a private server"
start_server
tell_sentiment

if [ "$(ask "SELECT to_regclass('${relation}_unseen') IS NULL")" = t ]
then
	heading "Loading rows"
	if [ "$relation" = packages ]
	then
		load_packages
		say "Descriptions of packages from apt's lists, at most about $n_documents of them so that this stays short."
	else
		load_named_set
		say "$data_dir/$relation"
	fi
fi

if [ "$relation" = packages ]
then
	input=description
	target=section
else
	input=${2:-$(column_of "$relation" text pixels series tokens title summary)}
	target=${3:-$(column_of "$relation" label intent ticket_type resolution event_id)}
	[ -n "$input" ] && [ -n "$target" ] || die "say which columns: sh scripts/demo.sh $relation INPUT TARGET"
fi
model=${relation}_$target

if [ "$(ask "SELECT count(*) FROM lstm_models WHERE model = '$model'")" = 0 ]
then
	learn
else
	say
	say "The model $model was trained by an earlier run (sh scripts/demo.sh reset forgets it)."
fi
judge
farewell
