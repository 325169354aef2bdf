-- Where the API is and whose key is used: PostgreSQL's own foreign servers and
-- user mappings, so that privileges, dumps and secrecy are PostgreSQL's own.

CREATE FUNCTION truust_fdw_validator(options text[], catalog oid)
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'truust_fdw_validator';
COMMENT ON FUNCTION truust_fdw_validator(text[], oid) IS 'Checks the options of a server or user mapping of the foreign-data wrapper truust. Called by CREATE and ALTER SERVER and USER MAPPING, not by hand.';

CREATE FOREIGN DATA WRAPPER truust VALIDATOR truust_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER truust IS 'Truust accounts: a server is one account in one environment, a user mapping one role''s key.';
