#!/usr/bin/env bash
# What a deferred request costs: a backlog that is claimed, sent and recorded durably against a bare libcurl multi loop at the
# same concurrency; the way from an idle commit to the wire; an insert that leaves requests against one that leaves plain
# rows; a million requests while the API is down. Run by tools/bench. BACKLOG and MILLION make it smaller.

. "$(dirname "$0")/common.bash"

RUNS=${RUNS:-3}
BACKLOG=${BACKLOG:-20000}
MILLION=${MILLION:-1000000}
TRIES=${TRIES:-300}

query "CREATE EXTENSION truust;
CREATE SERVER truust FOREIGN DATA WRAPPER truust OPTIONS (base_url '$TRUUST_BASE_URL');
CREATE USER MAPPING FOR CURRENT_USER SERVER truust OPTIONS (secret_key 'sk_stage_bench');
SELECT truust_pause('webhooks', 'bench');
CREATE FUNCTION left_over() RETURNS boolean LANGUAGE sql AS
    'SELECT EXISTS (SELECT FROM truust.requests WHERE state = ''queued'') OR EXISTS (SELECT FROM truust.requests WHERE state = ''sending'')'" >/dev/null
concurrency=$(query "SHOW truust.max_in_flight")
worker=$(worker_pid 'truust requests')

# ------------------------------------------------------------------ a backlog

control POST /_sim/settings '{"record": false}'

# Requests a second, from truust_resume() to the last record.
drain()
{
	query "TRUNCATE truust.requests, truust.orders, truust.events" >/dev/null
	query "SELECT truust_pause('requests', 'bench');
		SELECT count(truust_enqueue('create_order', '{\"name\": \"Bench\", \"value\": 10}')) FROM generate_series(1, $BACKLOG)" \
		"VACUUM ANALYZE truust.requests" "CHECKPOINT" >/dev/null
	query "SELECT truust_resume('requests')" >/dev/null
	query "DO \$\$ DECLARE began timestamptz := clock_timestamp();
		BEGIN
			WHILE left_over() LOOP PERFORM pg_sleep(0.02); END LOOP;
		END \$\$;
		SELECT round($BACKLOG / extract(epoch FROM max(finished_at) - min(sent_at))) FROM truust.requests WHERE state = 'done'" | tail -n 1
}

ours='' bare=''
for _ in $(seq "$RUNS")
do
	control POST /_sim/reset
	control POST /_sim/settings '{"record": false}'
	bare+="$(test/bench/bare_http "$TRUUST_BASE_URL/orders" "$BACKLOG" '{"name":"Bench","value":10}' "$concurrency")"$'\n'
	control POST /_sim/reset
	control POST /_sim/settings '{"record": false}'
	ours+="$(drain)"$'\n'
done
ours=$(median <<<"$ours")
bare=$(median <<<"$bare")
row "create_order, a backlog of $BACKLOG, $concurrency in flight, durable" "$ours/s" "bare libcurl multi loop $bare/s" \
	"ratio $(divide "$ours" "$bare") (at least 0.3)"

# ------------------------------------------------------------------ from the commit to the wire

control POST /_sim/reset
query "TRUNCATE truust.requests, truust.orders, truust.events;
CREATE TABLE commits (n int, before timestamptz, after timestamptz);
CREATE PROCEDURE one_by_one(tries int) LANGUAGE plpgsql AS \$\$
DECLARE began timestamptz;
BEGIN
    FOR i IN 1 .. tries LOOP
        PERFORM truust_enqueue('create_order', '{\"name\": \"Bench\", \"value\": 10}');
        began := clock_timestamp();
        COMMIT;
        INSERT INTO commits VALUES (i, began, clock_timestamp());
        COMMIT;
        WHILE left_over() LOOP PERFORM pg_sleep(0.002); END LOOP;
        PERFORM pg_sleep(0.01);
    END LOOP;
