#!/usr/bin/env bash
# What applying webhooks costs: a backlog through one worker against SQL that makes the same durable writes, as one statement
# and in batches; with a handler; the way from an idle commit to the effect; a million. Run by tools/bench.
# BACKLOG, MILLION and TRIES make it smaller.

. "$(dirname "$0")/common.bash"

RUNS=${RUNS:-5}
BACKLOG=${BACKLOG:-100000}
MILLION=${MILLION:-1000000}
TRIES=${TRIES:-500}

query "ALTER SYSTEM SET truust.webhook_trust = 'body'" "ALTER SYSTEM SET truust.workers = 1" \
	"ALTER SYSTEM SET max_wal_size = '8GB'" "ALTER SYSTEM SET autovacuum = off" "SELECT pg_reload_conf()" >/dev/null
query "CREATE EXTENSION truust;
CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '$TRUUST_BASE_URL');
CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_bench');
CREATE SCHEMA plain;
CREATE TABLE plain.webhooks (LIKE truust.webhooks INCLUDING ALL);
CREATE TABLE plain.orders (LIKE truust.orders INCLUDING ALL);
CREATE TABLE plain.events (LIKE truust.events INCLUDING ALL);
CREATE TABLE shop (id bigint PRIMARY KEY, status text) WITH (fillfactor = 80);
CREATE TABLE plain.shop (LIKE shop INCLUDING ALL) WITH (fillfactor = 80);
CREATE FUNCTION follow(e truust_event) RETURNS void LANGUAGE plpgsql AS
    'BEGIN UPDATE public.shop SET status = e.status WHERE id = e.order_id; END';
CREATE FUNCTION body_of(id bigint) RETURNS text LANGUAGE sql AS \$\$
    SELECT format('[{\"escrow\": {\"id\": \"%s\", \"name\": \"Blue bicycle\", \"amount\": 120.5, \"currency\": \"EUR\", \"status\": \"PUBLISHED\", '
        '\"tag\": \"shop-%s\", \"metadata\": {\"cart\": %s}, \"auto_settled\": \"0\"}, \"platform\": \"example\"}]', id, id, id) \$\$;

-- The yardstick. It is told what each webhook says and does not read its body.
CREATE PROCEDURE plain.apply(size int, with_shop boolean, OUT rate float8) LANGUAGE plpgsql AS \$\$
DECLARE
    began timestamptz := clock_timestamp();
    at bigint := 0;
    n bigint := 0;
BEGIN
    LOOP
        WITH gone AS (
            DELETE FROM plain.webhooks WHERE id IN (SELECT id FROM plain.webhooks WHERE id > at ORDER BY id LIMIT size)
            RETURNING id, order_id, received_at
        ), moved AS (
            UPDATE plain.orders o SET previous_status = o.status, status = 'PUBLISHED', status_at = now(), updated_at = now(),
                watch_from = now(), name = 'Blue bicycle', currency = 'EUR', tag = 'shop-' || g.order_id,
                metadata = jsonb_build_object('cart', g.order_id), digests = int8send(g.order_id)
            FROM gone g WHERE o.id = g.order_id AND o.server = 'truust'
            RETURNING o.id, o.previous_status, g.id AS webhook_id, g.received_at
        ), told AS (
            INSERT INTO plain.events (event, order_id, server, status, previous_status, outcome, source, webhook_id, received_at)
            SELECT 'order.published', id, 'truust', 'PUBLISHED', previous_status, 'applied', 'webhook', webhook_id, received_at FROM moved
        ), followed AS (
            UPDATE plain.shop s SET status = 'PUBLISHED' FROM gone g WHERE with_shop AND s.id = g.order_id
        )
        SELECT max(id), n + count(*) INTO at, n FROM gone;
        COMMIT;
        EXIT WHEN at IS NULL;
    END LOOP;
    rate := n / extract(epoch FROM clock_timestamp() - began);
END \$\$;

-- Events a second of the worker, from truust_resume() to the last of them; what is asked while it works costs one look into an index.
CREATE PROCEDURE ours(OUT rate float8) LANGUAGE plpgsql AS \$\$
DECLARE
    began timestamptz;
    total bigint;
    last bigint;
