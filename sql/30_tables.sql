-- State of the extension.  Users read these through the privileges of
-- truust_grant(); only the extension's own C code writes them, but for the
-- intake, which takes rows from whoever may insert webhooks.
--
-- Rows that belong to a role do so by role_oid, which the server makes of the
-- name when that is written.  Dumps leave it out, so that where they are restored
-- it is made of the name again.

CREATE FUNCTION truust.role_oid(role name)
RETURNS oid
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_role_oid';
COMMENT ON FUNCTION truust.role_oid(name) IS 'The role that is called so, NULL if there is none. Called immutable because what a row got of it when it was written stays.';

CREATE FUNCTION truust.role_name(role_oid oid, role name)
RETURNS name
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_role_name_sql';
COMMENT ON FUNCTION truust.role_name(oid, name) IS 'The name that a row of a role should give, where it gives the second one: the role''s present name; pg_dropped_ with its OID and that name, if it is gone; for rows of no role (NULL) that name.';

CREATE TABLE truust.roles_seen (
    digest bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE truust.roles_seen IS 'One row: the roles that the cluster had when the names in all rows were last brought up to date. When it has others, that is done again.';
COMMENT ON COLUMN truust.roles_seen.digest IS 'a digest of their OIDs and names';

CREATE TABLE truust.homes (
    home uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    system_identifier bigint NOT NULL,
    database_oid oid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    adopted_at timestamptz
);
-- Without a key, and yet to be changed where somebody publishes all tables.
ALTER TABLE truust.homes REPLICA IDENTITY FULL;
COMMENT ON TABLE truust.homes IS 'Where this data has lived. A row of another place that nobody has adopted means that the data was restored or copied: everything waits until truust_resume().';
COMMENT ON COLUMN truust.homes.system_identifier IS 'cluster; 0: a row came with a time of its own, before the home that it had if it is of a dump, or by somebody''s INSERT';
COMMENT ON COLUMN truust.homes.home IS 'drawn anew by each CREATE EXTENSION';
COMMENT ON COLUMN truust.homes.adopted_at IS 'when truust_resume() accepted that the data moved away from there';

CREATE TABLE truust.pauses (
    what text PRIMARY KEY CHECK (what IN ('webhooks', 'requests')),
    reason text,
    role name NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE truust.pauses IS 'What truust_pause() has stopped, by whom and why.';

CREATE TABLE truust.orders (
    id bigint NOT NULL,
    server text NOT NULL,
    status text NOT NULL,
    previous_status text,
    finished boolean NOT NULL DEFAULT false,
    name text,
    value numeric,
    currency text,
    tag text,
    metadata jsonb,
    buyer_link text,
    seller_link text,
    role name,
    noted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    status_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    looked_at timestamptz,
    watch_from timestamptz NOT NULL DEFAULT pg_catalog.now(),
    digests bytea NOT NULL DEFAULT '',
    role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED,
    PRIMARY KEY (id, server)
) WITH (fillfactor = 80);
CREATE INDEX orders_unfinished ON truust.orders (watch_from) WHERE NOT finished;
COMMENT ON TABLE truust.orders IS 'Last known state of each order, from write calls, webhooks and looks at the API.';
COMMENT ON COLUMN truust.orders.id IS 'the order''s id at Truust';
COMMENT ON COLUMN truust.orders.server IS 'foreign server (account and environment) that the order lives at';
COMMENT ON COLUMN truust.orders.status IS 'status as Truust spells it; the empty string, which is no status: none is known yet (with webhook_trust body, an order of which only events without a status came). Handlers, listeners and attached tables get null, or keep what they have';
COMMENT ON COLUMN truust.orders.previous_status IS 'status before the last change';
COMMENT ON COLUMN truust.orders.finished IS 'whether no further change is expected';
COMMENT ON COLUMN truust.orders.value IS 'amount in units of the currency (not in cents)';
COMMENT ON COLUMN truust.orders.role IS 'role whose call first noted the order; its key is used to look at it again';
COMMENT ON COLUMN truust.orders.role_oid IS 'OID of role, by which the row belongs to it whatever it is called by now; NULL: there is no such role';
COMMENT ON COLUMN truust.orders.noted_at IS 'when this table first knew the order';
COMMENT ON COLUMN truust.orders.status_at IS 'when the status last changed here';
COMMENT ON COLUMN truust.orders.updated_at IS 'when anything was last written here';
COMMENT ON COLUMN truust.orders.looked_at IS 'when the API was last asked about the order';
COMMENT ON COLUMN truust.orders.watch_from IS 'truust.sync_interval after this the API is asked about an unfinished order, unless there was news';
COMMENT ON COLUMN truust.orders.digests IS 'the last events applied, as 64-bit digests one after the other: how a duplicate is known';

CREATE TABLE truust.payins (
    id bigint NOT NULL,
    server text NOT NULL,
    order_id bigint,
    status text,
    type text,
    reference text,
    noted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (id, server)
) WITH (fillfactor = 80);
CREATE INDEX payins_order_id ON truust.payins (order_id);
COMMENT ON TABLE truust.payins IS 'Last known state of each payin (a buyer''s payment into an order).';

CREATE TABLE truust.payouts (
    id bigint NOT NULL,
    server text NOT NULL,
    order_id bigint,
    status text,
    type text,
    reference text,
    noted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (id, server)
) WITH (fillfactor = 80);
CREATE INDEX payouts_order_id ON truust.payouts (order_id);
COMMENT ON TABLE truust.payouts IS 'Last known state of each payout (the money going to a seller).';

CREATE TABLE truust.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text NOT NULL,
    sent_as text,
    order_id bigint,
    server text,
    status text,
    previous_status text,
    outcome text NOT NULL,
    source text NOT NULL,
    webhook_id bigint,
    payin_id bigint,
    payout_id bigint,
    received_at timestamptz,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX events_order_id ON truust.events (order_id);
COMMENT ON TABLE truust.events IS 'History: each event of an order once, in the order of application. Kept for truust.retention.';
COMMENT ON COLUMN truust.events.sent_as IS 'the sender''s name for the event, where it is another';
COMMENT ON COLUMN truust.events.status IS 'status of the order after the event; of a stale or unconfirmed one, what it claimed';
COMMENT ON COLUMN truust.events.outcome IS 'applied; stale (came late, changed nothing); unconfirmed (the API did not confirm what the body claimed)';
COMMENT ON COLUMN truust.events.source IS 'what told of it: a webhook, a call in a session, a deferred request, a look at the API (sync), or truust_replay()';

CREATE TABLE truust.webhooks (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    event text,
    headers jsonb,
    body bytea NOT NULL,
    server text,
    source text NOT NULL DEFAULT 'webhook' CHECK (source IN ('webhook', 'sync', 'replay')),
    order_id bigint,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'retry', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    error text,
    order_ids bigint[]
);
CREATE INDEX webhooks_waiting ON truust.webhooks (order_id, id) WHERE state = 'retry';
CREATE INDEX webhooks_of_several ON truust.webhooks USING gin (order_ids) WITH (fastupdate = off) WHERE order_ids IS NOT NULL;
CREATE INDEX webhooks_due ON truust.webhooks (next_attempt_at, id) WHERE state = 'retry';
CREATE INDEX webhooks_dead ON truust.webhooks (id) WHERE state = 'dead';
COMMENT ON TABLE truust.webhooks IS 'Intake: webhooks that came and are not applied yet, and the dead letters among them.';
COMMENT ON COLUMN truust.webhooks.event IS 'event as the sender called it; NULL: read from the body';
COMMENT ON COLUMN truust.webhooks.body IS 'body as it came, byte for byte';
COMMENT ON COLUMN truust.webhooks.server IS 'foreign server it belongs to: the one that the insert names, else the one that truust.server named then';
COMMENT ON COLUMN truust.webhooks.order_id IS 'order that the body names (the first, if it is an array), read on arrival; NULL where none could be read';
COMMENT ON COLUMN truust.webhooks.state IS 'new; retry (failed, waits for next_attempt_at, or behind another event of its order); dead (a person must look)';
COMMENT ON COLUMN truust.webhooks.error IS 'why the last attempt failed';
COMMENT ON COLUMN truust.webhooks.order_ids IS 'all orders that the body names, where these are several: the row waits for earlier events of each, and keeps back later ones';

CREATE TABLE truust.handlers (
    event text NOT NULL,
    handler text NOT NULL,
    role name NOT NULL,
    search_path text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED,
    PRIMARY KEY (event, handler)
);
COMMENT ON TABLE truust.handlers IS 'Functions that truust_on() registered.';
COMMENT ON COLUMN truust.handlers.event IS 'event that it is called for; * for all';
COMMENT ON COLUMN truust.handlers.handler IS 'signature of the function, with its schema';
COMMENT ON COLUMN truust.handlers.role IS 'role that registered it, and whose rights it runs with';
COMMENT ON COLUMN truust.handlers.role_oid IS 'OID of role, by which the row belongs to it whatever it is called by now; NULL: there is no such role';
COMMENT ON COLUMN truust.handlers.search_path IS 'search_path of the registering session, in force while it runs';

CREATE TABLE truust.requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    key text,
    role name NOT NULL,
    server text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'done', 'failed', 'uncertain')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    finished_at timestamptz,
    http_status integer,
    response jsonb,
    error text,
    on_done text,
    search_path text,
    marker uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    sequence_group text,
    fence bigint NOT NULL DEFAULT 0,
    sent_at timestamptz,
    looks integer NOT NULL DEFAULT 0,
    attachment_id bigint,
    attachment_row jsonb,
    done_state text CHECK (done_state IN ('pending', 'done', 'dead')),
    done_attempts integer NOT NULL DEFAULT 0,
    done_error text,
    role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED
);
COMMENT ON TABLE truust.requests IS 'Outbox: requests that truust_enqueue() and attached tables left for the worker. A role sees its own rows.';
COMMENT ON COLUMN truust.requests.operation IS 'SQL function that is called, without truust_';
COMMENT ON COLUMN truust.requests.args IS 'its parameters, by name';
COMMENT ON COLUMN truust.requests.key IS 'idempotency key: unique for each role';
COMMENT ON COLUMN truust.requests.role IS 'role that enqueued it, whose key it is sent with; pg_dropped_ with its OID and its name if it was dropped since';
COMMENT ON COLUMN truust.requests.role_oid IS 'OID of role, by which the row belongs to it whatever it is called by now; NULL: there is no such role';
COMMENT ON COLUMN truust.requests.server IS 'foreign server that it is sent to';
COMMENT ON COLUMN truust.requests.state IS 'queued; sending (claimed); done; failed (refused by the API); uncertain (may have been executed, a person must look)';
COMMENT ON COLUMN truust.requests.attempts IS 'times that it was sent, without those that the API put off (429, 503, no connection)';
COMMENT ON COLUMN truust.requests.next_attempt_at IS 'queued: not sent before this time (infinity: waits behind another request of its group); sending: when its outcome is looked up (infinity: in flight); ended: when on_done is tried again';
COMMENT ON COLUMN truust.requests.http_status IS 'status of the last answer; NULL: none came';
COMMENT ON COLUMN truust.requests.response IS 'resource that the API returned';
COMMENT ON COLUMN truust.requests.error IS 'why the last attempt brought no result';
COMMENT ON COLUMN truust.requests.on_done IS 'signature of the function that is called with the row when it has ended';
COMMENT ON COLUMN truust.requests.search_path IS 'search_path of the session that enqueued it, in force while on_done runs';
COMMENT ON COLUMN truust.requests.looks IS 'times that its outcome was looked up in vain since it was sent';
COMMENT ON COLUMN truust.requests.attachment_id IS 'truust.attachments.id of the table whose row it came from';
COMMENT ON COLUMN truust.requests.attachment_row IS 'primary key of that row';
COMMENT ON COLUMN truust.requests.marker IS 'how the request is found again at Truust, where the operation takes tag or metadata';
COMMENT ON COLUMN truust.requests.sequence_group IS 'requests of one group are sent one after the other, in the order of their ids';
COMMENT ON COLUMN truust.requests.fence IS 'number of the claim: a result with another number is not recorded';
COMMENT ON COLUMN truust.requests.sent_at IS 'when the last attempt began';
COMMENT ON COLUMN truust.requests.done_state IS 'what became of on_done and of the attached row: pending (will be tried again), done, dead (a person must look); NULL: nothing to do';
COMMENT ON COLUMN truust.requests.done_error IS 'why on_done or the update of the attached row failed';

