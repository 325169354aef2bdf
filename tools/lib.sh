# shellcheck shell=bash
# What the scripts under tools/ share: talking to a person, becoming root or nobody, and a work area that
# is gone afterwards.  Source it from the top of the tree; it changes no directory and starts nothing.
#
# The work area ($WORK) has a copy of the tree and a copy of the installed PostgreSQL, so that neither the
# checkout nor the system is written to: PostgreSQL finds its files relative to its own executable, hence real
# programs beside links to everything else make a complete installation that truust can be installed into.

set -euo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL

TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)}

# ------------------------------------------------------------------ output

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]
then
	BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' BLUE=$'\e[36m' PLAIN=$'\e[0m'
else
	BOLD='' DIM='' RED='' GREEN='' BLUE='' PLAIN=''
fi
export BOLD DIM RED GREEN BLUE PLAIN

say()
{
	printf '%s\n' "$*"
}

fail()
{
	printf '%s%s%s\n' "$RED" "$*" "$PLAIN" >&2
	exit 1
}

# quiet LOG COMMAND...: runs it with its output in LOG, which is shown (its end) only if it fails.
quiet()
{
	local log=$1

	shift
	if ! "$@" </dev/null >"$log" 2>&1
	then
		tail -n 40 "$log" >&2
		return 1
	fi
}

# ------------------------------------------------------------------ users

# as_root COMMAND...: as root, by sudo if need be; sudo asks only where somebody can answer.
as_root()
{
	if [ "$(id -u)" = 0 ]
	then
		"$@"
	elif ! command -v sudo >/dev/null
	then
		fail "'$1' needs root: run it as root, or install sudo"
	elif [ -n "${CI:-}" ] || ! [ -t 0 ]
	then
		sudo -n "$@"
	else
		sudo "$@"
	fi
}

# initdb refuses root, so servers and tests run as this user when root calls.
TEST_USER=${TEST_USER:-nobody}

# as_user COMMAND...: as an ordinary user, in an environment that has its own home.
as_user()
{
	if [ "$(id -u)" = 0 ]
	then
		HOME=$WORK/home setpriv --reuid="$(id -u "$TEST_USER")" --regid="$(id -g "$TEST_USER")" \
			--clear-groups -- "$@"
	else
		HOME=$WORK/home "$@"
	fi
}

# own PATH...: gives files of the work area to that user.
own()
{
	[ "$(id -u)" != 0 ] || chown -R "$(id -u "$TEST_USER"):$(id -g "$TEST_USER")" "$@"
}

# ------------------------------------------------------------------ work area

# work_area: makes $WORK, and has it removed at exit together with all that still runs in it.
work_area()
{
	local base=${TMPDIR:-/tmp} name

	# Nothing of the caller's shell decides what the tests do.
	for name in ${!PG@} LC_ALL LANGUAGE http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
	do
		case $name in
			PG_CONFIG | PG_VERSION) ;;
			*) unset "$name" ;;
		esac
	done
	export LC_ALL=C TZ=UTC

	# A socket's path must fit into 107 bytes, and neither make nor connection strings take what a shell would quote.
	[[ ${#base} -le 60 && $base =~ ^/[A-Za-z0-9/._+-]*$ ]] || base=/tmp
	WORK=$(mktemp -d "$base/truust.XXXXXX")
	chmod 755 "$WORK"
	mkdir -m 755 "$WORK/home" "$WORK/tmp"
	own "$WORK"
	# Marks every process that is started from here.
	export WORK TRUUST_RUN=$WORK
	export TMPDIR=$WORK/tmp
	at_end work_area_end
}

# at_end FUNCTION: calls it when the script ends, however it ends; the last one given is the first one called.
AT_END=()
at_end()
{
	AT_END=("$1" ${AT_END[@]+"${AT_END[@]}"})
	trap run_at_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

run_at_end()
{
	local status=$? call

	trap - EXIT
	trap '' INT TERM HUP
	set +e
	for call in ${AT_END[@]+"${AT_END[@]}"}
	do
		"$call"
	done
	exit "$status"
}

# alive PID: it exists and is more than an entry that nobody has reaped.
alive()
{
	local state

	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true)
	[ -n "$state" ] && [ "$state" != Z ]
}

# still_running: the processes of this work area, except this shell and its children that do the asking.
still_running()
{
	local file pid

	# The server writes over its environment, so it is known by its pid file.
	while IFS= read -r file
	do
		pid=$(head -n 1 "$file" 2>/dev/null || true)
		if [ -n "$pid" ] && alive "$pid"
		then
			echo "$pid"
		fi
	done < <(find "$WORK" -name postmaster.pid 2>/dev/null)

	for file in /proc/[0-9]*/environ
	do
		pid=${file#/proc/}
		pid=${pid%/environ}
		if grep -qsz "^TRUUST_RUN=$WORK\$" "$file" 2>/dev/null && ! ancestor "$pid" && alive "$pid"
		then
			echo "$pid"
		fi
	done
}

# ancestor PID: is it one of the processes that this one runs under?
ancestor()
{
	local pid=$BASHPID

	while [ "${pid:-0}" -gt 1 ]
	do
		[ "$pid" != "$1" ] || return 0
		pid=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
	done
	return 1
}

work_area_end()
{
	local pid try left

	for try in TERM TERM QUIT KILL
	do
		left=$(still_running | sort -u)
		[ -n "$left" ] || break
		for pid in $left
		do
			kill -"$try" "$pid" 2>/dev/null
		done
		for _ in 1 2 3 4 5 6 7 8 9 10
		do
			[ -n "$(still_running)" ] || break
			sleep 0.3
		done
	done
	if [ -n "${KEEP_WORK:-}" ]
	then
		say "kept: $WORK"
	else
		rm -rf "$WORK"
	fi
}

# copy_tree: the checkout and what was built in it, as $WORK/tree.
copy_tree()
{
	mkdir "$WORK/tree"
	tar -C "$TOP" --exclude=./.git --exclude=./results --exclude=./tmp_check --exclude=./output_iso \
		--exclude=./tmp --exclude=./coverage -cf - . | tar -C "$WORK/tree" -xpf -
	own "$WORK/tree"
}

# pg NAME: a directory or value of the PostgreSQL that is built against.
pg()
{
	"${PG_CONFIG:-pg_config}" "--$1"
}

# copy_server: the installed PostgreSQL with this tree's truust in it, as $WORK/prefix; puts its programs first
# in PATH and sets PG_CONFIG to its own.
copy_server()
{
	local bin lib share include prefix=$WORK/prefix file

	bin=$(pg bindir) lib=$(pg pkglibdir) share=$(pg sharedir) include=$(pg includedir-server)
	mkdir -p "$prefix$bin" "$prefix$lib" "$prefix$share/extension" "$prefix$(dirname "$include")"
	for file in postgres initdb pg_ctl psql pg_config pg_dump pg_dumpall pg_restore pg_isready pg_basebackup \
		pg_controldata pg_resetwal pg_waldump pg_rewind pg_upgrade pg_archivecleanup pgbench createdb dropdb vacuumdb
	do
		[ ! -e "$bin/$file" ] || cp "$(readlink -f "$bin/$file")" "$prefix$bin/$file"
	done
	ln -s "$lib"/* "$prefix$lib/"
	for file in "$share"/*
	do
		[ "$file" = "$share/extension" ] || ln -s "$file" "$prefix$share/"
	done
	ln -s "$share"/extension/* "$prefix$share/extension/"
	# A truust that is installed in the system is not the one to test.
	rm -rf "$prefix$lib/truust.so" "$prefix$share"/extension/truust[.-]*
	ln -s "$include" "$prefix$include"
	quiet "$WORK/install.log" make -C "$TOP" --no-print-directory PG_CONFIG="${PG_CONFIG:-pg_config}" \
		install DESTDIR="$prefix"
	own "$prefix"
	export PATH=$prefix$bin:$PATH PG_CONFIG=$prefix$bin/pg_config
}
