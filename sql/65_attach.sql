-- Merchants' tables whose rows become orders.

CREATE FUNCTION truust_attach(relation regclass, args jsonb, order_id name, status name DEFAULT NULL, link name DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_attach';
COMMENT ON FUNCTION truust_attach(regclass, jsonb, name, name, name) IS 'From now on each row inserted into a table becomes an order. args: parameters of create_order, each with the column that it is taken from; order_id, status, link: columns that the order''s id, its status (kept current by webhooks) and the buyer''s link are written to. A row inserted with an order id is left alone; one that moves to another partition before it has an order counts as a new one. Requests are sent with the caller''s key, and the table is written with the caller''s rights. The table needs a primary key that is not deferrable. A row that has another order by then is not overwritten: that, like a row that is gone, is a dead letter. Raises 42703 for a column that is not there, 42804 for one whose type does not fit or would lose something, 42P16 for a table whose primary key or order id cannot be used, 42710 if the table is attached already.';

CREATE FUNCTION truust_detach(relation regclass)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_detach';
COMMENT ON FUNCTION truust_detach(regclass) IS 'Undoes truust_attach(): rows inserted from now on stay rows. What is queued already is sent, and written back when the table is attached again; without that it is a dead letter. For the table''s owner and whoever attached it; the OID of a table that is gone is taken too. Raises 42704 if the table is not attached.';

CREATE FUNCTION truust.attached()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_attached';
COMMENT ON FUNCTION truust.attached() IS 'Trigger of attached tables: enqueues create_order for each new row. Made by truust_attach(), not by hand.';