CREATE TABLE truust.request_places (
    place text NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
ALTER TABLE truust.request_places REPLICA IDENTITY FULL;
ALTER TABLE truust.roles_seen REPLICA IDENTITY FULL;
COMMENT ON TABLE truust.request_places IS 'One row: where the outbox was last at work. On another server, in another database or after a change of timeline (promotion, point-in-time recovery), queued requests may have been sent already and are looked up first.';
COMMENT ON COLUMN truust.request_places.place IS 'system identifier, database OID and timeline';

CREATE TABLE truust.attachments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation regclass NOT NULL UNIQUE,
    key_columns name[] NOT NULL,
    args jsonb NOT NULL,
    order_id_column name NOT NULL,
    status_column name,
    link_column name,
    server text NOT NULL,
    role name NOT NULL,
    search_path text NOT NULL,
    index_name text,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    role_oid oid GENERATED ALWAYS AS (truust.role_oid(role)) STORED
);
COMMENT ON TABLE truust.attachments IS 'Merchant tables that truust_attach() ties to orders.';
COMMENT ON COLUMN truust.attachments.relation IS 'the attached table';
COMMENT ON COLUMN truust.attachments.key_columns IS 'columns of its primary key, by which a row is found again';
COMMENT ON COLUMN truust.attachments.args IS 'parameters of create_order, each with the column that it is taken from';
COMMENT ON COLUMN truust.attachments.role IS 'role that attached it: requests are sent with its key, and the table is written with its rights; empty: detached, and kept while requests that came of it are not over';
COMMENT ON COLUMN truust.attachments.role_oid IS 'OID of role, by which the row belongs to it whatever it is called by now; NULL: there is no such role';
COMMENT ON COLUMN truust.attachments.search_path IS 'search_path of the attaching session, in force while the table is written';
COMMENT ON COLUMN truust.attachments.index_name IS 'index on the order''s id that truust_attach() made, and truust_detach() drops';
