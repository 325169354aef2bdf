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
