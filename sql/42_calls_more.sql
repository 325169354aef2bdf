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
