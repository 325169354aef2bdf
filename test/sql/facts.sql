-- No drift: functions, composite types and endpoint rows say what the tables under test/facts/ say of the API.
-- Each query lists what is missing here or is here and not in the tables, and must list nothing.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
-- The tables, line by line: relative to the tests as pg_regress knows them, or to the top of the tree.
\set operations `cat "${PG_ABS_SRCDIR:-test}/facts/operations.tsv"`
\set parameters `cat "${PG_ABS_SRCDIR:-test}/facts/parameters.tsv"`
\set fields `cat "${PG_ABS_SRCDIR:-test}/facts/fields.tsv"`
CREATE TEMP TABLE operations AS
    SELECT l[1] AS operation, l[2] AS method, l[3] AS path, l[4] AS result, l[5] AS auth, l[6] AS error_statuses
      FROM regexp_split_to_table(:'operations', E'\n') WITH ORDINALITY t(line, n),
           string_to_array(line, E'\t') l WHERE n > 1;
CREATE TEMP TABLE parameters AS
    SELECT n, l[1] AS operation, l[2] AS parameter, l[3] AS place, l[4] AS type, l[5] AS format, l[6] = 'yes' AS required, l[10] AS "values"
      FROM regexp_split_to_table(:'parameters', E'\n') WITH ORDINALITY t(line, n),
           string_to_array(line, E'\t') l WHERE n > 1;
CREATE TEMP TABLE fields AS
    SELECT n, l[1] AS schema, l[2] AS field, l[3] AS type, l[4] AS format, l[6] AS "values"
      FROM regexp_split_to_table(:'fields', E'\n') WITH ORDINALITY t(line, n),
           string_to_array(line, E'\t') l WHERE n > 1;
