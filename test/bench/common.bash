# What the benchmarks share. Sourced; then we are at the top of the tree.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# query SQL...: each in a transaction of its own.
query()
{
	local sql arguments=(-c "SET client_min_messages = warning")

	for sql in "$@"
	do
		arguments+=(-c "$sql")
	done
	psql -XAtq -v ON_ERROR_STOP=1 "${arguments[@]}"
}

# wait_for SQL: until it says t, for ten minutes at most.
wait_for()
{
	for _ in $(seq 6000)
	do
		[ "$(query "$1")" != t ] || return 0
		sleep 0.1
	done
	echo "never true: $1" >&2
	return 1
}

# control METHOD PATH [BODY]: of the simulator.
control()
{
	curl -sS --noproxy '*' --fail -X "$1" "$TRUUST_SIM$2" ${3:+--data "$3"} >/dev/null
}

# Of the numbers on standard input.
median()
{
	grep . | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

divide()
{
	awk -v a="$1" -v b="$2" -v f="${3:-%.2f}" 'BEGIN { printf f, a / b }'
}

# row WHAT NUMBER BOUND LIMIT
row()
{
	printf '%s\t%s\t%s\t%s\n' "$@"
}

# Pid of a worker of this database.
worker_pid()
{
	local pid="SELECT pid FROM pg_stat_activity WHERE backend_type = '$1' AND datname = current_database()"

	wait_for "SELECT EXISTS ($pid)"
	query "$pid"
}

# kB of memory that is a process's own.
anonymous()
{
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status"
}
