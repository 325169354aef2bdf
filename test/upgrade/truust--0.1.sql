\echo Use "CREATE EXTENSION truust" to load this file. \quit

-- sql/10_types.sql

-- The results of calls.  Columns carry the names of the API's fields, in the
-- API's order; the last is the whole resource as it came.

CREATE SCHEMA truust;
COMMENT ON SCHEMA truust IS 'Tables and views of the truust extension; its functions and types are named truust_* and live in the schema that the extension was created in.';

CREATE TYPE truust_order AS (
    id bigint,
    self text,
    public_id text,
    name text,
    description text,
    value numeric,
    fee_value numeric,
    fee_percent numeric,
    currency text,
    amount text,
    payin_amount text,
    payout_amount text,
    fee_amount text,
    shipping_amount text,
    buyer_link text,
    seller_link text,
    qr_link text,
    status text,
    sandbox boolean,
    status_nicename text,
    images text[],
    tag text,
    payin_intents bigint,
    payin_types text[],
    payin_fallback text[],
    metadata jsonb,
    template jsonb,
    published_units bigint,
    refund jsonb,
    created_at timestamptz,
    published_at timestamptz,
    accepted_at timestamptz,
    shipping_at timestamptz,
    cancelled_at timestamptz,
    validated_at timestamptz,
    released_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_order IS 'An escrow order between a buyer and a seller, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_customer AS (
    id bigint,
    self text,
    uuid text,
    type text,
    name text,
    first_name text,
    last_name text,
    email text,
    prefix text,
    phone text,
    tag text,
    metadata jsonb,
    created_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_customer IS 'A customer: a buyer or a seller, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_payin AS (
    id bigint,
    self text,
    reference text,
    type text,
    subtype text,
    status text,
    provider jsonb,
    tag text,
    direct_link text,
    created_at timestamptz,
    confirmed_at timestamptz,
    denied_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_payin IS 'A payment of a buyer into an order, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_payout AS (
    id bigint,
    self text,
    reference text,
    type text,
    status text,
    provider jsonb,
    created_at timestamptz,
    confirmed_at timestamptz,
    denied_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_payout IS 'A payment out of an order to its seller, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_wallet AS (
    id bigint,
    self text,
    uuid text,
    type text,
    balance numeric,
    currency text,
    tag text,
    metadata jsonb,
    created_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_wallet IS 'A wallet and its balance, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_bank_account AS (
    id bigint,
    self text,
    uuid text,
    type text,
    name text,
    number text,
    bic text,
    tag text,
    metadata jsonb,
    created_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_bank_account IS 'A bank account that money can be paid out to, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_card AS (
    id bigint,
    self text,
    uuid text,
    type text,
    cardholder text,
    alias text,
    expiration text,
    issuing_country text,
    issuing_bank text,
    is_3d_secure boolean,
    confirmed boolean,
    payin_type text,
    tokenization_link text,
    created_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_card IS 'A saved card, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_subscription AS (
    id bigint,
    self text,
    reference_id text,
    name text,
    amount numeric,
    currency text,
    type text,
    status text,
    metadata jsonb,
    published_at timestamptz,
    cancelled_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_subscription IS 'A subscription: orders that repeat, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_verification AS (
    id bigint,
    self text,
    uuid text,
    type text,
    status text,
    refused_reason text,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_verification IS 'An identity check (KYC) of a customer or an account, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_document AS (
    id bigint,
    uuid text,
    type text,
    status text,
    refused_reason text,
    url text,
    created_at timestamptz,
    raw jsonb
);
COMMENT ON TYPE truust_document IS 'A document of an identity check, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_refund AS (
    id bigint,
    self text,
    reference_id text,
    amount text,
    status text,
    payin_id bigint,
    wallet_id bigint,
    escrow_id bigint,
    tag text,
    provider jsonb,
    metadata jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    denied_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_refund IS 'A payment back to a buyer, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_address AS (
    id bigint,
    self text,
    uuid text,
    name text,
    email text,
    prefix text,
    phone text,
    line1 text,
    line2 text,
    city text,
    state text,
    country text,
    zip_code text,
    tag text,
    metadata jsonb,
    created_at timestamptz,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_address IS 'A postal address of a customer, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_transaction AS (
    id text,
    type text,
    amount numeric,
    currency text,
    status text,
    created_at timestamptz,
    raw jsonb
);
COMMENT ON TYPE truust_transaction IS 'A movement in a wallet, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_account AS (
    self text,
    merchant_id text,
    name text,
    email text,
    currency text,
    country_code text,
    business_url text,
    business_phone text,
    business_description text,
    image_url text,
    public_key text,
    secret_key text,
    allow_shipping boolean,
    value_shipping numeric,
    is_active boolean,
    psd2_enabled boolean,
    allowed_gateways text[],
    gateways jsonb,
    default_gateway text,
    created_at timestamptz,
    raw jsonb
);
COMMENT ON TYPE truust_account IS 'The account that the key belongs to, as the API returns it; raw holds the whole resource.';

CREATE TYPE truust_bundle AS (
    id bigint,
    self text,
    name text,
    description text,
    value numeric,
    value_shipping numeric,
    currency text,
    amount text,
    amount_shipping text,
    buyer_link text,
    images text[],
    expiration timestamptz,
    expiration_unit numeric,
    expiration_amount numeric,
    is_expired boolean,
    is_active boolean,
    is_shippable boolean,
    tag text,
    visits bigint,
    metadata jsonb,
    created_by bigint,
    created_at timestamptz,
    updated_at timestamptz,
    qr_link text,
    connections jsonb,
    raw jsonb
);
COMMENT ON TYPE truust_bundle IS 'A bundle: a link that many buyers can order through, as the API returns it; raw holds the whole resource.';


-- sql/20_config.sql

-- Where the API is and whose key is used: PostgreSQL's own foreign servers and
-- user mappings, so that privileges, dumps and secrecy are PostgreSQL's own.

CREATE FUNCTION truust_fdw_validator(options text[], catalog oid)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_fdw_validator';
COMMENT ON FUNCTION truust_fdw_validator(text[], oid) IS 'Checks the options of a server or user mapping of the foreign-data wrapper truust. Called by CREATE and ALTER SERVER and USER MAPPING, not by hand.';

CREATE FOREIGN DATA WRAPPER truust VALIDATOR truust_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER truust IS 'Truust accounts: a server is one account in one environment, a user mapping one role''s key.';

-- sql/30_tables.sql

-- State of the extension.  Users read these through the privileges of
-- truust_grant(); only the extension's own C code writes them, but for the
-- intake, which takes rows from whoever may insert webhooks.

CREATE TABLE truust.homes (
    home uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    system_identifier bigint NOT NULL,
    database_oid oid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    adopted_at timestamptz
);
COMMENT ON TABLE truust.homes IS 'Where this data has lived. A row of another place that nobody has adopted means that the data was restored or copied: everything waits until truust_resume().';
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
    PRIMARY KEY (id, server)
) WITH (fillfactor = 80);
CREATE INDEX orders_unfinished ON truust.orders (watch_from) WHERE NOT finished;
COMMENT ON TABLE truust.orders IS 'Last known state of each order, from write calls, webhooks and looks at the API.';
COMMENT ON COLUMN truust.orders.id IS 'the order''s id at Truust';
COMMENT ON COLUMN truust.orders.server IS 'foreign server (account and environment) that the order lives at';
COMMENT ON COLUMN truust.orders.status IS 'status as Truust spells it';
COMMENT ON COLUMN truust.orders.previous_status IS 'status before the last change';
COMMENT ON COLUMN truust.orders.finished IS 'whether no further change is expected';
COMMENT ON COLUMN truust.orders.value IS 'amount in units of the currency (not in cents)';
COMMENT ON COLUMN truust.orders.role IS 'role whose call first noted the order; its key is used to look at it again';
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
    error text
);
CREATE INDEX webhooks_waiting ON truust.webhooks (order_id) WHERE state = 'retry';
CREATE INDEX webhooks_due ON truust.webhooks (next_attempt_at, id) WHERE state = 'retry';
CREATE INDEX webhooks_dead ON truust.webhooks (id) WHERE state = 'dead';
COMMENT ON TABLE truust.webhooks IS 'Intake: webhooks that came and are not applied yet, and the dead letters among them.';
COMMENT ON COLUMN truust.webhooks.event IS 'event as the sender called it; NULL: read from the body';
COMMENT ON COLUMN truust.webhooks.body IS 'body as it came, byte for byte';
COMMENT ON COLUMN truust.webhooks.server IS 'foreign server it belongs to; NULL: truust.server';
COMMENT ON COLUMN truust.webhooks.order_id IS 'order that the body names, read on arrival; NULL where none could be read';
COMMENT ON COLUMN truust.webhooks.state IS 'new; retry (failed, waits for next_attempt_at, or behind another event of its order); dead (a person must look)';
COMMENT ON COLUMN truust.webhooks.error IS 'why the last attempt failed';

CREATE TABLE truust.handlers (
    event text NOT NULL,
    handler text NOT NULL,
    role name NOT NULL,
    search_path text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (event, handler)
);
COMMENT ON TABLE truust.handlers IS 'Functions that truust_on() registered.';
COMMENT ON COLUMN truust.handlers.event IS 'event that it is called for; * for all';
COMMENT ON COLUMN truust.handlers.handler IS 'signature of the function, with its schema';
COMMENT ON COLUMN truust.handlers.role IS 'role that registered it, and whose rights it runs with';
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
    done_error text
);
COMMENT ON TABLE truust.requests IS 'Outbox: requests that truust_enqueue() and attached tables left for the worker. A role sees its own rows.';
COMMENT ON COLUMN truust.requests.operation IS 'SQL function that is called, without truust_';
COMMENT ON COLUMN truust.requests.args IS 'its parameters, by name';
COMMENT ON COLUMN truust.requests.key IS 'idempotency key: unique for each role';
COMMENT ON COLUMN truust.requests.role IS 'role that enqueued it, whose key it is sent with';
COMMENT ON COLUMN truust.requests.server IS 'foreign server that it is sent to';
COMMENT ON COLUMN truust.requests.state IS 'queued; sending (claimed); done; failed (refused by the API); uncertain (may have been executed, a person must look)';
COMMENT ON COLUMN truust.requests.attempts IS 'times that it was sent';
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
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE truust.attachments IS 'Merchant tables that truust_attach() ties to orders.';
COMMENT ON COLUMN truust.attachments.relation IS 'the attached table';
COMMENT ON COLUMN truust.attachments.key_columns IS 'columns of its primary key, by which a row is found again';
COMMENT ON COLUMN truust.attachments.args IS 'parameters of create_order, each with the column that it is taken from';
COMMENT ON COLUMN truust.attachments.role IS 'role that attached it: requests are sent with its key, and the table is written with its rights';
COMMENT ON COLUMN truust.attachments.search_path IS 'search_path of the attaching session, in force while the table is written';
COMMENT ON COLUMN truust.attachments.index_name IS 'index on the order''s id that truust_attach() made, and truust_detach() drops';

-- sql/40_calls.sql

