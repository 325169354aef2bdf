#!/usr/bin/env bash
# What the receiver costs: webhooks a second through truust-receiver on 64 kept connections against single-row inserts
# of the same row by pgbench, in turns on the same server; how long an answer takes; memory over many requests.
# Run by tools/bench; needs PG* variables, pgbench, wrk and curl.

. "$(dirname "$0")/common.bash"

RUNS=${RUNS:-3}
SECONDS_EACH=${SECONDS_EACH:-5}
REQUESTS=${REQUESTS:-1000000}
CONNECTIONS=64

scratch=$(mktemp -d)
receiver=
cleanup()
{
	[ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
	[ -z "$receiver" ] || wait "$receiver" 2>/dev/null || true
	rm -rf "$scratch"
}
trap cleanup EXIT

# ------------------------------------------------------------------ the table, the row, the programs

if [ "$(query "SELECT count(*) FROM pg_available_extensions WHERE name = 'truust'")" = 1 ]
then
	query "CREATE EXTENSION IF NOT EXISTS truust"
	query "SELECT truust_pause('webhooks', 'intake is measured')" >/dev/null
else
	query "CREATE SCHEMA truust; CREATE TABLE truust.webhooks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		received_at timestamptz NOT NULL DEFAULT now(), event text, headers jsonb, body bytea NOT NULL)"
fi
[ "$(query 'SHOW fsync')$(query 'SHOW synchronous_commit')" = onon ] || { echo 'the server is not durable' >&2; exit 1; }

body='[{"escrow": {"id": "7654321", "name": "Blue bicycle", "amount": 120.5, "currency": "EUR", "status": "PUBLISHED", "tag": "shop-4711", "metadata": {"cart": 4711}, "auto_settled": "0"}, "platform": "example", "payin": {"id": 1234567, "reference_id": "R1", "escrow_id": 7654321, "type": "REDSYS_V2", "status": "CONFIRMED"}}]'
headers="{\"host\": \"127.0.0.1\", \"content-type\": \"application/json\", \"content-length\": \"${#body}\"}"
printf "INSERT INTO truust.webhooks (received_at, event, headers, body) VALUES (now(), 'order.published', '%s', convert_to('%s', 'UTF8'));\n" \
	"$headers" "$body" >"$scratch/insert.sql"
cat >"$scratch/post.lua" <<EOF
wrk.method = "POST"
wrk.body = '$body'
wrk.headers["Content-Type"] = "application/json"
EOF
echo token-of-the-bench >"$scratch/tokens"
chmod 600 "$scratch/tokens"

src/receiver/truust-receiver --listen 127.0.0.1:0 --token-file "$scratch/tokens" --spool "$scratch/spool" \
	>"$scratch/out" 2>"$scratch/log" &
receiver=$!
until grep -q '^listening on' "$scratch/out"
do
	kill -0 "$receiver" 2>/dev/null || { cat "$scratch/log" >&2; exit 1; }
	sleep 0.1
done
address=$(sed -n 's/^listening on //p' "$scratch/out")

metric()
{
	curl -sS --noproxy '*' "http://$address/metrics" | sed -n "s/^truust_receiver_$1 //p"
}

# Requests a second and the 99th percentile in ms, for this many seconds.
load()
{
	wrk -t 1 -c "$CONNECTIONS" -d "${1}s" --latency -s "$scratch/post.lua" \
		"http://$address/hooks/token-of-the-bench/order.published" >"$scratch/wrk"
	if grep -q -e 'Non-2xx' -e 'Socket errors' "$scratch/wrk"
	then
		cat "$scratch/wrk" >&2
		return 1
	fi
	awk '/99%/ { p = $2; n = p + 0; if (p ~ /us$/) n /= 1000; else if (p ~ /[0-9]s$/) n *= 1000 }
		/Requests\/sec/ { print $2, n }' "$scratch/wrk"
}

empty()
{
	query 'TRUNCATE truust.webhooks' >/dev/null
	query 'CHECKPOINT'
}

# ------------------------------------------------------------------ in turns

load 1 >/dev/null
for ((run = 0; run < RUNS; run++))
do
	empty
	pgbench -n -c 16 -j 2 -M prepared -T "$SECONDS_EACH" -f "$scratch/insert.sql" 2>/dev/null |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p' >>"$scratch/inserts"
	empty
	load "$SECONDS_EACH" >>"$scratch/loads"
done
inserts=$(median <"$scratch/inserts")
webhooks=$(cut -d ' ' -f 1 "$scratch/loads" | median)
tail_ms=$(cut -d ' ' -f 2 "$scratch/loads" | median)
ratio=$(paste -d ' ' "$scratch/loads" "$scratch/inserts" | awk '{ print $1 / $3 }' | median)
row "webhooks a second, $CONNECTIONS connections" "$(printf '%.0f' "$webhooks")" \
	"$(printf 'single-row inserts, pgbench -c 16: %.0f' "$inserts")" "$(printf '%.2f' "$ratio")"
row "99th percentile of an answer, ms" "$(printf '%.1f' "$tail_ms")" 'limit 20' \
	"$(awk -v ms="$tail_ms" 'BEGIN { print ms < 20 ? "ok" : "over" }')"
row 'rows in a commit' "$(awk -v r="$(metric batch_rows_sum)" -v n="$(metric batch_rows_count)" 'BEGIN { printf "%.1f", r / n }')" '' ''

# ------------------------------------------------------------------ memory

resident()
{
	sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$receiver/status"
}

before=$(resident)
until [ "$(metric accepted_total)" -ge "$REQUESTS" ]
do
	empty
	load 5 >/dev/null
done
row "resident memory after $(metric accepted_total) webhooks, kB" "$(resident)" "before the last part of them: $before" \
	"$(awk -v a="$(resident)" -v b="$before" 'BEGIN { printf "%.2f", a / b }')"
empty