-- They were read.
SELECT count(*) FROM operations;
SELECT count(*) FROM parameters;
SELECT count(*) FROM fields;
-- createOrder is create_order, BankAccount is bank_account.
CREATE FUNCTION pg_temp.sql_name(name text) RETURNS text LANGUAGE sql AS
$$ SELECT lower(regexp_replace(name, '(?<=.)([A-Z])', '_\1', 'g')) $$;
-- The type of a parameter or a field; NULL, and thus a difference, for one that nobody has thought of.
CREATE FUNCTION pg_temp.sql_type(type text, format text, "values" text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN type = 'string' AND format = 'date' THEN 'date'
                WHEN type = 'string' AND format = 'date-time' THEN 'timestamp with time zone'
                WHEN type = 'string' THEN 'text'
                WHEN type = 'integer' AND "values" = '0|1' THEN 'boolean'
                WHEN type = 'integer' THEN 'bigint'
                WHEN type = 'number' THEN 'numeric'
                WHEN type = 'boolean' THEN 'boolean'
                WHEN type = 'array of string' THEN 'text[]'
                WHEN type = 'array of integer' THEN 'bigint[]'
                WHEN type IN ('object', 'Connections', 'array of object') THEN 'jsonb' END
$$;
-- {id} and {uuid} are named after the collection before them: /bankaccounts/{uuid} is bank_account_uuid.
CREATE FUNCTION pg_temp.resource(path text) RETURNS text LANGUAGE sql AS
$$ SELECT replace(substring(path FROM '/([a-z]+)s/\{u?u?id\}'), 'bankaccount', 'bank_account') $$;
CREATE FUNCTION pg_temp.path_template(path text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(path, '\{(u?u?id)\}', '{' || coalesce(pg_temp.resource(path), '') || '_\1}') $$;
CREATE FUNCTION pg_temp.is_list(result text) RETURNS boolean LANGUAGE sql AS $$ SELECT result ~ '^(list of |Paginated)' $$;
CREATE FUNCTION pg_temp.result_type(result text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN result = '' THEN 'void'
                WHEN result = 'object' THEN 'jsonb'
                WHEN result = 'OrderResponse' THEN 'truust_order'
                WHEN result ~ '^list of ' THEN 'SETOF truust_' || pg_temp.sql_name(substring(result FROM 9))
                WHEN result ~ '^Paginated' THEN 'SETOF truust_' || pg_temp.sql_name(substring(result FROM '^Paginated(.*)s$'))
                ELSE 'truust_' || pg_temp.sql_name(result) END
$$;
-- The line of a function's comment that says what goes wrong.
CREATE FUNCTION pg_temp.errors_of(function oid) RETURNS text LANGUAGE sql AS
$$ SELECT substring(obj_description(function, 'pg_proc') FROM E'\nErrors: ([^\n]*[.])(\n|$)') $$;
-- Functions of the API as they are.
CREATE TEMP VIEW calls AS
    SELECT p.* FROM pg_proc p
      JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND x.extname = 'truust'
     WHERE p.prosrc IN ('truust_call', 'truust_call_set');
-- Operations: function, result, method, path, key.
CREATE TEMP VIEW wanted_operations AS
    SELECT operation, 'truust_' || pg_temp.sql_name(operation) AS function, pg_temp.result_type(result) AS result,
           method, pg_temp.path_template(path) AS path, auth = 'bearer' AS authenticated
      FROM operations;
CREATE TEMP VIEW actual_operations AS
    SELECT e.operation, p.proname::text AS function, pg_get_function_result(p.oid) AS result, e.method, e.path, e.authenticated
      FROM truust.endpoints() e FULL JOIN calls p ON p.proname = 'truust_' || e.name;
SELECT 'missing', t.* FROM (SELECT * FROM wanted_operations EXCEPT ALL SELECT * FROM actual_operations) t ORDER BY 2, 3;
SELECT 'extra', t.* FROM (SELECT * FROM actual_operations EXCEPT ALL SELECT * FROM wanted_operations) t ORDER BY 2, 3;
-- Lists go through the entry point for sets, the others do not; all may be called with NULLs, and none is safe to run twice or in parallel.
SELECT 'function', oid::regprocedure FROM calls
 WHERE proretset <> (prosrc = 'truust_call_set') OR proisstrict OR provolatile <> 'v' OR proparallel <> 'u' OR prokind <> 'f' OR provariadic <> 0 ORDER BY 2;
-- Parameters: names, order, types, and whether they may be left out.
CREATE TEMP VIEW wanted_parameters AS
    SELECT function, row_number() OVER (PARTITION BY function ORDER BY place, optional, n) AS position, parameter, type, optional
      FROM (SELECT 'truust_' || pg_temp.sql_name(operation) AS function, 1 AS place, NOT required AS optional, n,
                   CASE WHEN parameter IN ('id', 'uuid') THEN pg_temp.resource(path) || '_' || parameter
                        WHEN parameter = 'order' THEN 'order_by'
                        ELSE parameter END AS parameter,
                   pg_temp.sql_type(type, format, "values") AS type
              FROM parameters JOIN operations USING (operation)
            UNION ALL
            SELECT 'truust_' || pg_temp.sql_name(operation), 2, true, 0, 'max_rows', 'bigint' FROM operations WHERE pg_temp.is_list(result)
            UNION ALL
            SELECT 'truust_' || pg_temp.sql_name(operation), 3, true, 0, 'extra', 'jsonb' FROM operations WHERE method IN ('POST', 'PUT')) t;
CREATE TEMP VIEW actual_parameters AS
    SELECT p.proname::text AS function, a.n AS position, p.proargnames[a.n] AS parameter, format_type(a.type, NULL) AS type,
           a.n > p.pronargs - p.pronargdefaults AS optional
      FROM calls p, unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, n);
SELECT 'missing', t.* FROM (SELECT * FROM wanted_parameters EXCEPT ALL SELECT * FROM actual_parameters) t ORDER BY 2, 3;
SELECT 'extra', t.* FROM (SELECT * FROM actual_parameters EXCEPT ALL SELECT * FROM wanted_parameters) t ORDER BY 2, 3;
-- Parameters of an operation that is not in the table of operations.
SELECT * FROM parameters WHERE operation NOT IN (SELECT operation FROM operations);
-- What may be left out is NULL then, which means that it is not sent.
SELECT p.oid::regprocedure, p.proargnames[n], pg_get_function_arg_default(p.oid, n)
  FROM calls p, generate_series(p.pronargs - p.pronargdefaults + 1, p.pronargs) n
 WHERE pg_get_function_arg_default(p.oid, n) !~ '^NULL::' ORDER BY 1, 2;
-- Results: the fields of the API in their order, then raw.
CREATE TEMP VIEW wanted_fields AS
    SELECT type, row_number() OVER (PARTITION BY type ORDER BY n) AS position, field, field_type
      FROM (SELECT 'truust_' || CASE schema WHEN 'OrderResponse' THEN 'order' ELSE pg_temp.sql_name(schema) END AS type,
                   n, field, pg_temp.sql_type(type, format, "values") AS field_type
              FROM fields WHERE schema !~ 'Input$' AND schema <> 'PaginationMeta'
            UNION ALL
            SELECT DISTINCT 'truust_' || CASE schema WHEN 'OrderResponse' THEN 'order' ELSE pg_temp.sql_name(schema) END, 1000000, 'raw', 'jsonb'
              FROM fields WHERE schema !~ 'Input$' AND schema <> 'PaginationMeta') t;
CREATE TEMP VIEW actual_fields AS
    SELECT t.typname::text AS type, row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum) AS position, a.attname::text AS field,
           format_type(a.atttypid, a.atttypmod) AS field_type
      FROM pg_type t
      JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
      JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND x.extname = 'truust'
      JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE t.typname <> 'truust_event';
SELECT 'missing', t.* FROM (SELECT * FROM wanted_fields EXCEPT ALL SELECT * FROM actual_fields) t ORDER BY 2, 3;
SELECT 'extra', t.* FROM (SELECT * FROM actual_fields EXCEPT ALL SELECT * FROM wanted_fields) t ORDER BY 2, 3;
SELECT count(DISTINCT type) FROM actual_fields;
-- Comments: the operation of the API, and each parameter in its place.
SELECT p.proname, right(obj_description(p.oid, 'pg_proc'), 60)
  FROM calls p LEFT JOIN truust.endpoints() e ON p.proname = 'truust_' || e.name
 WHERE obj_description(p.oid, 'pg_proc') NOT LIKE format(E'%%\nAPI: %s, %s %s', e.operation, e.method, e.path) IS NOT FALSE ORDER BY 1;
SELECT p.proname, a.names, p.proargnames
  FROM pg_proc p, LATERAL (SELECT array_agg(m[1]) AS names FROM regexp_matches(obj_description(p.oid, 'pg_proc'), E'\n- ([a-z0-9_]+): ', 'g') m) a
 WHERE p.prosrc IN ('truust_call', 'truust_call_set', 'truust_get_many', 'truust_charge_direct_link')
   AND a.names IS DISTINCT FROM p.proargnames ORDER BY 1;
-- What goes wrong, by SQLSTATEs that a call has (see errors.c), with those among them that the API documents.
CREATE TEMP VIEW documented_errors AS
    SELECT p.proname, pg_temp.errors_of(p.oid) AS errors
      FROM pg_proc p WHERE p.prosrc IN ('truust_call', 'truust_call_set', 'truust_get_many', 'truust_charge_direct_link');
SELECT proname FROM documented_errors WHERE errors IS NULL ORDER BY 1;
SELECT proname, code[1] FROM documented_errors, regexp_matches(errors, '\m(?=[A-Z]*[0-9])[0-9A-Z]{5}\M', 'g') code
 WHERE code[1] <> ALL ('{42704,28000,42501,P0002,22023,22004,55000,53400,58000,08001,08006,08P01}') ORDER BY 1, 2;
SELECT d.proname, status FROM documented_errors d JOIN operations o ON d.proname = 'truust_' || pg_temp.sql_name(o.operation),
       regexp_split_to_table(o.error_statuses, ',') status
 WHERE status <> '' AND strpos(d.errors, CASE status WHEN '404' THEN 'P0002' WHEN '403' THEN '42501' WHEN '422' THEN '22023' ELSE '?' END) = 0
 ORDER BY 1, 2;
-- What amounts are measured in.
SELECT p.proname, m[1], m[2]
  FROM calls p, unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, n),
       regexp_matches(obj_description(p.oid, 'pg_proc'), format(E'\n- (%s): ([^\n]*)', p.proargnames[a.n])) m
 WHERE a.type = 'numeric'::regtype AND m[2] !~ 'units of the currency|in percent|number of units' ORDER BY 1, 2;
-- What no single operation gives.
SELECT oid::regprocedure, proargnames, pg_get_function_result(oid), prosrc
  FROM pg_proc WHERE prosrc IN ('truust_get_many', 'truust_charge_direct_link') ORDER BY oid::regprocedure::text;
-- An operation that changes nothing is repeated at will, and no other.
SELECT operation, method, repeat FROM truust.endpoints() WHERE (method = 'GET') <> (repeat = 'safe') ORDER BY 1;
-- One that is looked up can be found, and one that can be found is looked up.
SELECT operation, repeat, lookup FROM truust.endpoints() WHERE (repeat = 'findable') <> (lookup <> 'none') OR why = '' ORDER BY 1;
DROP VIEW documented_errors, wanted_operations, wanted_parameters, wanted_fields, actual_operations, actual_parameters, actual_fields, calls;
DROP TABLE operations, parameters, fields;
