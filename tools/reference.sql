-- What the catalog says of the extension, as Markdown, one line for each row.  Run by tools/reference.sh.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION truust;

-- members: what CREATE EXTENSION made.
CREATE TEMP VIEW members AS
    SELECT d.classid, d.objid
      FROM pg_depend d
      JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
     WHERE x.extname = 'truust' AND d.deptype = 'e';

CREATE TEMP VIEW functions AS
    SELECT p.oid, p.proname AS name, p.prokind AS kind, p.pronamespace::regnamespace::text AS schema,
           regexp_replace(pg_get_function_arguments(p.oid), 'NULL::[a-z ]+(\[\])?', 'NULL', 'g') AS arguments, pg_get_function_result(p.oid) AS result,
           p.prorettype = 'trigger'::regtype OR p.prorettype = 'event_trigger'::regtype AS is_trigger,
           coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,
           e.method, e.path
      FROM pg_proc p
      JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
      LEFT JOIN truust.endpoints() e ON p.proname = 'truust_' || e.name AND p.pronamespace = 'public'::regnamespace;

-- in_table: text that does not break out of a cell.
CREATE FUNCTION pg_temp.in_table(t text) RETURNS text LANGUAGE sql AS $$ SELECT replace(replace(coalesce(t, ''), '|', '\|'), E'\n', ' ') $$;

-- signature: a function as one would look it up, one parameter to a line where there are many.
CREATE FUNCTION pg_temp.signature(f functions) RETURNS text LANGUAGE sql AS $$
    SELECT CASE f.kind WHEN 'p' THEN 'CALL ' ELSE '' END || CASE f.schema WHEN 'public' THEN '' ELSE f.schema || '.' END || f.name || '('
        || CASE WHEN length(f.arguments) > 80 THEN E'\n    ' || replace(f.arguments, ', ', E',\n    ') ELSE f.arguments END || ')'
        || coalesce(' RETURNS ' || f.result, '')
$$;

SELECT '# truust: reference

This page is made from the catalog by `make docs`; `make check` holds it to the extension.
Errors carry the SQLSTATE that the comment names, the HTTP status and the API''s own words in DETAIL.

## Settings

| setting | default | unit | may be set | meaning |
| --- | --- | --- | --- | --- |';
SELECT format('| `%s` | `%s` | %s | %s | %s |', name, boot_val, coalesce(unit, ''),
              CASE context WHEN 'user' THEN 'by anyone' WHEN 'superuser' THEN 'by a superuser' WHEN 'sighup' THEN 'in the configuration file (reload)'
                           WHEN 'postmaster' THEN 'in the configuration file (restart)' ELSE context END,
              pg_temp.in_table(short_desc || coalesce(' ' || extra_desc, ''))
              || coalesce(' (' || array_to_string(enumvals, ', ') || ')', ''))
  FROM pg_settings WHERE name LIKE 'truust.%' ORDER BY name;

SELECT '
## Calls

One function for each operation of the API. NULL means "not sent".';
SELECT format(E'\n### %s\n\n`%s %s`\n\n%s\n\n```sql\n%s\n```', name, method, path, comment, pg_temp.signature(f))
  FROM functions f WHERE method IS NOT NULL ORDER BY name;

SELECT '
## Other functions';
SELECT format(E'\n### %s\n\n%s\n\n```sql\n%s\n```', name, comment, pg_temp.signature(f))
  FROM functions f WHERE method IS NULL AND schema = 'public' ORDER BY name, arguments;

SELECT '
## Types';
SELECT format(E'\n### %s\n\n%s\n\n| field | type | meaning |\n| --- | --- | --- |\n%s', t.typname, coalesce(obj_description(t.oid, 'pg_type'), ''),
              (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                        pg_temp.in_table(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM pg_type t
  JOIN members m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
  JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
 ORDER BY t.typname;

SELECT '
## Tables and views';
SELECT format(E'\n### truust.%s\n\n%s\n\n| column | type | meaning |\n| --- | --- | --- |\n%s', c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''),
              (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                        pg_temp.in_table(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM pg_class c
  JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
 WHERE c.relkind IN ('r', 'v')
 ORDER BY c.relname;

SELECT '
## Inside

Functions of the schema `truust` that the extension itself calls.
';
SELECT format('- `%s.%s(%s)%s`: %s', schema, name, arguments, ' RETURNS ' || result, comment)
  FROM functions f WHERE schema = 'truust' ORDER BY name, arguments;