END \$\$"
query "CALL one_by_one($TRIES)"
times=$(psql -XAtq -v ON_ERROR_STOP=1 <<-SQL
	\\set answer \`curl -sS --noproxy '*' "$TRUUST_SIM/_sim/requests?operation=createOrder"\`
	SELECT extract(epoch FROM (r ->> 'at')::timestamptz - c.before) * 1000, extract(epoch FROM (r ->> 'at')::timestamptz - c.after) * 1000
	  FROM jsonb_array_elements(:'answer'::jsonb -> 'requests') WITH ORDINALITY a (r, n) JOIN commits c USING (n);
SQL
)
[ "$(wc -l <<<"$times")" = "$TRIES" ] || { echo "not all of $TRIES requests arrived" >&2; exit 1; }
row "idle: from COMMIT to the request at the API, median of $TRIES" "$(cut -d'|' -f1 <<<"$times" | median | xargs printf '%.2f') ms" \
	"$(cut -d'|' -f2 <<<"$times" | median | xargs printf '%.2f') ms after COMMIT has returned" "limit 2 ms"

# ------------------------------------------------------------------ inserts

query "SELECT truust_pause('requests', 'bench');
CREATE TABLE plain (id int PRIMARY KEY, title text, total numeric, truust_id bigint);
CREATE TABLE by_trigger (LIKE plain INCLUDING ALL);
CREATE TABLE attached (LIKE plain INCLUDING ALL);
CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, args jsonb, created_at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION leave_row() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO jobs (args) VALUES (jsonb_build_object(''name'', NEW.title, ''value'', NEW.total)); RETURN NEW; END';
CREATE FUNCTION leave_request() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM truust_enqueue(''create_order'', jsonb_build_object(''name'', NEW.title, ''value'', NEW.total)); RETURN NEW; END';
CREATE TRIGGER t AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION leave_row();
CREATE TRIGGER t AFTER INSERT ON by_trigger FOR EACH ROW EXECUTE FUNCTION leave_request();
SELECT truust_attach('attached', '{\"name\": \"title\", \"value\": \"total\"}', order_id => 'truust_id')" >/dev/null

# Microseconds for each row of an insert of 20,000.
insert()
{
	query "TRUNCATE $1, jobs, truust.requests" >/dev/null
	query "CREATE TEMP TABLE began AS SELECT clock_timestamp() AS t;
		INSERT INTO $1 SELECT i, 'Bench ' || i, i FROM generate_series(1, 20000) i;
		SELECT extract(epoch FROM clock_timestamp() - t) / 20000 * 1e6 FROM began"
}
plain='' by_trigger='' attached=''
for _ in $(seq "$RUNS")
do
	plain+="$(insert plain)"$'\n'
	by_trigger+="$(insert by_trigger)"$'\n'
	attached+="$(insert attached)"$'\n'
done
plain=$(median <<<"$plain")
attached=$(median <<<"$attached")
by_trigger=$(median <<<"$by_trigger")
row "insert into an attached table, a row of 20,000" "$(divide "$attached" 1 %.1f) us" "trigger that inserts a plain row $(divide "$plain" 1 %.1f) us" \
	"ratio $(divide "$attached" "$plain")"
row "truust_enqueue() in a row trigger, a row of 20,000" "$(divide "$by_trigger" 1 %.1f) us" "trigger that inserts a plain row $(divide "$plain" 1 %.1f) us" \
	"ratio $(divide "$by_trigger" "$plain")"

# ------------------------------------------------------------------ an API that is down

# Ticks of 10 ms that the worker has computed.
ticks()
{
	awk '{ print $14 + $15 }' "/proc/$worker/stat"
}

# An API of its own, which can go away and come back on the same port.
own=''
start_api()
{
	test/simulator/truust-simulator --port "$1" --facts test/facts >api.out 2>&1 </dev/null &
	own=$!
	until grep -q '^port' api.out
	do
		kill -0 "$own"
		sleep 0.02
	done
	port=$(sed -n 's/^port //p' api.out)
}
stop_api()
{
	if kill "$own" 2>/dev/null
	then
		wait "$own" 2>/dev/null || true
	fi
}
trap stop_api EXIT
cd "$(mktemp -d)"
ln -s "$OLDPWD/test" test
start_api 0
stop_api

pause=5
query "ALTER SYSTEM SET truust.max_retry_delay = '${pause}s'" "SELECT pg_reload_conf()" >/dev/null
query "TRUNCATE truust.requests, truust.orders, truust.events, attached;
CREATE SERVER down FOREIGN DATA WRAPPER truust OPTIONS (environment 'sandbox', base_url 'http://127.0.0.1:$port/2.0');
CREATE USER MAPPING FOR CURRENT_USER SERVER down OPTIONS (secret_key 'sk_stage_bench');
INSERT INTO truust.requests (operation, args, role, server)
    SELECT 'create_order', '{\"name\": \"Bench\", \"value\": 10}', current_user, 'down' FROM generate_series(1, $MILLION)"
query "VACUUM ANALYZE truust.requests"
memory=$(anonymous "$worker")
query "SELECT truust_resume('requests')" >/dev/null
# Until its pauses have grown to the longest.
for _ in $(seq 600)
do
	sleep 0.1
	[ "$(query "SELECT count(*) > 0 FROM truust.requests WHERE error IS NOT NULL")" != t ] || break
done
sleep $((4 * pause))
used=$(ticks)
sleep 20
used=$(($(ticks) - used))
row "$MILLION queued, API down: CPU of the worker over 20 s" "$(divide "$used" 20 %.2f) %" "of a core" "limit 1 %"
row "$MILLION queued, API down: memory of the worker" "$(($(anonymous "$worker") - memory)) kB more" "$memory kB before" "flat"

began=$(date +%s.%N)
start_api "$port"
back=$(query "DO \$\$ BEGIN
	WHILE NOT EXISTS (SELECT FROM truust.orders) LOOP PERFORM pg_sleep(0.01); END LOOP;
	END \$\$; SELECT extract(epoch FROM clock_timestamp()) - $began" | tail -n 1)
row "API back: first request done" "after $(divide "$back" 1 %.1f) s" "longest pause $pause s" "limit one pause"

query "CREATE TABLE ages (age interval)"
snapshots=$(query "DO \$\$ DECLARE until timestamptz := clock_timestamp() + interval '10 s';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			PERFORM pg_stat_clear_snapshot();
			INSERT INTO ages SELECT clock_timestamp() - xact_start FROM pg_stat_activity
				WHERE backend_type = 'truust requests' AND datname = current_database() AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL;
			PERFORM pg_sleep(0.002);
		END LOOP;
	END \$\$;
	SELECT round(extract(epoch FROM max(age)) * 1000) FROM ages" | tail -n 1)
done_by_now=$(query "SELECT count(*) FROM truust.orders")
row "it drains: oldest snapshot of the worker in 10 s" "$snapshots ms" "$((done_by_now / 10))/s meanwhile" "limit one batch"
row "it drains: memory of the worker" "$(($(anonymous "$worker") - memory)) kB more" "$memory kB before" "flat"
query "SELECT truust_pause('requests', 'end')" >/dev/null
