#!/usr/bin/env bash
# What a call costs: one backend against a bare libcurl loop on one kept connection, both against the same simulator in turns;
# many at once against one after the other; memory over many calls; how fast a call lets go when it is cancelled.
# Run by tools/bench.

. "$(dirname "$0")/common.bash"

RUNS=${RUNS:-11}
CALLS=${CALLS:-2000}

query "CREATE EXTENSION truust;
CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '$TRUUST_BASE_URL');
CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_bench');
CREATE FUNCTION gets(n int, id bigint) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE began timestamptz;
BEGIN
    PERFORM truust_get_order(id);
    began := clock_timestamp();
    PERFORM count((truust_get_order(id + 0 * g)).id) FROM generate_series(1, n) g;
    RETURN n / extract(epoch FROM clock_timestamp() - began);
END \$\$;
CREATE FUNCTION creates(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE began timestamptz;
BEGIN
    PERFORM truust_create_order(name => 'Bench', value => 1);
    began := clock_timestamp();
    PERFORM count((truust_create_order(name => 'Bench', value => 10 + 0 * g)).id) FROM generate_series(1, n) g;
    RETURN n / extract(epoch FROM clock_timestamp() - began);
END \$\$;"
query "SELECT truust_pause('webhooks', 'bench')" >/dev/null
order=$(query "SELECT id FROM truust_create_order(name => 'Bench', value => 10)")

# One session for all of it.
coproc SESSION { psql -XAtq 2>&1; }
tell()
{
	printf '%s\n\\echo end-of-answer\n' "$1" >&"${SESSION[1]}"
	while read -r line <&"${SESSION[0]}" && [ "$line" != end-of-answer ]
	do
		echo "$line"
	done
}

# ------------------------------------------------------------------ memory

pid=$(tell "SELECT pg_backend_pid();")
resident()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
}
tell "SELECT gets(1000, $order);" >/dev/null
before=$(resident) fds=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
tell "SELECT gets(10000, $order) FROM generate_series(1, 10);" >/dev/null
row "backend's memory: 100,000 calls after the first thousand" "$(($(resident) - before)) kB more" "$before kB before" \
	"$(($(find "/proc/$pid/fd" -mindepth 1 | wc -l) - fds)) more descriptors (limit 1024 kB)"

# ------------------------------------------------------------------ one after the other

# compare LIMIT WHAT SQL BARE...: runs take turns, and the ratio is the median of those of neighbours, so that both see the same machine.
compare()
{
	local limit=$1 what=$2 sql=$3 ours='' bare='' ratios='' ours_now bare_now

	shift 3
	for _ in $(seq "$RUNS")
	do
		ours_now=$(tell "$sql;")
		bare_now=$(test/bench/bare_http "$@")
		ours+="$ours_now"$'\n'
		bare+="$bare_now"$'\n'
		ratios+="$(divide "$ours_now" "$bare_now" %.4f)"$'\n'
	done
	ours=$(grep . <<<"$ours" | median)
	bare=$(grep . <<<"$bare" | median)
	row "$what" "$(divide "$ours" 1 %.0f)/s" "bare libcurl loop $(divide "$bare" 1 %.0f)/s" \
		"ratio $(divide "$(grep . <<<"$ratios" | median)" 1) (limit $limit)"
}

compare 0.85 "truust_get_order, one backend" "SELECT gets($CALLS, $order)" "$TRUUST_BASE_URL/orders/$order" "$CALLS"
compare 0.75 "truust_create_order, one backend, noted in truust.orders" "SELECT creates($CALLS)" \
	"$TRUUST_BASE_URL/orders" "$CALLS" '{"name":"Bench","value":10}'

printf '\\q\n' >&"${SESSION[1]}"
wait "$SESSION_PID" 2>/dev/null || true

# ------------------------------------------------------------------ many at once

control POST /_sim/orders/bulk '{"count": 1000, "status": "DRAFT"}'
control POST /_sim/settings '{"delay_ms": 20}'
ids="(SELECT array_agg(id) FROM (SELECT id FROM truust_list_orders(per_page => 100, max_rows => 1000)) o)"
# elapsed SQL: seconds, after one call that opens the connections.
elapsed()
{
	query "SET truust.max_connections = 8; CREATE TEMP TABLE wanted AS SELECT $ids AS ids;
		DO \$\$ DECLARE began timestamptz;
		BEGIN
			PERFORM count(*) FROM truust_get_orders((SELECT ids[1:8] FROM wanted));
			began := clock_timestamp();
			$1;
			PERFORM set_config('bench.took', extract(epoch FROM clock_timestamp() - began)::text, false);
		END \$\$;
		SELECT current_setting('bench.took')" | tail -n 1
}
together=$(elapsed "PERFORM count(*) FROM truust_get_orders((SELECT ids FROM wanted))")
one_by_one=$(elapsed "PERFORM count(*) FROM unnest((SELECT ids[1:100] FROM wanted)) i, LATERAL truust_get_order(i)")
row "truust_get_orders, 1,000 ids at 20 ms, 8 connections" "$(divide "$together" 1 %.2f) s" \
	"one by one $(divide "$one_by_one" 0.1 %.1f) s (from 100)" "$(divide "$(divide "$one_by_one" 0.1 %f)" "$together" %.1f) times faster (limit 7, bound 8)"
control POST /_sim/settings '{"delay_ms": 0}'

# ------------------------------------------------------------------ letting go

# Milliseconds from the cancel to the error, of 200 calls, the shortest first.
late()
{
	local block="DO \$\$ BEGIN PERFORM truust_get_order($order); EXCEPTION WHEN query_canceled THEN
		RAISE WARNING 'late %', extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000 - 50; END \$\$;"

	{
		echo "SET statement_timeout = '50ms';"
		for _ in $(seq 200)
		do
			echo "$block"
		done
	} | psql -Xq 2>&1 | sed -n 's/.*late \(-\{0,1\}[0-9.]*\)$/\1/p' | sort -g
}

let_go()
{
	local times

	times=$(late)
	at()
	{
		sed -n "$1p" <<<"$times" | awk '{ printf "%.1f", $1 }'
	}
	row "cancel, $1: 50 %, 99 %, 100 %" "$(at 100), $(at 198), $(at 200) ms" "$(wc -l <<<"$times") calls" "limit 10 ms at 99 %"
}

control POST /_sim/rules '{"operation": "getOrder", "times": 0, "do": "hang"}'
let_go "a peer that never answers"
control DELETE /_sim/rules
control POST /_sim/rules '{"operation": "getOrder", "times": 0, "do": "drip", "ms": 1000}'
let_go "a peer that drips a byte a second"
control DELETE /_sim/rules

# A peer whose queue of connections is full.
coproc DEAF { perl -MIO::Socket::INET -e '
	$| = 1;
	my $deaf = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1) or die $!;
	my @queue = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $deaf->sockport, Blocking => 0) } 1 .. 8;
	print $deaf->sockport, "\n";
	<STDIN>;'; }
read -r port <&"${DEAF[0]}"
query "ALTER SERVER truust OPTIONS (SET base_url 'http://127.0.0.1:$port/2.0')"
let_go "a peer that never accepts"
eval "exec ${DEAF[1]}>&-"