BEGIN
    SELECT count(*), max(id) INTO total, last FROM truust.webhooks;
    COMMIT;
    began := clock_timestamp();
    PERFORM truust_resume('webhooks');
    COMMIT;
    WHILE EXISTS (SELECT FROM truust.webhooks WHERE id = last) LOOP
        PERFORM pg_sleep(0.005);
    END LOOP;
    rate := total / extract(epoch FROM clock_timestamp() - began);
END \$\$" >/dev/null
worker=$(worker_pid 'truust webhooks')

# fill FIRST LAST: orders that are known as DRAFT, and a webhook about each of them that waits; the same for the yardstick.
fill()
{
	query "SELECT truust_pause('webhooks', 'bench')" \
		"TRUNCATE truust.webhooks, truust.orders, truust.events, shop, plain.webhooks, plain.orders, plain.events, plain.shop" \
		"INSERT INTO truust.orders (id, server, status) SELECT i, 'truust', 'DRAFT' FROM generate_series($1, $2) i" \
		"INSERT INTO shop SELECT i, 'DRAFT' FROM generate_series($1, $2) i" \
		"INSERT INTO truust.webhooks (body) SELECT convert_to(body_of(i), 'UTF8') FROM generate_series($1, $2) i" \
		"INSERT INTO plain.webhooks SELECT * FROM truust.webhooks" \
		"INSERT INTO plain.orders (id, server, status) SELECT id, server, status FROM truust.orders" \
		"INSERT INTO plain.shop SELECT * FROM shop" \
		"VACUUM ANALYZE" "CHECKPOINT" >/dev/null
}

# All applied, and nothing else.
check()
{
	[ "$(query "SELECT (SELECT count(*) FROM truust.orders WHERE status = 'PUBLISHED'), (SELECT count(*) FROM truust.events WHERE outcome = 'applied'),
		(SELECT count(*) FROM truust.webhooks)")" = "$1|$1|0" ] || { echo "the worker did not apply $1 webhooks" >&2; exit 1; }
}

# ------------------------------------------------------------------ a backlog

# plain SIZE WITH_SHOP: rows a second of the yardstick, each batch planned for its size.
plain()
{
	query "SET plan_cache_mode = force_custom_plan" "CALL plain.apply($1, $2, NULL)"
}

# rounds HANDLER: numbers of the worker, of one statement, and of batches of 1000.
rounds()
{
	local with_shop=$1

	ours='' whole='' batches=''
	for _ in $(seq "$RUNS")
	do
		fill 1 "$BACKLOG"
		ours+="$(query 'CALL ours(NULL)')"$'\n'
		check "$BACKLOG"
		query CHECKPOINT
		batches+="$(plain 1000 "$with_shop")"$'\n'
		fill 1 "$BACKLOG"
		whole+="$(plain "$BACKLOG" "$with_shop")"$'\n'
	done
	ours=$(median <<<"$ours") whole=$(median <<<"$whole") batches=$(median <<<"$batches")
}

rounds false
row "webhooks, a backlog of $BACKLOG orders', one worker" "$(divide "$ours" 1 %.0f)/s" "one SQL statement, same writes $(divide "$whole" 1 %.0f)/s" \
	"ratio $(divide "$ours" "$whole")"
row "webhooks, the same" "$(divide "$ours" 1 %.0f)/s" "SQL, batches of 1000 $(divide "$batches" 1 %.0f)/s" "ratio $(divide "$ours" "$batches") (at least 0.8)"

query "SELECT truust_on('order.published', 'follow(truust_event)')" >/dev/null
rounds true
query "SELECT truust_off('order.published', 'follow(truust_event)')" >/dev/null
row "webhooks, with a plpgsql handler that updates a row" "$(divide "$ours" 1 %.0f)/s" \
	"SQL, batches of 1000, that row too $(divide "$batches" 1 %.0f)/s" "ratio $(divide "$ours" "$batches") (at least 0.6)"

# ------------------------------------------------------------------ one at a time

