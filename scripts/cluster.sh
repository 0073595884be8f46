# Shell functions for private PostgreSQL servers; sourced, not run.
#
# The caller has set `here` to the project's folder.  Everything a private
# server needs lies in one folder, $state: the installed extension
# ($state/install) and one folder for each cluster ($state/NAME).  Existing
# clusters are never touched, nothing is installed into the system, and no
# server listens on the network.
#
# $state is .local/USER.  PostgreSQL refuses to run as root, so for root USER is
# "postgres" (or "nobody"); when that user cannot reach the project's folder, a
# clone under /root for instance, $state is a folder under /var/tmp whose name
# is kept in .local/state.USER.
#
# Needs: Debian's or Ubuntu's PostgreSQL, whose extension_destdir setting (or
# extension_control_path, from 18 on) loads an extension from such a folder.

# Under umask 077 the server's user could not read what root installs.
umask 022

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s\n' "$*" >&2
	exit 1
}

# Whether this pg_config tells of makefiles and headers that are there: Debian has
# the makefiles, and pg_config itself, in the package of the client.
can_build_with()
{
	[ -f "$("$1" --pgxs 2>/dev/null)" ] && [ -f "$("$1" --includedir-server 2>/dev/null)/postgres.h" ]
}

# The newest server whose development files are there too.  Sets pg_config,
# pg_major and pg_bin; PG_CONFIG in the environment decides where it is set.
find_postgres()
{
	pg_config=${PG_CONFIG:-}
	if [ -z "$pg_config" ]
	then
		for pg_try in $(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -t / -k 5 -rn)
		do
			if can_build_with "$(dirname "$pg_try")/pg_config"
			then
				pg_config=$(dirname "$pg_try")/pg_config
				break
			fi
		done
	fi
	[ -n "$pg_config" ] && can_build_with "$pg_config" || return 1
	pg_bin=$("$pg_config" --bindir)
	[ -x "$pg_bin/postgres" ] || return 1
	pg_major=$("$pg_config" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
}

# Run a command as the user of the servers.
as_server()
{
	if [ "$(id -u)" -eq 0 ]
	then
		(cd "${state:-/}" && HOME=${state:-/} runuser -u "$server_user" -- "$@")
	else
		(cd "${state:-/}" && "$@")
	fi
}

# Give a folder, which exists, to the user of the servers.
give_to_server()
{
	if [ "$(id -u)" -eq 0 ]
	then
		chown "$server_user" "$@"
	fi
}

# Set server_user and state, and make the folder.
find_state()
{
	server_user=$(id -un)
	if [ "$(id -u)" -eq 0 ]
	then
		if id postgres >/dev/null 2>&1
		then
			server_user=postgres
		else
			server_user=nobody
		fi
	fi

	state=
	local_dir=${PG_LSTM_LOCAL:-$here/.local}
	mkdir -p "$local_dir" && [ -w "$local_dir" ] || die "cannot write to $local_dir"
	local_dir=$(cd "$local_dir" && pwd)
	if [ -f "$local_dir/state.$server_user" ]
	then
		state=$(cat "$local_dir/state.$server_user")
		# Recorded by us, but /var/tmp is everybody's: it must still be ours.
		if [ ! -d "$state" ] || [ -h "$state" ] || [ "$(stat -c %U "$state")" != "$server_user" ]
		then
			state=
		fi
	fi
	if [ -z "$state" ]
	then
		state=$local_dir/$server_user
		mkdir -p "$state"
		give_to_server "$state"
		if ! (as_server test -w "$state" && as_server test -x "$state") 2>/dev/null
		then
			rmdir "$state"
			state=$(mktemp -d /var/tmp/pg_lstm.XXXXXX)
			chmod 755 "$state"
			give_to_server "$state"
		fi
		printf '%s\n' "$state" >"$local_dir/state.$server_user"
	fi
}

# The settings that make a server find the extension in $state/install.
extension_settings()
{
	if "$pg_bin/postgres" --describe-config | grep -q '^extension_destdir	'
	then
		say "extension_destdir = '$state/install'"
	elif [ "$pg_major" -ge 18 ]
	then
		say "extension_control_path = '$state/install$("$pg_config" --sharedir):\$system'"
		say "dynamic_library_path = '$state/install$("$pg_config" --pkglibdir):\$libdir'"
	else
		die "PostgreSQL $pg_major of $pg_bin cannot load an extension from a private folder.
Debian's and Ubuntu's packages can; for another build run make install and make installcheck."
	fi
}

# install_extension BUILD: install what BUILD holds into $state/install.
install_extension()
{
	mkdir -p "$state/install.new" || return 1
	make -s -C "$1" -f "$here/Makefile" PG_CONFIG="$pg_config" \
		DESTDIR="$state/install.new" install >/dev/null || return 1
	# A running server may have the old library mapped: replace, never overwrite.
	rm -rf "$state/install.old"
	[ ! -d "$state/install" ] || mv "$state/install" "$state/install.old"
	mv "$state/install.new" "$state/install"
	rm -rf "$state/install.old"
}

# copy_project TO: the sources, for a build elsewhere.  What TO/build holds from before is kept, so a file
# that has changed gets the time of now, whenever it was edited, and one that has not keeps its time.
copy_project()
{
	rm -rf "$1.new"
	mkdir -p "$1/build" "$1.new" || return 1
	set -- "$1" --exclude=./.git --exclude=./build --exclude=./.local
	case $local_dir in
		"$here"/*) set -- "$@" "--exclude=.${local_dir#"$here"}" ;;
	esac
	copy_to=$1
	shift
	tar -C "$here" "$@" -cf - . | tar -C "$copy_to.new" --no-same-owner -xmf - || return 1
	(cd "$copy_to.new" && find . -name '*.[ch]' -o -name Makefile -o -name '*.mk') |
		while IFS= read -r copied
		do
			cmp -s "$copy_to.new/$copied" "$copy_to/$copied" && touch -r "$copy_to/$copied" "$copy_to.new/$copied"
		done
	mv "$copy_to/build" "$copy_to.new/build" && rm -rf "$copy_to" && mv "$copy_to.new" "$copy_to"
}

# build_extension [VARIABLE=VALUE...]: build/pg, with its log in build/pg.log.
build_extension()
{
	mkdir -p "$here/build/pg"
	make -j"$(nproc)" -C "$here/build/pg" -f "$here/Makefile" PG_CONFIG="$pg_config" "$@" \
		>"$here/build/pg.log" 2>&1
}

# cluster_start NAME [SETTING...]: make the cluster if need be, start it if it
# does not run.  Sets socket, the folder to give to psql -h.
cluster_start()
{
	cluster=$state/$1
	name=$1
	shift

	if [ ! -s "$cluster/data/PG_VERSION" ] || [ "$(cat "$cluster/data/PG_VERSION")" != "$pg_major" ]
	then
		cluster_remove "$name"
		mkdir "$cluster" || return 1
		give_to_server "$cluster"
		as_server "$pg_bin/initdb" -D "$cluster/data" -U postgres -A trust -N \
			-E UTF8 --locale=C.UTF-8 >"$cluster/initdb.log" 2>&1 ||
			{ cat "$cluster/initdb.log"; return 1; }
		say "include '../settings.conf'" >>"$cluster/data/postgresql.conf"
	fi

	# Access by a socket in a folder that only the server's user (and root) can
	# enter: that is what protects a cluster that trusts its clients.
	socket=$(cat "$cluster/socket" 2>/dev/null) || socket=
	if [ -z "$socket" ] || [ ! -d "$socket" ] || [ -h "$socket" ] || [ "$(stat -c %U "$socket")" != "$server_user" ]
	then
		socket=$(mktemp -d /tmp/pg_lstm.XXXXXX) || return 1
		give_to_server "$socket"
		say "$socket" >"$cluster/socket"
	fi

	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$socket'"
		say "port = 5432"
		say "shared_buffers = 128MB"
		say "max_wal_size = 1GB"
		extension_settings
		for setting in "$@"
		do
			say "$setting"
		done
	} >"$cluster/settings.new" || return 1
	changed=no
	cmp -s "$cluster/settings.new" "$cluster/settings.conf" || changed=yes
	mv "$cluster/settings.new" "$cluster/settings.conf"

	if as_server "$pg_bin/pg_ctl" -D "$cluster/data" status >/dev/null 2>&1
	then
		[ $changed = yes ] || return 0
		as_server "$pg_bin/pg_ctl" -D "$cluster/data" -m fast -w stop >/dev/null
	fi
	as_server "$pg_bin/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -t 60 start \
		>"$cluster/start.log" 2>&1 </dev/null ||
		{ cat "$cluster/start.log"; tail -n 20 "$cluster/log"; return 1; }
}

# cluster_stop NAME: end the server, keep the data.
cluster_stop()
{
	if [ -d "$state/$1/data" ] && as_server "$pg_bin/pg_ctl" -D "$state/$1/data" status >/dev/null 2>&1
	then
		as_server "$pg_bin/pg_ctl" -D "$state/$1/data" -m fast -w stop >/dev/null
	fi
	if [ -f "$state/$1/socket" ]
	then
		rmdir "$(cat "$state/$1/socket")" 2>/dev/null
		rm -f "$state/$1/socket"
	fi
}

# cluster_remove NAME: end the server and forget its data.
cluster_remove()
{
	if [ -d "$state/$1" ]
	then
		cluster_stop "$1"
		rm -rf "${state:?}/$1"
	fi
}

# cluster_psql NAME DATABASE [ARGUMENT...]
cluster_psql()
{
	psql_socket=$(cat "$state/$1/socket")
	psql_database=$2
	shift 2
	"$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$psql_socket" -p 5432 -U postgres -d "$psql_database" "$@"
}
