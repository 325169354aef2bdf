-- What is going on.

CREATE FUNCTION truust.worker_rows(
    OUT database_oid oid,
    OUT kind text,
    OUT instance integer,
    OUT pid integer,
    OUT state text,
    OUT since timestamptz,
    OUT last_error text,
    OUT last_error_at timestamptz,
    OUT backlog bigint,
    OUT oldest_pending timestamptz,
    OUT dead_letters bigint,
    OUT uncertain bigint
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_worker_rows';
COMMENT ON FUNCTION truust.worker_rows() IS 'The workers of the cluster as shared memory has them; the counts are what each last measured.';

CREATE FUNCTION truust.measure(
    kind text,
    most bigint DEFAULT NULL,
    OUT backlog bigint,
    OUT oldest_pending timestamptz,
    OUT dead_letters bigint,
    OUT uncertain bigint
)
RETURNS record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
    SELECT (SELECT count(*) FROM (SELECT FROM truust.webhooks WHERE state <> 'dead' LIMIT most) AS w),
           (SELECT min(received_at) FROM (SELECT received_at FROM truust.webhooks WHERE state <> 'dead' ORDER BY id LIMIT most) AS w),
           (SELECT count(*) FROM (SELECT FROM truust.webhooks WHERE state = 'dead' LIMIT most) AS w),
           0::bigint
     WHERE kind = 'webhooks'
    UNION ALL
    SELECT (SELECT count(*) FROM (SELECT FROM truust.requests WHERE state = 'queued' LIMIT most) AS r)
           + (SELECT count(*) FROM truust.requests WHERE state = 'sending')
           + (SELECT count(*) FROM (SELECT FROM truust.requests WHERE done_state = 'pending' LIMIT most) AS r),
           (SELECT min(created_at) FROM (
                (SELECT created_at FROM truust.requests WHERE state = 'queued' LIMIT most)
                UNION ALL
                SELECT created_at FROM truust.requests WHERE state = 'sending') AS r),
           (SELECT count(*) FROM truust.requests WHERE done_state = 'dead'),
           (SELECT count(*) FROM truust.requests WHERE state = 'uncertain')
     WHERE kind = 'requests'
$$;
COMMENT ON FUNCTION truust.measure(text, bigint) IS 'How much work of a kind (webhooks or requests) waits in this database, since when, and what waits for a person. most: no more rows than that are looked at.';

CREATE FUNCTION truust.pause_reason(what text)
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_pause_reason_sql';
COMMENT ON FUNCTION truust.pause_reason(text) IS 'Why webhooks or requests wait: paused (truust_pause), restored (the data came from elsewhere, or a row was inserted with a time of its own, as by a restore); NULL if they do not.';

CREATE FUNCTION truust_status(
    OUT database name,
    OUT worker text,
    OUT instance integer,
    OUT pid integer,
    OUT state text,
    OUT since timestamptz,
    OUT last_error text,
    OUT last_error_at timestamptz,
    OUT backlog bigint,
    OUT oldest_pending timestamptz,
    OUT dead_letters bigint,
    OUT uncertain_requests bigint
)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH running AS (
        SELECT r.*, row_number() OVER () AS n FROM truust.worker_rows() AS r WHERE r.kind <> 'launcher'
    ), here AS (
        SELECT k.kind, m.*, truust.pause_reason(k.kind) AS paused
          FROM (VALUES ('webhooks'), ('requests')) AS k (kind), truust.measure(k.kind) AS m
    ), all_rows AS (
        SELECT r.database_oid, r.kind, r.instance, r.pid, r.state, r.since, r.last_error, r.last_error_at,
               r.backlog, r.oldest_pending, r.dead_letters, r.uncertain
          FROM running AS r
        UNION ALL
        SELECT d.oid, h.kind, 0, NULL, 'stopped', NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM here AS h, pg_database AS d
         WHERE d.datname = current_database()
           AND NOT EXISTS (SELECT FROM running AS r WHERE r.kind = h.kind AND r.database_oid = d.oid)
    )
    SELECT d.datname, a.kind, a.instance, a.pid,
           CASE WHEN h.paused IS NOT NULL THEN h.paused ELSE a.state END,
           a.since, a.last_error, a.last_error_at,
           CASE WHEN h.kind IS NULL THEN a.backlog ELSE h.backlog END,
           CASE WHEN h.kind IS NULL THEN a.oldest_pending ELSE h.oldest_pending END,
           CASE WHEN h.kind IS NULL THEN a.dead_letters ELSE h.dead_letters END,
           CASE WHEN h.kind IS NULL THEN a.uncertain ELSE h.uncertain END
      FROM all_rows AS a
      JOIN pg_database AS d ON d.oid = a.database_oid
      LEFT JOIN here AS h ON h.kind = a.kind AND d.datname = current_database()
     ORDER BY d.datname, a.kind DESC, a.instance
$$;
COMMENT ON FUNCTION truust_status() IS 'One row for each worker of the cluster, and for the workers that this database should have. state: starting, idle, working, failing, stopped, paused (truust_pause), restored (the data came from elsewhere, or a row was inserted with a time of its own: waits for truust_resume). backlog, oldest_pending, dead_letters and uncertain_requests are counted now for this database, and as last measured by the worker for others, up to 50,000.';

CREATE FUNCTION truust.stats_rows(
    OUT kind text,
    OUT name text,
    OUT count bigint,
    OUT errors bigint,
    OUT retries bigint,
    OUT mean_ms double precision,
    OUT max_ms double precision,
    OUT since timestamptz
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_stats_rows';
COMMENT ON FUNCTION truust.stats_rows() IS 'The counters behind the view truust.stats.';

CREATE VIEW truust.stats AS
    SELECT s.kind, s.name, s.count, s.errors, s.retries, s.mean_ms, s.max_ms, s.since
      FROM truust.stats_rows() AS s;
COMMENT ON VIEW truust.stats IS 'Counters since the server (with truust in shared_preload_libraries) or this session started: operations with their calls, errors, repeats and latency in ms, and what happened to events, batches and deferred requests.';

CREATE VIEW truust.dead_letters AS
    SELECT 'webhook'::text AS kind, w.id, w.received_at AS since, w.error AS reason, w.order_id, w.server,
           w.event AS operation, w.attempts, w.body, NULL::jsonb AS args, NULL::name AS role
      FROM truust.webhooks AS w
     WHERE w.state = 'dead'
    UNION ALL
    SELECT 'request', r.id, r.sent_at, r.error, r.order_id, r.server, r.operation, r.attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.state = 'uncertain'
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_error, r.order_id, r.server, r.operation, r.done_attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'dead';
COMMENT ON VIEW truust.dead_letters IS 'What waits for a person: webhooks that were given up (truust_retry_webhook, truust_discard_webhook), requests whose outcome is uncertain (truust_resolve_request, truust_retry_request), and requests whose on_done or attached row failed. A role sees its own requests, who may repeat them sees all.';

CREATE VIEW truust.pending AS
    SELECT 'webhook'::text AS kind, w.id, w.received_at AS since, w.state, w.order_id, w.server,
           w.event AS operation, w.attempts, w.next_attempt_at, w.error, NULL::name AS role
      FROM truust.webhooks AS w
     WHERE w.state <> 'dead'
    UNION ALL
    SELECT 'request', r.id, r.created_at, r.state, r.order_id, r.server, r.operation, r.attempts, r.next_attempt_at, r.error, r.role
      FROM truust.visible_requests AS r
     WHERE r.state IN ('queued', 'sending')
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_state, r.order_id, r.server, r.operation, r.done_attempts, r.next_attempt_at, r.done_error, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'pending';
COMMENT ON VIEW truust.pending IS 'What the workers still have to do: webhooks to be applied, requests to be sent, on_done to be run. A role sees its own requests, who may repeat them sees all.';