query "TRUNCATE truust.webhooks, truust.orders, truust.events, plain.orders, plain.webhooks;
INSERT INTO truust.orders (id, server, status) SELECT i, 'truust', 'DRAFT' FROM generate_series(1, 3 * $TRIES) i;
INSERT INTO plain.orders (id, server, status) SELECT id, server, status FROM truust.orders;
SELECT truust_resume('webhooks')" "VACUUM ANALYZE" >/dev/null
ours='' plain=''
for round in 0 1 2
do
	from=$((round * TRIES + 1)) to=$(((round + 1) * TRIES))
	ours+="$(test/bench/commit_to_notify truust "$from" "$to" \
		"INSERT INTO truust.webhooks (body) VALUES (convert_to(body_of(%d), 'UTF8'))")"$'\n'
	plain+="$(test/bench/commit_to_notify told "$from" "$to" \
		"INSERT INTO plain.webhooks (order_id, body) VALUES (%1\$d, convert_to(body_of(%1\$d), 'UTF8')); NOTIFY todo, '%1\$d'" \
		"BEGIN; UPDATE plain.orders SET status = 'PUBLISHED' WHERE id = %d AND server = 'truust'; NOTIFY told; COMMIT")"$'\n'
done
row "idle: from COMMIT of a webhook to its effect notified" "$(divide "$(median <<<"$ours")" 1 %.2f) ms" \
	"client in LISTEN that updates a row $(divide "$(median <<<"$plain")" 1 %.2f) ms" "ratio $(divide "$(median <<<"$ours")" "$(median <<<"$plain")") (at most 1.5)"

# ------------------------------------------------------------------ a million

# Rates over the first and the last tenth, in transaction times of the history.
tenths()
{
	query "WITH t AS (SELECT ntile(10) OVER (ORDER BY id) AS tenth, applied_at FROM truust.events)
		SELECT count(*) / extract(epoch FROM max(applied_at) - min(applied_at)) FROM t WHERE tenth IN (1, 10) GROUP BY tenth ORDER BY tenth"
}

# VACUUM gives back nothing that an older snapshot could see.
vacuum_alone()
{
	wait_for "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_type = 'autovacuum worker'))"
	query "VACUUM $1"
}

# What comes by the clock, autovacuum and checkpoints, would take one of two cores in one tenth and not in another.
query "ALTER SYSTEM SET checkpoint_timeout = '1h'" "SELECT pg_reload_conf()" >/dev/null
sizes=() ratios=''
for round in 1 2 3 4 5
do
	query "SELECT truust_pause('webhooks', 'bench')" "TRUNCATE truust.orders, truust.events" \
		"INSERT INTO truust.orders (id, server, status) SELECT i, 'truust', 'DRAFT' FROM generate_series(1, $MILLION) i" \
		"INSERT INTO truust.webhooks (body) SELECT convert_to(body_of(i), 'UTF8') FROM generate_series(1, $MILLION) i" \
		"ANALYZE" "CHECKPOINT" >/dev/null
	before=$(anonymous "$worker")
	rate=$(query 'CALL ours(NULL)')
	check "$MILLION"
	vacuum_alone truust.webhooks
	sizes+=("$(query "SELECT pg_table_size('truust.webhooks') / 1024")")
	rates=$(tenths)
	ratio=$(divide "$(tail -n 1 <<<"$rates")" "$(head -n 1 <<<"$rates")")
	ratios+="$ratio"$'\n'
	row "$MILLION webhooks, round $round: over the last tenth" "$(divide "$(tail -n 1 <<<"$rates")" 1 %.0f)/s" \
		"over the first $(divide "$(head -n 1 <<<"$rates")" 1 %.0f)/s, all $(divide "$rate" 1 %.0f)/s" "ratio $ratio"
	row "$MILLION webhooks, round $round: memory of the worker" "$(($(anonymous "$worker") - before)) kB more" "$before kB before" "flat"
done
row "$MILLION webhooks, the last tenth to the first" "$(median <<<"$ratios")" "median of the rounds" "0.9 to 1.1"
row "truust.webhooks after a drained million" "${sizes[4]} kB" "after the first round of five ${sizes[0]} kB" "no growth"
