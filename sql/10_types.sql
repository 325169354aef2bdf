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