-- One function for each operation of the API.  All share one C function,
-- which finds its row in src/endpointlist.h by the SQL function's name and its
-- arguments by theirs, so that a declaration here and a row there are all that
-- an operation needs.

CREATE FUNCTION truust_create_account(
    name text,
    slug text,
    country_code text,
    email text,
    password text,
    image text DEFAULT NULL,
    locale text DEFAULT NULL,
    business_url text DEFAULT NULL,
    product_description text DEFAULT NULL,
    fee_percent numeric DEFAULT NULL,
    fee_amount numeric DEFAULT NULL,
    fee_platform_percent numeric DEFAULT NULL,
    fee_platform_amount numeric DEFAULT NULL,
    fee_credit numeric DEFAULT NULL,
    fee_shipping_1 numeric DEFAULT NULL,
    fee_shipping_2 numeric DEFAULT NULL,
    fee_shipping_3 numeric DEFAULT NULL,
    default_parcel_size text DEFAULT NULL,
    default_fee numeric DEFAULT NULL,
    default_gateway text DEFAULT NULL,
    allowed_gateways text[] DEFAULT NULL,
    template_folder text DEFAULT NULL,
    custom_domain text DEFAULT NULL,
    allow_insurance boolean DEFAULT NULL,
    allow_shipping boolean DEFAULT NULL,
    allow_select_parcel boolean DEFAULT NULL,
    allow_receipt boolean DEFAULT NULL,
    allow_receipt_self boolean DEFAULT NULL,
    billing_address text DEFAULT NULL,
    billing_address_line_2 text DEFAULT NULL,
    billing_city text DEFAULT NULL,
    billing_state text DEFAULT NULL,
    billing_zip text DEFAULT NULL,
    billing_country text DEFAULT NULL,
    vat_id text DEFAULT NULL,
    extra_billing_information text DEFAULT NULL,
    legal_address text DEFAULT NULL,
    legal_address_line_2 text DEFAULT NULL,
    legal_city text DEFAULT NULL,
    legal_state text DEFAULT NULL,
    legal_zip text DEFAULT NULL,
    legal_country text DEFAULT NULL,
    representative_name text DEFAULT NULL,
    representative_phone text DEFAULT NULL,
    representative_email text DEFAULT NULL,
    twitter_token text DEFAULT NULL,
    twitter_secret text DEFAULT NULL,
    facebook_id text DEFAULT NULL,
    facebook_token text DEFAULT NULL,
    parent_id bigint DEFAULT NULL,
    addon_key text DEFAULT NULL,
    addon_secret text DEFAULT NULL,
    addon_account text DEFAULT NULL,
    addon_rebate text DEFAULT NULL,
    psd2_enabled boolean DEFAULT NULL,
    receipt_subject text DEFAULT NULL,
    receipt_message text DEFAULT NULL,
    payment_success_message text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_account()
RETURNS truust_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_account(
    allow_shipping boolean,
    name text DEFAULT NULL,
    value_shipping numeric DEFAULT NULL,
    fee_shipping numeric DEFAULT NULL,
    business_phone text DEFAULT NULL,
    business_description text DEFAULT NULL,
    image text DEFAULT NULL,
    custom_domain text DEFAULT NULL,
    addon_account text DEFAULT NULL,
    subaccounts bigint[] DEFAULT NULL,
    allowed_gateways text[] DEFAULT NULL,
    default_gateway text DEFAULT NULL,
    psd2_enabled boolean DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_account_fees(
    currency text DEFAULT NULL
)
RETURNS truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_verify_account(
    type text,
    first_name text,
    last_name text,
    vat_id text,
    legal_address text,
    legal_city text,
    legal_zip text,
    legal_state text,
    legal_name text DEFAULT NULL,
    legal_country text DEFAULT NULL,
    birthday date DEFAULT NULL,
    occupation text DEFAULT NULL,
    income_range numeric DEFAULT NULL,
    representative_name text DEFAULT NULL,
    representative_email text DEFAULT NULL,
    representative_phone text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_customers(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_customer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_customer(
    name text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    email text DEFAULT NULL,
    prefix text DEFAULT NULL,
    phone text DEFAULT NULL,
    locale text DEFAULT NULL,
    tag text DEFAULT NULL,
    vat_id text DEFAULT NULL,
    type text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_customer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_customer(
    customer_uuid text
)
RETURNS truust_customer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_customer(
    customer_uuid text,
    name text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    email text DEFAULT NULL,
    prefix text DEFAULT NULL,
    phone text DEFAULT NULL,
    locale text DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_customer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_customer_wallets(
    customer_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_list_customer_cards(
    customer_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_card
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_list_customer_bank_accounts(
    customer_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_bank_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_list_customer_addresses(
    customer_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_address
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_customer_address(
    customer_uuid text,
    name text,
    line1 text,
    city text,
    state text,
    zip_code text,
    country text,
    line2 text DEFAULT NULL,
    email text DEFAULT NULL,
    prefix text DEFAULT NULL,
    phone text DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_address
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_customer_address(
    customer_uuid text,
    address_uuid text
)
RETURNS truust_address
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_customer_address(
    customer_uuid text,
    address_uuid text,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_address
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_create_customer_verification(
    customer_uuid text,
    type text,
    first_name text,
    last_name text,
    vat_id text,
    legal_address text,
    legal_city text,
    legal_zip text,
    legal_state text,
    legal_country text DEFAULT NULL,
    legal_name text DEFAULT NULL,
    birthday date DEFAULT NULL,
    occupation text DEFAULT NULL,
    income_range numeric DEFAULT NULL,
    representative_name text DEFAULT NULL,
    representative_email text DEFAULT NULL,
    representative_phone text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_customer_verification(
    customer_uuid text
)
RETURNS truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_customer_subscriptions(
    customer_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_subscription
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_list_orders(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    status text DEFAULT NULL,
    sandbox boolean DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_order(
    name text,
    value numeric,
    buyer_id bigint DEFAULT NULL,
    seller_id bigint DEFAULT NULL,
    trustee_type text DEFAULT NULL,
    fee_value numeric DEFAULT NULL,
    fee_percent numeric DEFAULT NULL,
    tag text DEFAULT NULL,
    auto_settle boolean DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    template jsonb DEFAULT NULL,
    images text[] DEFAULT NULL,
    buyer_confirmed_url text DEFAULT NULL,
    buyer_denied_url text DEFAULT NULL,
    seller_confirmed_url text DEFAULT NULL,
    seller_denied_url text DEFAULT NULL,
    payin_intents bigint DEFAULT NULL,
    payin_method_types text[] DEFAULT NULL,
    payin_method_fallback text[] DEFAULT NULL,
    buyer_billing_id bigint DEFAULT NULL,
    buyer_shipping_id bigint DEFAULT NULL,
    subscription_id bigint DEFAULT NULL,
    discount_amount numeric DEFAULT NULL,
    discount_coupon_id bigint DEFAULT NULL,
    discount_wallet_id bigint DEFAULT NULL,
    bundle bigint DEFAULT NULL,
    currency text DEFAULT NULL,
    payin_types text[] DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_order(
    order_id bigint
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_order(
    order_id bigint,
    buyer_id bigint DEFAULT NULL,
    name text DEFAULT NULL,
    value numeric DEFAULT NULL,
    fee_value numeric DEFAULT NULL,
    fee_percent numeric DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    template jsonb DEFAULT NULL,
    images text[] DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_order_payin(
    order_id bigint
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_order_payout(
    order_id bigint
)
RETURNS truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_accept_order(
    order_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_cancel_order(
    order_id bigint,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    bankaccount_id bigint DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_validate_order(
    order_id bigint,
    auto_accept boolean DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_send_order_receipt(
    order_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_reimburse_order(
    order_id bigint,
    amount numeric DEFAULT NULL,
    wallet_id bigint DEFAULT NULL,
    payin_id bigint DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_payins(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_payin(
    order_id bigint,
    type text,
    gateway_id bigint DEFAULT NULL,
    card_id bigint DEFAULT NULL,
    wallet_id bigint DEFAULT NULL,
    save_card boolean DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_payin(
    payin_id bigint
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_sync_payin(
    payin_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_refund_payin(
    payin_id bigint,
    amount numeric DEFAULT NULL,
    multipayin boolean DEFAULT NULL,
    bankaccount_id bigint DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_cancel_pre_auth(
    payin_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_request_to_pay(
    payin_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_payouts(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_payout(
    order_id bigint,
    type text,
    wallet_id bigint DEFAULT NULL,
    bankaccount_id bigint DEFAULT NULL,
    bankwire_ref text DEFAULT NULL,
    azupay_id text DEFAULT NULL,
    azupay_type text DEFAULT NULL,
    azupay_bsb text DEFAULT NULL,
    azupay_account text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_payout(
    payout_id bigint
)
RETURNS truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_sync_payout(
    payout_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_wallet(
    wallet_uuid text,
    update text DEFAULT NULL
)
RETURNS truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_wallet(
    wallet_uuid text,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_wallets(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_wallet(
    currency text,
    customer_id bigint DEFAULT NULL,
    customer_type text DEFAULT NULL,
    type text DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_wallet
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_wallet_transactions(
    wallet_uuid text,
    page bigint DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_transaction
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_bank_account(
    name text,
    type text,
    number text,
    customer_id bigint DEFAULT NULL,
    customer_type text DEFAULT NULL,
    bic text DEFAULT NULL,
    bsb text DEFAULT NULL,
    cod_entidad text DEFAULT NULL,
    iban text DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_bank_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_bank_account_validation(
    currency text,
    country text,
    type text
)
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_bank_account(
    bank_account_uuid text
)
RETURNS truust_bank_account
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_card(
    card_uuid text
)
RETURNS truust_card
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_delete_card(
    card_uuid text
)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_subscriptions(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_subscription
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_subscription(
    buyer_id bigint,
    seller_id bigint,
    name text,
    value numeric,
    type text,
    fee_value numeric DEFAULT NULL,
    fee_percent numeric DEFAULT NULL,
    start_date date DEFAULT NULL,
    first_payment_value numeric DEFAULT NULL,
    times bigint DEFAULT NULL,
    schedule text DEFAULT NULL,
    auto_settle boolean DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    order_metadata jsonb DEFAULT NULL,
    buyer_confirmed_url text DEFAULT NULL,
    buyer_denied_url text DEFAULT NULL,
    seller_confirmed_url text DEFAULT NULL,
    seller_denied_url text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_subscription
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_subscription(
    subscription_id bigint
)
RETURNS truust_subscription
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_cancel_subscription(
    subscription_id bigint,
    extra jsonb DEFAULT NULL
)
RETURNS truust_subscription
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_verifications(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_get_verification(
    verification_uuid text
)
RETURNS truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_submit_verification(
    verification_uuid text,
    type text,
    first_name text,
    last_name text,
    vat_id text,
    legal_address text,
    legal_city text,
    legal_zip text,
    legal_state text,
    legal_country text DEFAULT NULL,
    legal_name text DEFAULT NULL,
    birthday date DEFAULT NULL,
    occupation text DEFAULT NULL,
    income_range numeric DEFAULT NULL,
    representative_name text DEFAULT NULL,
    representative_email text DEFAULT NULL,
    representative_phone text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_request_verification(
    verification_uuid text,
    extra jsonb DEFAULT NULL
)
RETURNS truust_verification
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_verification_documents(
    verification_uuid text,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_document
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_upload_verification_document(
    verification_uuid text,
    type text,
    content text,
    extra jsonb DEFAULT NULL
)
RETURNS truust_document
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_verification_document(
    verification_uuid text,
    document_uuid text
)
RETURNS truust_document
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_verification_document(
    verification_uuid text,
    document_uuid text,
    type text,
    content text,
    extra jsonb DEFAULT NULL
)
RETURNS truust_document
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_bundles(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_bundle
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_create_bundle(
    name text,
    description text DEFAULT NULL,
    value numeric DEFAULT NULL,
    is_active boolean DEFAULT NULL,
    is_shippable boolean DEFAULT NULL,
    value_shipping numeric DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    images text[] DEFAULT NULL,
    expiration timestamptz DEFAULT NULL,
    expiration_unit numeric DEFAULT NULL,
    expiration_amount numeric DEFAULT NULL,
    buyer_confirmed_url text DEFAULT NULL,
    buyer_denied_url text DEFAULT NULL,
    seller_confirmed_url text DEFAULT NULL,
    seller_denied_url text DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_bundle
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_expired_bundles(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_bundle
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_get_bundle(
    bundle_id text
)
RETURNS truust_bundle
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_update_bundle(
    bundle_id text,
    name text DEFAULT NULL,
    description text DEFAULT NULL,
    value numeric DEFAULT NULL,
    is_active boolean DEFAULT NULL,
    is_shippable boolean DEFAULT NULL,
    value_shipping numeric DEFAULT NULL,
    tag text DEFAULT NULL,
    metadata jsonb DEFAULT NULL,
    images text[] DEFAULT NULL,
    expiration timestamptz DEFAULT NULL,
    expiration_unit numeric DEFAULT NULL,
    expiration_amount numeric DEFAULT NULL,
    extra jsonb DEFAULT NULL
)
RETURNS truust_bundle
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_list_bundle_orders(
    bundle_id text,
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_list_refunds(
    page bigint DEFAULT NULL,
    per_page bigint DEFAULT NULL,
    search text DEFAULT NULL,
    query text DEFAULT NULL,
    date_begin date DEFAULT NULL,
    date_end date DEFAULT NULL,
    order_by text DEFAULT NULL,
    sort text DEFAULT NULL,
    max_rows bigint DEFAULT NULL
)
RETURNS SETOF truust_refund
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call_set';

CREATE FUNCTION truust_get_refund(
    refund_id bigint
)
RETURNS truust_refund
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_create_card(
    customer_uuid text,
    extra jsonb DEFAULT NULL
)
RETURNS truust_card
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';

CREATE FUNCTION truust_get_forex_rates(
    type text,
    sell_currency text,
    buy_currency text
)
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_call';


-- sql/42_calls_more.sql

-- Calls that are more than one operation of the API.

CREATE FUNCTION truust_get_orders(order_ids bigint[])
RETURNS SETOF truust_order
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_get_many';

CREATE FUNCTION truust_get_payins(payin_ids bigint[])
RETURNS SETOF truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_get_many';

CREATE FUNCTION truust_get_payouts(payout_ids bigint[])
RETURNS SETOF truust_payout
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_get_many';

CREATE FUNCTION truust_get_customers(customer_uuids text[])
RETURNS SETOF truust_customer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_get_many';

CREATE FUNCTION truust_charge_direct_link(payin_id bigint)
RETURNS truust_payin
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_charge_direct_link';

CREATE FUNCTION truust.endpoints(
    OUT operation text, OUT name text, OUT method text, OUT path text, OUT authenticated boolean,
    OUT repeat text, OUT lookup text, OUT why text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_endpoint_rows';
COMMENT ON FUNCTION truust.endpoints() IS 'The API''s operations as this library knows them: how each is called, whether it may be repeated (safe, harmless, findable, uncertain), how an unknown outcome is looked up, and why.';

-- What (truust_create_order(...)).* would do.

CREATE FUNCTION truust.once(internal)
RETURNS internal
LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_once';
COMMENT ON FUNCTION truust.once(internal) IS 'Planner support of the functions that write: refuses a query that would execute a call once for each column of its result, as (f(x)).* does.';

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT 'truust_' || e.name FROM truust.endpoints() e WHERE e.method <> 'GET'
                UNION ALL VALUES ('truust_charge_direct_link') LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%I SUPPORT truust.once', name);
    END LOOP;
END $$;

-- sql/45_call_comments.sql

-- What each call means, what its parameters are measured in, its own errors, and the operation of the API that it
-- is.  make docs turns this into docs/reference.md; test/sql/facts.sql wants every parameter and operation named.

COMMENT ON FUNCTION truust_create_account IS 'Opens a merchant account together with the person who manages it. It is the only call that sends no key, though a user mapping must exist. The answer holds the keys of the new account: keep it out of logs.
- name: name of the business; no other account has it; at most 255 characters
- slug: the same name in lower case with underscores: My Shop is my_shop
- country_code: country, two letters (ISO 3166-1)
- email: e-mail address of the manager (at most 255 characters)
- password: password of the manager, 8 characters or more of all kinds; it passes through SQL, so mind what your server logs; at most 255 characters
- image: logo, as a URL or in base64
- locale: language of messages, as es or en
- business_url: web address
- product_description: what is sold
- fee_percent: fee on each order in percent, the platform''s included
- fee_amount: fee on each order in units of the currency, the platform''s included
- fee_platform_percent: the platform''s part of the fee in percent
- fee_platform_amount: the platform''s part of the fee in units of the currency
- fee_credit: fee on credit, the platform''s included
- fee_shipping_1: price of shipping a small parcel, in units of the currency
- fee_shipping_2: the same for a medium one
- fee_shipping_3: the same for a large one
- default_parcel_size: size of a parcel where nothing else is said
- default_fee: fee where nothing else is said, in units of the currency
- default_gateway: gateway of payments where nothing else is said; gateways are named ADDON, BANKWIRE, REDSYS_V2, STRIPE, BIZUM and the like
- allowed_gateways: gateways that are allowed besides
- template_folder: folder of the templates of the payment page
- custom_domain: domain of your own for the payment page
- allow_insurance: whether orders can be insured
- allow_shipping: whether orders can be shipped
- allow_select_parcel: whether the seller chooses the size of the parcel
- allow_receipt: whether the buyer gets a receipt
- allow_receipt_self: whether the account gets one too
- billing_address: street and number for invoices
- billing_address_line_2: second line of it
- billing_city: city
- billing_state: state or province
- billing_zip: postal code
- billing_country: country, two letters
- vat_id: tax number
- extra_billing_information: anything else for invoices
- legal_address: registered street and number
- legal_address_line_2: second line of it
- legal_city: city
- legal_state: state or province
- legal_zip: postal code
- legal_country: country, two letters
- representative_name: full name of who acts for the company
- representative_phone: their telephone
- representative_email: their e-mail address
- twitter_token: access to Twitter, for sharing orders
- twitter_secret: the same
- facebook_id: access to Facebook, for sharing orders
- facebook_token: the same
- parent_id: id of the account that this one belongs to
- addon_key: access to the payment gateway
- addon_secret: the same
- addon_account: the same
- addon_rebate: the same
- psd2_enabled: whether payments go by PSD2
- receipt_subject: subject of the receipt (some plans only)
- receipt_message: text of the receipt (some plans only)
- payment_success_message: text that a buyer sees after paying (some plans only)
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createAccount, POST /accounts';

COMMENT ON FUNCTION truust_get_account IS 'The account that the key belongs to. Among its fields are its keys: select what you need rather than all.
API: getAccount, GET /accounts/me';

COMMENT ON FUNCTION truust_update_account IS 'Changes settings of the account that the key belongs to. Further fields of truust_create_account are taken in extra.
- allow_shipping: whether orders can be shipped; the API wants it each time
- name: name of the business (at most 255 characters)
- value_shipping: price of shipping in units of the currency; needed where allow_shipping is true
- fee_shipping: fee of shipping in units of the currency, instead of value_shipping
- business_phone: telephone with its country code
- business_description: what the business does
- image: logo, as a URL or in base64
- custom_domain: domain of your own for the payment page
- addon_account: access to the payment gateway
- subaccounts: ids of accounts that belong to this one
- allowed_gateways: gateways that are allowed besides the default one; gateways are named ADDON, BANKWIRE, REDSYS_V2, STRIPE, BIZUM and the like
- default_gateway: gateway of payments where nothing else is said
- psd2_enabled: whether payments go by PSD2
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: updateAccount, PUT /accounts/me';

COMMENT ON FUNCTION truust_get_account_fees IS 'The account''s wallet in one currency: its balance and what it holds of fees.
- currency: currency, three letters (ISO 4217); NULL for the account''s own

API: getAccountFees, GET /accounts/fees/{currency}';

COMMENT ON FUNCTION truust_verify_account IS 'Hands in who stands behind the account, for the legal check (KYC).
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- legal_country: country, two letters (ISO 3166-1)
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL (at most 255 characters)
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL; at most 255 characters
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: verifyAccount, POST /accounts/verify';

COMMENT ON FUNCTION truust_list_customers IS 'Customers of the account: buyers and sellers alike.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in: email, tag, ...
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomers, GET /customers';

COMMENT ON FUNCTION truust_create_customer IS 'Makes a customer, who can then buy and sell. Where the e-mail address or the telephone is known already, the customer who has it is changed and comes back: look at the id. One of both is needed.
- name: full name (at most 255 characters)
- first_name: first name (at most 255 characters)
- last_name: last name (at most 255 characters)
- email: e-mail address; needed where phone is NULL; at most 255 characters
- prefix: country code of the telephone, as +34; needed with phone
- phone: telephone without its country code; needed where email is NULL
- locale: language of messages, as es or en
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- vat_id: tax number (at most 255 characters)
- type: provider for whom the customer is registered: CLEARJUNCTION or CURRENCYCLOUD; both want more about the person, in extra => {"kyc": {...}}; NULL for none
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where both email and phone are missing, or the API does not take a value.
API: createCustomer, POST /customers';

COMMENT ON FUNCTION truust_get_customer IS 'One customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)

Errors: P0002 where there is none.
API: getCustomer, GET /customers/{customer_uuid}';

COMMENT ON FUNCTION truust_update_customer IS 'Changes a customer; what is NULL stays.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- name: full name (at most 255 characters)
- first_name: first name (at most 255 characters)
- last_name: last name (at most 255 characters)
- email: e-mail address (at most 255 characters)
- prefix: country code of the telephone number, as +34
- phone: telephone number without its country code
- locale: language of messages, as es or en
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such customer; 22023 where the API does not take a value.
API: updateCustomer, PUT /customers/{customer_uuid}';

COMMENT ON FUNCTION truust_list_customer_wallets IS 'Wallets of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomerWallets, GET /customers/{customer_uuid}/wallets';

COMMENT ON FUNCTION truust_list_customer_cards IS 'Saved cards of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomerCards, GET /customers/{customer_uuid}/cards';

COMMENT ON FUNCTION truust_list_customer_bank_accounts IS 'Bank accounts of a customer; their numbers are masked.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomerBankAccounts, GET /customers/{customer_uuid}/bankaccounts';

COMMENT ON FUNCTION truust_list_customer_addresses IS 'Postal addresses of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomerAddresses, GET /customers/{customer_uuid}/addresses';

COMMENT ON FUNCTION truust_create_customer_address IS 'Adds a postal address to a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- name: who lives there, or what you call the address (at most 255 characters)
- line1: street and number (at most 255 characters)
- city: city (at most 255 characters)
- state: state or province (at most 255 characters)
- zip_code: postal code
- country: country, two letters (ISO 3166-1)
- line2: floor, flat and the like (at most 255 characters)
- email: e-mail address there (at most 255 characters)
- prefix: country code of the telephone, as +34; goes with phone
- phone: telephone without its country code; goes with prefix
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createCustomerAddress, POST /customers/{customer_uuid}/addresses';

COMMENT ON FUNCTION truust_get_customer_address IS 'One postal address of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- address_uuid: uuid of the address

API: getCustomerAddress, GET /customers/{customer_uuid}/addresses/{address_uuid}';

COMMENT ON FUNCTION truust_update_customer_address IS 'Sets the metadata of an address; nothing else of an address can change.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- address_uuid: uuid of the address
- metadata: JSON object of your own, in place of the one before
- extra: JSON object of further fields for the body, for what is newer than this extension

API: updateCustomerAddress, PUT /customers/{customer_uuid}/addresses/{address_uuid}';

COMMENT ON FUNCTION truust_create_customer_verification IS 'Hands in who a customer is, for the legal check (KYC).
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_country: country, two letters (ISO 3166-1)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createCustomerVerification, POST /customers/{customer_uuid}/verify';

COMMENT ON FUNCTION truust_get_customer_verification IS 'The legal check (KYC) of a customer, as it stands.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)

Errors: P0002 where there is no such customer or no check of them.
API: getCustomerVerification, GET /customers/{customer_uuid}/verification';

COMMENT ON FUNCTION truust_list_customer_subscriptions IS 'Subscriptions of a customer.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listCustomerSubscriptions, GET /customers/{customer_uuid}/subscriptions';

COMMENT ON FUNCTION truust_list_orders IS 'Orders of the account. Where the table truust.orders will do, it is faster.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- status: only orders in this status: DRAFT, PENDING_PUBLISH, PUBLISHED, ACCEPTED, ...
- sandbox: only orders of the sandbox, or only others
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listOrders, GET /orders';

COMMENT ON FUNCTION truust_create_order IS 'Makes an order: a price that a buyer pays into escrow and that the seller gets when the order is validated. Send the buyer to buyer_link of the result, or ask for a payment with truust_create_payin. The order is noted in truust.orders in this transaction; to order from a trigger, or to have a lost answer sorted out by itself, use truust_enqueue.
- name: what is sold, as the buyer reads it (at most 120 characters)
- value: price in units of the currency: 120.50 is 120 euros and 50 cents (0 or more)
- buyer_id: id of the customer who buys; NULL where who opens the link buys
- seller_id: id of the customer who sells; NULL with auto_settle or trustee_type
- trustee_type: account, where the account itself sells
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- auto_settle: true where nobody has to accept: payment leads straight to ACCEPTED
- metadata: JSON object of your own, which comes back with it
- template: JSON object with words and switches for the payment page: btn_submit_text, iframe_title, expires_in (seconds), hide_cardholder, password_cvv
- images: addresses (URLs) of pictures
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after accepting
- seller_denied_url: where the seller goes after rejecting
- payin_intents: how often the buyer may try to pay (1 or more)
- payin_method_types: kinds of payment that are offered, such as CARD and BANKWIRE
- payin_method_fallback: kinds that are offered where those fail
- buyer_billing_id: id of the buyer''s address for the invoice
- buyer_shipping_id: id of the buyer''s address for the parcel
- subscription_id: id of the subscription that this order belongs to
- discount_amount: discount in units of the currency (0 or more)
- discount_coupon_id: id of a coupon
- discount_wallet_id: id of the wallet that pays the discount
- bundle: id of the bundle that the order comes from
- currency: currency, three letters (ISO 4217); NULL for the account''s own
- payin_types: kinds of payment, as payin_method_types; newer pages of the API call it so
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value; 08006, 58000 or 08P01 where the order may have been made although no answer came: look with truust_list_orders(search => ''tag'', query => ...) before ordering again.
API: createOrder, POST /orders';

COMMENT ON FUNCTION truust_get_order IS 'One order, as it stands at Truust. For many at once see truust_get_orders.
- order_id: id of the order

Errors: P0002 where there is none.
API: getOrder, GET /orders/{order_id}';

COMMENT ON FUNCTION truust_update_order IS 'Changes an order; what is NULL stays. After the payment only metadata, fee_value and fee_percent can change.
- order_id: id of the order
- buyer_id: id of the customer who buys
- name: what is sold (at most 120 characters)
- value: price in units of the currency (0 or more)
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- template: JSON object with words and switches for the payment page
- images: addresses (URLs) of pictures
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value, or the order is paid.
API: updateOrder, PUT /orders/{order_id}';

COMMENT ON FUNCTION truust_get_order_payin IS 'The payment of an order.
- order_id: id of the order

Errors: P0002 where there is no such order, or nobody has begun to pay.
API: getOrderPayin, GET /orders/{order_id}/payin';

COMMENT ON FUNCTION truust_get_order_payout IS 'The payment of an order to its seller.
- order_id: id of the order

Errors: P0002 where there is no such order, or no payout of it.
API: getOrderPayout, GET /orders/{order_id}/payout';

COMMENT ON FUNCTION truust_accept_order IS 'The seller takes the order: PUBLISHED becomes ACCEPTED.
- order_id: id of the order
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it.
API: acceptOrder, POST /orders/{order_id}/accept';

COMMENT ON FUNCTION truust_cancel_order IS 'Cancels an order; what the buyer has paid goes back.
- order_id: id of the order
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- bankaccount_id: id of the bank account that the money goes back to; needed where it came by bank wire
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the status of the order does not allow it.
API: cancelOrder, POST /orders/{order_id}/cancel';

COMMENT ON FUNCTION truust_validate_order IS 'Releases the money of an order to its seller. There is no way back. PENDING_VALIDATE becomes PENDING_RELEASE, and RELEASED when the money is on its way.
- order_id: id of the order
- auto_accept: true to leave out the acceptance by the seller
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it.
API: validateOrder, POST /orders/{order_id}/validate';

COMMENT ON FUNCTION truust_send_order_receipt IS 'Sends the buyer a receipt by e-mail. Each call sends one.
- order_id: id of the order
- extra: JSON object of further fields for the body, for what is newer than this extension

API: sendOrderReceipt, POST /orders/{order_id}/receipt';

COMMENT ON FUNCTION truust_reimburse_order IS 'Pays the buyer of an order back, wholly or in part, into a wallet. Called twice, it pays twice.
- order_id: id of the order
- amount: how much, in units of the currency; NULL for all; 0 or more
- wallet_id: id of the wallet that gets it
- payin_id: id of the payment that is paid back; needed where the order has several
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the amount is over what is left, or the API does not take a value; 08006, 58000 or 08P01 where the money may have moved although no answer came: look at truust_list_refunds() before repeating it.
API: reimburseOrder, POST /orders/{order_id}/reimburse';

COMMENT ON FUNCTION truust_list_payins IS 'Payments of buyers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listPayins, GET /payins';

COMMENT ON FUNCTION truust_create_payin IS 'Begins a payment of an order. With a saved card, truust_charge_direct_link then charges it without the buyer.
- order_id: id of the order to pay
- type: kind of payment: BANKWIRE, WALLET, or a gateway of the account, such as REDSYS_V2
- gateway_id: id of the gateway, instead of the one that type names
- card_id: id of a saved card
- wallet_id: id of the wallet that pays; needed for WALLET
- save_card: true to save the card that the buyer pays with
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such order; 22023 where its status does not allow it, or the API does not take a value.
API: createPayin, POST /payins';

COMMENT ON FUNCTION truust_get_payin IS 'One payment of a buyer. For many at once see truust_get_payins.
- payin_id: id of the payin

Errors: P0002 where there is none.
API: getPayin, GET /payins/{payin_id}';

COMMENT ON FUNCTION truust_sync_payin IS 'Has Truust ask the payment provider how a payment stands, and gives the result.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

API: syncPayin, PUT /payins/{payin_id}';

COMMENT ON FUNCTION truust_refund_payin IS 'Gives a payment back to its buyer, wholly or in part. Called twice, it pays twice.
- payin_id: id of the payin
- amount: how much, in units of the currency; NULL for all; 0 or more
- multipayin: true to give back all payments of the same order
- bankaccount_id: id of the bank account that gets it; needed where the payment came by bank wire
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 42501 where this kind of payment cannot be given back; 22023 where the amount is over what is left, or the API does not take a value; 08006, 58000 or 08P01 where the money may have moved although no answer came: look at truust_list_refunds() before repeating it.
API: refundPayin, POST /payins/{payin_id}/refund';

COMMENT ON FUNCTION truust_cancel_pre_auth IS 'Gives up a payment that is authorized and not collected; nothing is charged.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such payment; 22023 where it is not AUTHORIZED.
API: cancelPreAuth, POST /payins/{payin_id}/cancelpreauth';

COMMENT ON FUNCTION truust_request_to_pay IS 'Asks the buyer to pay, for kinds of payment that work by such a request (open banking). Each call asks once more.
- payin_id: id of the payin
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the kind of payment has no such request.
API: requestToPay, POST /payins/{payin_id}/request';

COMMENT ON FUNCTION truust_list_payouts IS 'Payments to sellers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listPayouts, GET /payouts';

COMMENT ON FUNCTION truust_create_payout IS 'Says where the money of an order goes: to a wallet or to a bank account. It goes there after truust_validate_order.
- order_id: id of the order, which is accepted and not yet released
- type: WALLET, ACCOUNT or BANKWIRE
- wallet_id: id of the wallet; needed for WALLET
- bankaccount_id: id of the bank account; needed for ACCOUNT
- bankwire_ref: reference that the bank shows (at most 140 characters)
- azupay_id: id of the target at AzuPay
- azupay_type: kind of account at AzuPay
- azupay_bsb: number of the bank in Australia (BSB)
- azupay_account: number of the account
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the status of the order does not allow it, or the API does not take a value.
API: createPayout, POST /payouts';

COMMENT ON FUNCTION truust_get_payout IS 'One payment to a seller. For many at once see truust_get_payouts.
- payout_id: id of the payout

Errors: P0002 where there is none.
API: getPayout, GET /payouts/{payout_id}';

COMMENT ON FUNCTION truust_sync_payout IS 'Has Truust ask the payment provider how a payment to a seller stands, and gives the result.
- payout_id: id of the payout
- extra: JSON object of further fields for the body, for what is newer than this extension

API: syncPayout, POST /payouts/{payout_id}/update';

COMMENT ON FUNCTION truust_get_wallet IS 'One wallet and its balance.
- wallet_uuid: uuid of the wallet (not its id)
- update: ''1'' to have the balance asked for at the provider first

Errors: P0002 where there is none.
API: getWallet, GET /wallets/{wallet_uuid}';

COMMENT ON FUNCTION truust_update_wallet IS 'Sets tag and metadata of a wallet; what is NULL stays.
- wallet_uuid: uuid of the wallet (not its id)
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

API: updateWallet, PUT /wallets/{wallet_uuid}';

COMMENT ON FUNCTION truust_list_wallets IS 'Wallets of the account.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listWallets, GET /wallets';

COMMENT ON FUNCTION truust_create_wallet IS 'Makes a wallet for a customer or for the account itself.
- currency: currency, three letters (ISO 4217)
- customer_id: id of the customer; needed unless customer_type is source
- customer_type: source for a wallet of the account itself, user for one of a customer
- type: provider of the wallet: CURRENCYCLOUD or CLEARJUNCTION; NULL for none
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createWallet, POST /wallets';

COMMENT ON FUNCTION truust_list_wallet_transactions IS 'Movements in a wallet.
- wallet_uuid: uuid of the wallet (not its id)
- page: one page by its number, from 1; NULL for all of them, one after the other
- date_begin: nothing from before this day
- date_end: nothing from after this day
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listWalletTransactions, GET /wallets/{wallet_uuid}/transactions';

COMMENT ON FUNCTION truust_create_bank_account IS 'Makes a bank account known, of a customer or of the account itself. What a country wants is told by truust_get_bank_account_validation.
- name: name of the holder (at most 255 characters)
- type: IBAN, INTERNATIONAL, BSB_ACCOUNT, PA_AHORRO, PA_CTE, CL_CTE, CL_VISTA, CL_AHORRO, ZEPTO, CLEARJUNCTION, CURRENCYCLOUD or OTHER
- number: number of the account; an IBAN where type is IBAN, CLEARJUNCTION or CURRENCYCLOUD
- customer_id: id of the customer; needed unless customer_type is source
- customer_type: source for a bank account of the account itself
- bic: BIC (SWIFT code) of the bank; needed for INTERNATIONAL; at most 11 characters
- bsb: number of the bank in Australia, six digits; needed for BSB_ACCOUNT
- cod_entidad: number of the bank, for PA_CTE and PA_AHORRO
- iban: IBAN, where it is not in number
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own; CLEARJUNCTION and CURRENCYCLOUD want currency, country and fields about the holder (beneficiary_...) in it
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value, a false IBAN among them.
API: createBankAccount, POST /bankaccounts';

COMMENT ON FUNCTION truust_get_bank_account_validation IS 'What a bank account must have in a country, as the API describes it (jsonb, its form is the API''s own).
- currency: currency, three letters (ISO 4217)
- country: country, two letters (ISO 3166-1)
- type: kind of bank account, as in truust_create_bank_account

API: getBankAccountValidation, GET /bankaccounts/validation';

COMMENT ON FUNCTION truust_get_bank_account IS 'One bank account; its number is masked.
- bank_account_uuid: uuid of the bank account (not its id)

API: getBankAccount, GET /bankaccounts/{bank_account_uuid}';

COMMENT ON FUNCTION truust_get_card IS 'One saved card; its number is masked.
- card_uuid: uuid of the card (not its id)

Errors: P0002 where there is none.
API: getCard, GET /cards/{card_uuid}';

COMMENT ON FUNCTION truust_delete_card IS 'Forgets a saved card. Returns nothing.
- card_uuid: uuid of the card (not its id)

Errors: P0002 where there is no such card, or it is gone already.
API: deleteCard, DELETE /cards/{card_uuid}';

COMMENT ON FUNCTION truust_list_subscriptions IS 'Subscriptions of the account.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listSubscriptions, GET /subscriptions';

COMMENT ON FUNCTION truust_create_subscription IS 'Makes a subscription: orders between a buyer and a seller that repeat by a schedule.
- buyer_id: id of the customer who pays
- seller_id: id of the customer who is paid
- name: what is sold (at most 120 characters)
- value: price of each time, in units of the currency (0 or more)
- type: kind of payment, such as CARD
- fee_value: your fee as an amount in units of the currency; of it and fee_percent the higher is charged; 0 or more
- fee_percent: your fee in percent; of it and fee_value the higher is charged; 0 to 100
- start_date: first day; NULL for today
- first_payment_value: price of the first time where it is another, in units of the currency
- times: how many times; NULL for no end
- schedule: when: monthly, weekly, or a cron expression
- auto_settle: true where no seller has to accept the orders
- tag: a text of your own, which comes back with it and can be searched for (at most 100 characters)
- metadata: JSON object of your own, which comes back with it
- order_metadata: JSON object of your own for each order
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after accepting
- seller_denied_url: where the seller goes after rejecting
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value; 08006, 58000 or 08P01 where it may have been made although no answer came: look at truust_list_subscriptions() before repeating it, or the buyer pays twice.
API: createSubscription, POST /subscriptions';

COMMENT ON FUNCTION truust_get_subscription IS 'One subscription.
- subscription_id: id of the subscription

Errors: P0002 where there is none.
API: getSubscription, GET /subscriptions/{subscription_id}';

COMMENT ON FUNCTION truust_cancel_subscription IS 'Ends a subscription; nothing more is charged.
- subscription_id: id of the subscription
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: P0002 where there is no such subscription; 22023 where it has ended already.
API: cancelSubscription, PUT /subscriptions/{subscription_id}/cancel';

COMMENT ON FUNCTION truust_list_verifications IS 'Legal checks (KYC) of the account and its customers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listVerifications, GET /verifications';

COMMENT ON FUNCTION truust_get_verification IS 'One legal check (KYC), as it stands.
- verification_uuid: uuid of the verification

Errors: P0002 where there is none.
API: getVerification, GET /verifications/{verification_uuid}';

COMMENT ON FUNCTION truust_submit_verification IS 'Hands in or changes what a legal check (KYC) is about. truust_request_verification then asks for the review.
- verification_uuid: uuid of the verification
- type: NATURAL for a person, SOLETRADER for a self-employed one, LEGAL for a company
- first_name: first name of the person, or of who acts for the company (at most 255 characters)
- last_name: last name of the same (at most 255 characters)
- vat_id: tax number (at most 255 characters)
- legal_address: street and number (at most 255 characters)
- legal_city: city (at most 255 characters)
- legal_zip: postal code (at most 255 characters)
- legal_state: state or province (at most 255 characters)
- legal_country: country, two letters (ISO 3166-1)
- legal_name: the company''s name; needed for LEGAL; at most 255 characters
- birthday: date of birth, for NATURAL
- occupation: occupation, for NATURAL
- income_range: income in units of the currency, for NATURAL
- representative_name: full name of who acts for the company; needed for LEGAL
- representative_email: the same person''s e-mail address; needed for LEGAL
- representative_phone: the same person''s telephone; needed for LEGAL
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: submitVerification, PUT /verifications/{verification_uuid}';

COMMENT ON FUNCTION truust_request_verification IS 'Asks for the review of a legal check (KYC) that is complete: CREATED becomes PENDING.
- verification_uuid: uuid of the verification
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where it is not CREATED, or something is missing.
API: requestVerification, POST /verifications/{verification_uuid}/request';

COMMENT ON FUNCTION truust_list_verification_documents IS 'Documents of a legal check (KYC).
- verification_uuid: uuid of the verification
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listVerificationDocuments, GET /verifications/{verification_uuid}/documents';

COMMENT ON FUNCTION truust_upload_verification_document IS 'Adds a document to a legal check (KYC).
- verification_uuid: uuid of the verification
- type: what the document proves: IDENTITY_PROOF, ADDRESS_PROOF, REGISTRATION_PROOF, ARTICLES_OF_ASSOCIATION, SHAREHOLDER_DECLARATION, TAX_VERIFICATION, BUSINESS_ADMINISTRATOR_ID, COMPANY_REGISTRATION_PROOF or BANK_VERIFICATION
- content: a picture (JPG or PNG) in base64: encode(bytes, ''base64''); 10 MB are no trouble
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take the picture.
API: uploadVerificationDocument, POST /verifications/{verification_uuid}/documents';

COMMENT ON FUNCTION truust_get_verification_document IS 'One document of a legal check (KYC).
- verification_uuid: uuid of the verification
- document_uuid: uuid of the document

API: getVerificationDocument, GET /verifications/{verification_uuid}/documents/{document_uuid}';

COMMENT ON FUNCTION truust_update_verification_document IS 'Puts another file in the place of a document of a legal check (KYC).
- verification_uuid: uuid of the verification
- document_uuid: uuid of the document
- type: what the document proves: IDENTITY_PROOF, ADDRESS_PROOF, REGISTRATION_PROOF, ARTICLES_OF_ASSOCIATION, SHAREHOLDER_DECLARATION, TAX_VERIFICATION, BUSINESS_ADMINISTRATOR_ID, COMPANY_REGISTRATION_PROOF or BANK_VERIFICATION
- content: a picture or a PDF in base64: encode(bytes, ''base64'')
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take the file.
API: updateVerificationDocument, PUT /verifications/{verification_uuid}/documents/{document_uuid}';

COMMENT ON FUNCTION truust_list_bundles IS 'Bundles of the account: links that many buyers can order through.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: what to look for
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listBundles, GET /bundles';

COMMENT ON FUNCTION truust_create_bundle IS 'Makes a bundle: a link for a product, through which any buyer makes an order of their own.
- name: name of the product on the payment page (at most 120 characters)
- description: more about it (at most 255 characters)
- value: price in units of the currency (0 or more)
- is_active: whether the link works
- is_shippable: whether it can be shipped; the payment page then asks where to
- value_shipping: price of shipping in units of the currency; needed where is_shippable is true; 0 or more
- tag: a short text of your own, which comes back with it (at most 50 characters)
- metadata: JSON object of your own, which comes back with it
- images: addresses (URLs) of pictures
- expiration: when the link ends; any time zone, sent in UTC
- expiration_unit: how many are there, where they are limited
- expiration_amount: price after the end, in units of the currency, where it becomes another
- buyer_confirmed_url: where the buyer goes after paying
- buyer_denied_url: where the buyer goes after a payment that failed
- seller_confirmed_url: where the seller goes after the payout
- seller_denied_url: where the seller goes after a payout that failed
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: createBundle, POST /bundles';

COMMENT ON FUNCTION truust_list_expired_bundles IS 'Bundles whose link has ended.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listExpiredBundles, GET /bundles/expired';

COMMENT ON FUNCTION truust_get_bundle IS 'One bundle.
- bundle_id: id of the bundle, as text

Errors: P0002 where there is none.
API: getBundle, GET /bundles/{bundle_id}';

COMMENT ON FUNCTION truust_update_bundle IS 'Changes a bundle; what is NULL stays.
- bundle_id: id of the bundle, as text
- name: name of the product on the payment page (at most 120 characters)
- description: more about it (at most 255 characters)
- value: price in units of the currency (0 or more)
- is_active: whether the link works
- is_shippable: whether it can be shipped
- value_shipping: price of shipping in units of the currency; needed where is_shippable is true; 0 or more
- tag: a short text of your own, which comes back with it (at most 50 characters)
- metadata: JSON object of your own, which comes back with it
- images: addresses (URLs) of pictures
- expiration: when the link ends; any time zone, sent in UTC
- expiration_unit: how many are there, where they are limited
- expiration_amount: price after the end, in units of the currency, where it becomes another
- extra: JSON object of further fields for the body, for what is newer than this extension

Errors: 22023 where the API does not take a value.
API: updateBundle, PUT /bundles/{bundle_id}';

COMMENT ON FUNCTION truust_list_bundle_orders IS 'Orders that came through a bundle.
- bundle_id: id of the bundle, as text
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listBundleOrders, GET /bundles/{bundle_id}/orders';

COMMENT ON FUNCTION truust_list_refunds IS 'Payments back to buyers.
- page: one page by its number, from 1; NULL for all of them, one after the other
- per_page: rows that one request asks for, 1 to 100; NULL for 100, or max_rows where that is less
- search: the field to look in, such as email or tag
- query: what to look for; in all that the API searches where search is NULL
- date_begin: nothing from before this day
- date_end: nothing from after this day
- order_by: the field to sort by; NULL for created_at
- sort: asc or desc; NULL for desc, the newest first
- max_rows: ends the list after so many rows, and asks for no page beyond them; NULL for all

API: listRefunds, GET /refunds';

COMMENT ON FUNCTION truust_get_refund IS 'One payment back to a buyer.
- refund_id: id of the refund

Errors: P0002 where there is none.
API: getRefund, GET /refunds/{refund_id}';

COMMENT ON FUNCTION truust_create_card IS 'Adds a card to a customer: the buyer enters it at tokenization_link of the result. The API''s documentation names this operation and describes no body; give what your account''s manager tells you in extra.
- customer_uuid: uuid of the customer, as truust_customer has it (not its id)
- extra: JSON object of further fields for the body, for what is newer than this extension

API: createCard, POST /customers/{customer_uuid}/cards';

COMMENT ON FUNCTION truust_get_forex_rates IS 'The rate between two currencies, as the API describes it (jsonb, its form is the API''s own).
- type: kind of rate
- sell_currency: currency that is given, three letters (ISO 4217)
- buy_currency: currency that is wanted, three letters (ISO 4217)

API: getForexRates, GET /forex/rates';

COMMENT ON FUNCTION truust_get_orders IS 'Many orders at once, as they stand at Truust: with up to truust.max_connections requests in flight, in one session. One row for each id, in the order of the array; an id given twice comes twice.
- order_ids: ids of the orders; none of them NULL

Errors: P0002 where one of them does not exist, and then nothing is returned; 22004 for a NULL in the array.
API: getOrder, GET /orders/{order_id}';

COMMENT ON FUNCTION truust_get_payins IS 'Many payments of buyers at once, the way truust_get_orders does it.
- payin_ids: ids of the payins; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getPayin, GET /payins/{payin_id}';

COMMENT ON FUNCTION truust_get_payouts IS 'Many payments to sellers at once, the way truust_get_orders does it.
- payout_ids: ids of the payouts; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getPayout, GET /payouts/{payout_id}';

COMMENT ON FUNCTION truust_get_customers IS 'Many customers at once, the way truust_get_orders does it.
- customer_uuids: uuids of the customers; none of them NULL

Errors: P0002 where one of them does not exist; 22004 for a NULL in the array.
API: getCustomer, GET /customers/{customer_uuid}';

COMMENT ON FUNCTION truust_charge_direct_link IS 'Charges the saved card of a payment without the buyer, by a POST to the direct_link of the payin, and returns the payin as it stands then. The key is sent to no other host than the server''s own. Called twice, it may charge twice.
- payin_id: id of a payin that was made with card_id

Errors: P0002 where there is no such payin; 55000 where it has no direct_link, as it is paid already or has no card; 08P01 where the link leads to another host, and then nothing is sent; 08006 or 58000 where the card may have been charged although no answer came: look at truust_get_payin() before repeating it.
API: getPayin, GET /payins/{payin_id}; POST to its direct_link';

-- Columns whose meaning or unit does not stand in their name.

COMMENT ON COLUMN truust_order.id IS 'As orders are named in every call.';
COMMENT ON COLUMN truust_order.public_id IS 'Its name in links.';
COMMENT ON COLUMN truust_order.value IS 'Price in units of the currency, exact.';
COMMENT ON COLUMN truust_order.fee_value IS 'Fee in units of the currency.';
COMMENT ON COLUMN truust_order.fee_percent IS 'Fee in percent.';
COMMENT ON COLUMN truust_order.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_order.amount IS 'Price as text for people, with the sign of the currency; value is the number.';
COMMENT ON COLUMN truust_order.payin_amount IS 'What the buyer pays, as text for people.';
COMMENT ON COLUMN truust_order.payout_amount IS 'What the seller gets, as text for people.';
COMMENT ON COLUMN truust_order.fee_amount IS 'Fee as text for people; fee_value is the number.';
COMMENT ON COLUMN truust_order.shipping_amount IS 'Price of shipping, as text for people.';
COMMENT ON COLUMN truust_order.buyer_link IS 'Where the buyer pays.';
COMMENT ON COLUMN truust_order.seller_link IS 'Where the seller accepts or rejects.';
COMMENT ON COLUMN truust_order.qr_link IS 'Picture of a QR code of the order.';
COMMENT ON COLUMN truust_order.status IS 'DRAFT, PENDING_PUBLISH, FAILURE, PUBLISHED, ACCEPTED, REJECTED, CANCELLED, PENDING_VALIDATE, PENDING_RELEASE, BLOCKED_RELEASE, RELEASED; the API may send others.';
COMMENT ON COLUMN truust_order.status_nicename IS 'The status as text for people.';
COMMENT ON COLUMN truust_order.payin_intents IS 'How often the buyer may try to pay.';
COMMENT ON COLUMN truust_order.payin_types IS 'Kinds of payment that are offered.';
COMMENT ON COLUMN truust_order.payin_fallback IS 'Kinds of payment that are offered where those fail.';
COMMENT ON COLUMN truust_order.published_at IS 'When it was paid.';
COMMENT ON COLUMN truust_order.connections IS 'Links to what belongs to it: customers, payins, payouts.';
COMMENT ON COLUMN truust_customer.uuid IS 'As customers are named in calls (customer_uuid); orders name them by id.';
COMMENT ON COLUMN truust_customer.prefix IS 'Country code of the telephone, as +34.';
COMMENT ON COLUMN truust_payin.reference IS 'Name of the payment at its provider.';
COMMENT ON COLUMN truust_payin.type IS 'Kind of payment.';
COMMENT ON COLUMN truust_payin.status IS 'CREATED, AUTHORIZED, CONFIRMED, DENIED, REFUNDED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_payin.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_payin.direct_link IS 'Where the buyer pays; with a saved card, what truust_charge_direct_link posts to.';
COMMENT ON COLUMN truust_payout.reference IS 'Name of the payment at its provider.';
COMMENT ON COLUMN truust_payout.status IS 'CREATED, CONFIRMED, DENIED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_payout.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_wallet.uuid IS 'As wallets are named in calls (wallet_uuid); payouts name them by id.';
COMMENT ON COLUMN truust_wallet.type IS 'Provider of the wallet; NULL for an ordinary one.';
COMMENT ON COLUMN truust_wallet.balance IS 'In units of the currency, exact.';
COMMENT ON COLUMN truust_wallet.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_bank_account.number IS 'Masked.';
COMMENT ON COLUMN truust_card.type IS 'Brand of the card.';
COMMENT ON COLUMN truust_card.alias IS 'Number of the card, masked.';
COMMENT ON COLUMN truust_card.expiration IS 'As the API writes it.';
COMMENT ON COLUMN truust_card.tokenization_link IS 'Where the buyer enters the card; only in the answer of truust_create_card.';
COMMENT ON COLUMN truust_card.confirmed IS 'Whether it can be charged.';
COMMENT ON COLUMN truust_subscription.amount IS 'Price of each time, in units of the currency, exact.';
COMMENT ON COLUMN truust_subscription.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_subscription.type IS 'Kind of payment.';
COMMENT ON COLUMN truust_subscription.status IS 'CREATED, ACTIVE, CANCELLED, EXPIRED; the API may send others.';
COMMENT ON COLUMN truust_verification.type IS 'INDIVIDUAL, SELFEMPLOYEE or LEGAL.';
COMMENT ON COLUMN truust_verification.status IS 'CREATED, PENDING, VALIDATED, REFUSED; the API may send others.';
COMMENT ON COLUMN truust_document.status IS 'CREATED, VALIDATED, REFUSED; the API may send others.';
COMMENT ON COLUMN truust_document.url IS 'Where the file can be seen.';
COMMENT ON COLUMN truust_refund.amount IS 'As text for people, with the sign of the currency.';
COMMENT ON COLUMN truust_refund.escrow_id IS 'Id of the order.';
COMMENT ON COLUMN truust_refund.status IS 'CREATED, CONFIRMED, DENIED, CANCELLED; the API may send others.';
COMMENT ON COLUMN truust_refund.provider IS 'What the payment provider answered, in its own form.';
COMMENT ON COLUMN truust_address.country IS 'Two letters (ISO 3166-1).';
COMMENT ON COLUMN truust_address.prefix IS 'Country code of the telephone, as +34.';
COMMENT ON COLUMN truust_transaction.type IS 'PAYIN, PAYOUT, REFUND and the like.';
COMMENT ON COLUMN truust_transaction.amount IS 'In units of the currency, exact.';
COMMENT ON COLUMN truust_transaction.currency IS 'Three letters (ISO 4217).';
COMMENT ON COLUMN truust_account.secret_key IS 'A secret: select what you need rather than all.';
COMMENT ON COLUMN truust_account.value_shipping IS 'Price of shipping in units of the currency.';
COMMENT ON COLUMN truust_account.country_code IS 'Two letters (ISO 3166-1).';
COMMENT ON COLUMN truust_bundle.value IS 'Price in units of the currency, exact.';
COMMENT ON COLUMN truust_bundle.value_shipping IS 'Price of shipping in units of the currency, exact.';
COMMENT ON COLUMN truust_bundle.amount IS 'Price as text for people; value is the number.';
COMMENT ON COLUMN truust_bundle.amount_shipping IS 'Price of shipping as text for people; value_shipping is the number.';
COMMENT ON COLUMN truust_bundle.expiration IS 'When the link ends.';
COMMENT ON COLUMN truust_bundle.expiration_unit IS 'How many are there, where they are limited.';
COMMENT ON COLUMN truust_bundle.expiration_amount IS 'Price after the end, in units of the currency, where it becomes another.';
COMMENT ON COLUMN truust_bundle.visits IS 'How often the link was opened.';

COMMENT ON COLUMN truust_order.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_customer.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_payin.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_payout.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_wallet.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_bank_account.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_card.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_subscription.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_verification.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_document.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_refund.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_address.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_transaction.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_account.raw IS 'The whole resource as it came, with fields that are newer than this extension.';
COMMENT ON COLUMN truust_bundle.raw IS 'The whole resource as it came, with fields that are newer than this extension.';

-- sql/50_webhooks.sql

-- Webhooks: how they come in, what is done about them, and by whom.

-- A fresh database is at home here; data that moves keeps this row (see truust.homes).
CREATE FUNCTION truust.home_here(OUT system_identifier bigint, OUT database_oid oid)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_home_here';
COMMENT ON FUNCTION truust.home_here() IS 'Where this database is: the cluster''s system identifier and the database''s OID. At commit it tells the launcher that workers can start here.';

INSERT INTO truust.homes (system_identifier, database_oid)
SELECT h.system_identifier, h.database_oid FROM truust.home_here() AS h;

CREATE TYPE truust_event AS (
    id bigint,
    event text,
    order_id bigint,
    status text,
    previous_status text,
    server text,
    source text,
    webhook_id bigint,
    payin_id bigint,
    payout_id bigint,
    received_at timestamptz,
    body jsonb
);
COMMENT ON TYPE truust_event IS 'What a handler is given: an event as truust.events has it, and the body (what the API says, where truust.webhook_trust is fetch).';

-- The state machine, callable

CREATE FUNCTION truust.order_state_verdict(status text, told text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_order_state_verdict_sql';
COMMENT ON FUNCTION truust.order_state_verdict(text, text) IS 'What an order with a status (NULL: not known yet) does when it is told another: move, stay or stale. A status that is not known here moves.';

CREATE FUNCTION truust.payment_state_verdict(status text, told text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_payment_state_verdict_sql';
COMMENT ON FUNCTION truust.payment_state_verdict(text, text) IS 'The same for a payin, payout or refund.';

CREATE FUNCTION truust.order_state_event(status text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_order_state_event_sql';
COMMENT ON FUNCTION truust.order_state_event(text) IS 'Name of the event of an order''s arriving at a status.';

CREATE FUNCTION truust.event_name(sent_as text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'truust_event_name_sql';
COMMENT ON FUNCTION truust.event_name(text) IS 'An event''s name as this extension spells it: EscrowPublished, "Order Published" and order-published are order.published.';

-- Intake

CREATE FUNCTION truust.intake()
RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'truust_intake';
COMMENT ON FUNCTION truust.intake() IS 'Trigger of truust.webhooks: refuses a body over truust.max_webhook_size (54000), reads which order it names, wakes the worker at the commit.';

CREATE TRIGGER intake BEFORE INSERT ON truust.webhooks
    FOR EACH ROW EXECUTE FUNCTION truust.intake();

CREATE FUNCTION truust_receive_webhook(body bytea, event text DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_receive_webhook';
COMMENT ON FUNCTION truust_receive_webhook(bytea, text, jsonb) IS 'Takes a webhook in: durable at the commit, applied after it. body: as it came, byte for byte; event: the sender''s name for it (NULL: the body says); headers: whatever is worth keeping. It belongs to the server that truust.server names. Returns its id. Error: 54000 over truust.max_webhook_size.';

CREATE FUNCTION truust_receive_webhook(body text, event text DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_receive_webhook';
COMMENT ON FUNCTION truust_receive_webhook(text, text, jsonb) IS 'The same for a body given as text, which is kept in the database''s encoding.';

-- Handlers

CREATE FUNCTION truust_on(event text, handler regprocedure)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_on';
COMMENT ON FUNCTION truust_on(text, regprocedure) IS 'Registers a function f(truust_event) to be called for an event (* for all), in the transaction that applies it and with the rights and the search_path of the role that registers it. Errors: 22023 no name, or a function of another shape; 42501 without EXECUTE on it.';

CREATE FUNCTION truust_off(event text, handler regprocedure)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_off';
COMMENT ON FUNCTION truust_off(text, regprocedure) IS 'Unregisters what truust_on() registered; false if it was not.';

-- Operators

CREATE FUNCTION truust_retry_webhook(id bigint)
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_retry_webhook';
COMMENT ON FUNCTION truust_retry_webhook(bigint) IS 'Tries a webhook that waits or is dead once more, at once. Error: P0002 there is none.';

CREATE FUNCTION truust_discard_webhook(id bigint, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_discard_webhook';
COMMENT ON FUNCTION truust_discard_webhook(bigint, text) IS 'Takes a webhook out of the intake without applying it; the server''s log keeps who did it and why. Events of its order that waited behind it go on. Error: P0002 there is none.';

CREATE FUNCTION truust_replay(order_id bigint)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_replay';
COMMENT ON FUNCTION truust_replay(bigint) IS 'Queues the applied events of an order''s history (without history: its present status) for handlers, attached tables and listeners once more, with source replay; the order itself stays as it is. Returns how many. Error: P0002 the order is not known.';

CREATE FUNCTION truust_sync_orders(
    since timestamptz,
    OUT order_id bigint,
    OUT server text,
    OUT known_status text,
    OUT status text
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_sync_orders';
COMMENT ON FUNCTION truust_sync_orders(timestamptz) IS 'Compares the orders that were created since then (NULL: ever), and all unfinished ones that are known, with the API, and queues what had drifted to be applied like webhooks. Returns that: what was known (NULL: nothing) and what the API says. Uses the key of the caller or of the server''s owner. Errors: those of truust_list_orders().';

CREATE FUNCTION truust_pause(what text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_pause';
COMMENT ON FUNCTION truust_pause(text, text) IS 'Stops work on webhooks or requests after the batch in hand, until truust_resume(): new rows wait. Error: 22023 for anything else.';

CREATE FUNCTION truust_resume(what text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_resume';
COMMENT ON FUNCTION truust_resume(text) IS 'Ends truust_pause() of webhooks or requests. In a restored or copied database it says that the data lives here from now on: what is not resumed stays paused. Error: 22023 for anything else.';

-- Workers

CREATE PROCEDURE truust_drain()
LANGUAGE C
AS 'MODULE_PATHNAME', 'truust_drain';
COMMENT ON PROCEDURE truust_drain() IS 'Does the workers'' work in this session until nothing is due: webhooks, deferred requests, their on_done. Commits as it goes. Error: 2D000 inside a transaction block.';

CREATE FUNCTION truust_start_worker()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_start_worker';
COMMENT ON FUNCTION truust_start_worker() IS 'Starts the workers of this database that are not running; they stay until the server stops (with truust in shared_preload_libraries they start by themselves). Returns how many are running then. Error: 53400 no free slot of max_worker_processes.';

CREATE FUNCTION truust_stop_worker()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_stop_worker';
COMMENT ON FUNCTION truust_stop_worker() IS 'Stops the workers of this database, and waits for them; truust_start_worker() or a restart of the server starts them again. Returns how many stopped.';

-- sql/60_requests.sql

-- The outbox: requests that exist if, and only if, the transaction that left
-- them commits, and that the worker sends after it.

CREATE UNIQUE INDEX requests_key ON truust.requests (role, key) WHERE key IS NOT NULL;
CREATE INDEX requests_queued ON truust.requests (server, role, next_attempt_at, id) WHERE state = 'queued';
CREATE INDEX requests_sending ON truust.requests (next_attempt_at, id) WHERE state = 'sending';
CREATE INDEX requests_groups ON truust.requests (sequence_group, id)
    WHERE sequence_group IS NOT NULL AND state IN ('queued', 'sending', 'uncertain');
CREATE INDEX requests_completions ON truust.requests (next_attempt_at, id) WHERE done_state = 'pending';
CREATE INDEX requests_troubled ON truust.requests (id) WHERE state = 'uncertain' OR done_state = 'dead';
CREATE INDEX requests_finished ON truust.requests (finished_at)
    WHERE state IN ('done', 'failed') AND coalesce(done_state, 'done') = 'done';

CREATE FUNCTION truust_enqueue(operation text, args jsonb DEFAULT '{}', key text DEFAULT NULL, on_done regprocedure DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_enqueue';
COMMENT ON FUNCTION truust_enqueue(text, jsonb, text, regprocedure) IS 'Leaves a request for the worker, which sends it after this transaction has committed, once. operation: a function''s name without truust_; args: its parameters by name; key: the same key again returns the first request''s id, and in a key like ''cart-17#pay'' the part before # names a group whose requests are sent one after the other; on_done: a function of one argument truust.requests that is called with the caller''s rights when the request has ended. Returns the request''s id. Raises 22023 for an unknown operation, parameter or a value that does not fit, 22004 for a missing parameter, 42704 where server or key are missing.';

CREATE FUNCTION truust_retry_request(id bigint)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_retry_request';
COMMENT ON FUNCTION truust_retry_request(bigint) IS 'Sends a failed request again, or an uncertain one that is known not to have been executed; of one whose on_done or attached row failed, repeats only that. Raises P0002 for an unknown id, 55000 for a request in another state.';

CREATE FUNCTION truust_cancel_request(id bigint)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_cancel_request';
COMMENT ON FUNCTION truust_cancel_request(bigint) IS 'Takes back a queued request: it ends as failed and is never sent. Raises P0002 for an unknown id, 55000 for a request that is not queued.';

CREATE FUNCTION truust_resolve_request(id bigint, response jsonb)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_resolve_request';
COMMENT ON FUNCTION truust_resolve_request(bigint, jsonb) IS 'Ends an uncertain request by what a person found out at Truust. response: the resource that it created or changed (the request is done), or NULL: it was not executed and shall not be (the request has failed). Raises P0002 for an unknown id, 55000 for a request that is not uncertain.';

CREATE FUNCTION truust.guard_drop()
RETURNS event_trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_guard_drop';
COMMENT ON FUNCTION truust.guard_drop() IS 'Refuses DROP EXTENSION truust (without CASCADE) while requests are pending.';

CREATE EVENT TRIGGER truust_guard_drop ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION')
    EXECUTE FUNCTION truust.guard_drop();
COMMENT ON EVENT TRIGGER truust_guard_drop IS 'Keeps pending requests of the truust extension from being dropped by accident.';

-- A role sees its own rows; who may repeat requests sees all of them.
ALTER TABLE truust.requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_requests ON truust.requests FOR SELECT
    USING (role = CURRENT_USER);
CREATE POLICY all_requests ON truust.requests FOR SELECT
    USING ((SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE')));

-- The same for views, which read the table with the rights of their owner.
CREATE VIEW truust.visible_requests WITH (security_barrier) AS
    SELECT r.id, r.operation, r.args, r.role, r.server, r.state, r.attempts, r.next_attempt_at, r.created_at, r.sent_at,
           r.finished_at, r.error, r.done_state, r.done_attempts, r.done_error
      FROM truust.requests AS r
     WHERE r.role = CURRENT_USER
        OR (SELECT pg_catalog.has_function_privilege(CURRENT_USER, '@extschema@.truust_retry_request(bigint)', 'EXECUTE'));
COMMENT ON VIEW truust.visible_requests IS 'The requests that the current role may see: its own, and all if it may repeat them. What truust.pending and truust.dead_letters are made of.';

-- sql/65_attach.sql

-- Merchants' tables whose rows become orders.

CREATE FUNCTION truust_attach(relation regclass, args jsonb, order_id name, status name DEFAULT NULL, link name DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_attach';
COMMENT ON FUNCTION truust_attach(regclass, jsonb, name, name, name) IS 'From now on each row inserted into a table becomes an order. args: parameters of create_order, each with the column that it is taken from; order_id, status, link: columns that the order''s id, its status (kept current by webhooks) and the buyer''s link are written to. A row inserted with an order id is left alone. Requests are sent with the caller''s key, and the table is written with the caller''s rights. The table needs a primary key. Raises 42703 for a column that is not there, 42804 for one whose type does not fit, 42710 if the table is attached already.';

CREATE FUNCTION truust_detach(relation regclass)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_detach';
COMMENT ON FUNCTION truust_detach(regclass) IS 'Undoes truust_attach(): rows inserted from now on stay rows. What is queued already is sent, but not written back. Raises 42704 if the table is not attached.';

CREATE FUNCTION truust.attached()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_attached';
COMMENT ON FUNCTION truust.attached() IS 'Trigger of attached tables: enqueues create_order for each new row. Made by truust_attach(), not by hand.';

-- sql/70_status.sql

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
COMMENT ON FUNCTION truust.pause_reason(text) IS 'Why webhooks or requests wait: paused (truust_pause), restored (the data came from elsewhere); NULL if they do not.';

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
COMMENT ON FUNCTION truust_status() IS 'One row for each worker of the cluster, and for the workers that this database should have. state: starting, idle, working, failing, stopped, paused (truust_pause), restored (waits for truust_resume). backlog, oldest_pending, dead_letters and uncertain_requests are counted now for this database, and as last measured by the worker for others, up to 50,000.';

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
    SELECT 'request', r.id, r.sent_at, r.error, NULL, r.server, r.operation, r.attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.state = 'uncertain'
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_error, NULL, r.server, r.operation, r.done_attempts, NULL, r.args, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'dead';
COMMENT ON VIEW truust.dead_letters IS 'What waits for a person: webhooks that were given up (truust_retry_webhook, truust_discard_webhook), requests whose outcome is uncertain (truust_resolve_request, truust_retry_request), and requests whose on_done or attached row failed. A role sees its own requests, who may repeat them sees all.';

CREATE VIEW truust.pending AS
    SELECT 'webhook'::text AS kind, w.id, w.received_at AS since, w.state, w.order_id, w.server,
           w.event AS operation, w.attempts, w.next_attempt_at, w.error, NULL::name AS role
      FROM truust.webhooks AS w
     WHERE w.state <> 'dead'
    UNION ALL
    SELECT 'request', r.id, r.created_at, r.state, NULL, r.server, r.operation, r.attempts, r.next_attempt_at, r.error, r.role
      FROM truust.visible_requests AS r
     WHERE r.state IN ('queued', 'sending')
    UNION ALL
    SELECT 'on_done', r.id, r.finished_at, r.done_state, NULL, r.server, r.operation, r.done_attempts, r.next_attempt_at, r.done_error, r.role
      FROM truust.visible_requests AS r
     WHERE r.done_state = 'pending';
COMMENT ON VIEW truust.pending IS 'What the workers still have to do: webhooks to be applied, requests to be sent, on_done to be run. A role sees its own requests, who may repeat them sees all.';

-- sql/90_privileges.sql

-- Who may do what.  PostgreSQL grants EXECUTE on functions and USAGE on types to
-- PUBLIC by itself; the end of this part takes that back, so that a role can
-- do nothing until truust_grant().

CREATE VIEW truust.privileges AS
    WITH named (privilege, name) AS (
        SELECT 'api', 'truust_' || e.name FROM truust.endpoints() e
        UNION ALL
        VALUES ('api', 'truust_get_orders'),
               ('api', 'truust_get_payins'),
               ('api', 'truust_get_payouts'),
               ('api', 'truust_get_customers'),
               ('api', 'truust_charge_direct_link'),
               ('api', 'truust_enqueue'),
               ('api', 'truust_cancel_request'),
               ('intake', 'truust_receive_webhook'),
               ('read', 'truust_status'),
               ('operate', 'truust_status'),
               ('operate', 'truust_retry_webhook'),
               ('operate', 'truust_discard_webhook'),
               ('operate', 'truust_replay'),
               ('operate', 'truust_sync_orders'),
               ('operate', 'truust_pause'),
               ('operate', 'truust_resume'),
               ('operate', 'truust_retry_request'),
               ('operate', 'truust_cancel_request'),
               ('operate', 'truust_resolve_request'),
               ('operate', 'truust_attach'),
               ('operate', 'truust_detach'),
               ('operate', 'attached'),
               ('operate', 'truust_on'),
               ('operate', 'truust_off'),
               ('operate', 'truust_drain'),
               ('operate', 'truust_start_worker'),
               ('operate', 'truust_stop_worker')
    ), tables (privilege, name, rights) AS (
        VALUES ('api', 'requests', 'SELECT'),
               ('intake', 'webhooks', 'INSERT (received_at, event, headers, body, server)'),
               ('read', 'orders', 'SELECT'),
               ('read', 'payins', 'SELECT'),
               ('read', 'payouts', 'SELECT'),
               ('read', 'events', 'SELECT'),
               ('read', 'webhooks', 'SELECT'),
               ('read', 'requests', 'SELECT'),
               ('read', 'handlers', 'SELECT'),
               ('read', 'attachments', 'SELECT'),
               ('read', 'pauses', 'SELECT'),
               ('read', 'dead_letters', 'SELECT'),
               ('read', 'pending', 'SELECT'),
               ('read', 'stats', 'SELECT'),
               ('operate', 'requests', 'SELECT'),
               ('operate', 'dead_letters', 'SELECT'),
               ('operate', 'pending', 'SELECT')
    )
    SELECT n.privilege,
           CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::pg_catalog.regprocedure AS object,
           'EXECUTE' AS rights
      FROM named n
      JOIN pg_catalog.pg_proc p ON p.proname = n.name
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid AND x.extname = 'truust'
    UNION ALL
    SELECT t.privilege, 'TABLE truust.' || pg_catalog.quote_ident(t.name), t.rights FROM tables t;
COMMENT ON VIEW truust.privileges IS 'What each privilege of truust_grant() is made of.';

CREATE FUNCTION truust.holds_privilege(privilege text, role name)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH own AS (
        SELECT v.object FROM truust.privileges v
         WHERE v.privilege = $1
           AND NOT EXISTS (SELECT FROM truust.privileges o WHERE o.object = v.object AND o.privilege <> v.privilege)
    ), granted AS (
        SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::pg_catalog.regprocedure AS object, a.grantee
          FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
        UNION ALL
        SELECT 'TABLE ' || c.oid::pg_catalog.regclass, a.grantee
          FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
         WHERE c.relnamespace = 'truust'::pg_catalog.regnamespace
    )
    SELECT EXISTS (
        SELECT FROM own JOIN granted g USING (object)
         WHERE g.grantee = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = $2))
$$;
COMMENT ON FUNCTION truust.holds_privilege(text, name) IS 'Whether truust_grant() gave a privilege to a role itself (not to a role that it is a member of).';

CREATE FUNCTION truust.change_privileges(command text, privilege text, role name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    valid CONSTANT text[] := ARRAY['api', 'intake', 'read', 'operate'];
    direction CONSTANT text := CASE command WHEN 'GRANT' THEN 'TO' ELSE 'FROM' END;
    kept boolean := false;
    other text;
    r record;
BEGIN
    IF privilege IS NULL OR privilege <> ALL (valid) THEN
        RAISE EXCEPTION 'privilege "%" does not exist', privilege
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Valid privileges are api, intake, read and operate.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = role) THEN
        RAISE EXCEPTION 'role "%" does not exist', role
            USING ERRCODE = 'undefined_object',
                  HINT = 'Create the role first; nothing is ever granted to PUBLIC.';
    END IF;
    FOR r IN SELECT v.object, v.rights FROM truust.privileges v WHERE v.privilege = change_privileges.privilege LOOP
        EXECUTE pg_catalog.format('%s %s ON %s %s %I', command, r.rights, r.object, direction, role);
    END LOOP;
    -- the schema and the types belong to every privilege: they go with the last one
    FOREACH other IN ARRAY valid LOOP
        IF command = 'REVOKE' AND other <> privilege AND truust.holds_privilege(other, role) THEN
            PERFORM truust.change_privileges('GRANT', other, role);
            kept := true;
        END IF;
    END LOOP;
    IF kept THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('%s USAGE ON SCHEMA truust %s %I', command, direction, role);
    FOR r IN
        SELECT t.oid::pg_catalog.regtype AS name
          FROM pg_catalog.pg_type t
          JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e'
          JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid
         WHERE x.extname = 'truust'
    LOOP
        EXECUTE pg_catalog.format('%s USAGE ON TYPE %s %s %I', command, r.name, direction, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION truust.change_privileges(text, text, name) IS 'The work of truust_grant() and truust_revoke(): command is GRANT or REVOKE.';

CREATE FUNCTION truust_grant(privilege text, role name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM truust.change_privileges('GRANT', privilege, role);
END
$$;
COMMENT ON FUNCTION truust_grant(text, name) IS 'Gives a role a privilege: api (calls and deferred requests), intake (insert webhooks, nothing else), read (state tables and views), operate (retry, discard, replay, sync, pause, attach, handlers). A role that calls also needs USAGE on a server and a user mapping. For the extension''s owner. Errors: 22023 unknown privilege, 42704 unknown role.';

CREATE FUNCTION truust_revoke(privilege text, role name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM truust.change_privileges('REVOKE', privilege, role);
END
$$;
COMMENT ON FUNCTION truust_revoke(text, name) IS 'Takes back from a role what truust_grant() gave it: api, intake, read or operate. For the extension''s owner. Errors: 22023 unknown privilege, 42704 unknown role.';

-- Nothing for PUBLIC, and every table and sequence goes into dumps.
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::pg_catalog.regprocedure AS object
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid
         WHERE x.extname = 'truust'
        UNION ALL
        SELECT 'TYPE ' || t.oid::pg_catalog.regtype
          FROM pg_catalog.pg_type t
          JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e'
          JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid
         WHERE x.extname = 'truust'
    LOOP
        EXECUTE 'REVOKE ALL ON ' || r.object || ' FROM PUBLIC';
    END LOOP;
    FOR r IN
        SELECT c.oid::pg_catalog.regclass AS name, c.oid
          FROM pg_catalog.pg_class c
         WHERE c.relnamespace = 'truust'::pg_catalog.regnamespace AND c.relkind IN ('r', 'S')
    LOOP
        PERFORM pg_catalog.pg_extension_config_dump(r.name, '');
    END LOOP;
END
$$;
