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

