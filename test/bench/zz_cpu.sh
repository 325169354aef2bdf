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
    PERFORM count(o.id) FROM generate_series(1, n) g, LATERAL truust_get_order(id + 0 * g) o;
    RETURN n / extract(epoch FROM clock_timestamp() - began);
END \$\$;
CREATE FUNCTION creates(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE began timestamptz;
BEGIN
    PERFORM truust_create_order(name => 'Bench', value => 1);
    began := clock_timestamp();
    PERFORM count(o.id) FROM generate_series(1, n) g, LATERAL truust_create_order(name => 'Bench', value => 10 + 0 * g) o;
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
tell "SELECT gets(3000, $order), creates(1000);" >/dev/null
cpu() { awk '{print $14, $15}' /proc/$pid/stat; }
for i in 1 2 3; do
read u s < <(cpu); tell "SELECT gets(20000, $order);"; read u2 s2 < <(cpu); echo "gets: user $(( (u2-u)*10000/20000 )) sys $(( (s2-s)*10000/20000 )) us"
bash -c "time test/bench/bare_http $TRUUST_BASE_URL/orders/$order 20000" 2>&1 | grep -v real | tr '\n' ' '; echo
read u s < <(cpu); tell "SELECT creates(10000);"; read u2 s2 < <(cpu); echo "creates: user $(( (u2-u)*10000/10000 )) sys $(( (s2-s)*10000/10000 )) us"
bash -c "time test/bench/bare_http $TRUUST_BASE_URL/orders 10000 '{\"name\":\"Bench\",\"value\":10}'" 2>&1 | grep -v real | tr '\n' ' '; echo
done
