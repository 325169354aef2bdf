-- Rules that every object of the extension keeps.  Each query lists those that break one, and must list none.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
CREATE TEMP VIEW members AS
    SELECT d.classid, d.objid
      FROM pg_depend d
      JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
     WHERE x.extname = 'truust' AND d.deptype = 'e';
CREATE TEMP VIEW functions AS
    SELECT p.* FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMP VIEW relations AS
    SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;
CREATE TEMP VIEW composites AS
    SELECT t.* FROM pg_type t JOIN members m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
      JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c';
-- There is something to look at.
SELECT count(*) > 70 FROM functions;
SELECT count(*) >= 9 FROM relations WHERE relkind = 'r';
SELECT count(*) >= 15 FROM composites;
-- Without a comment: functions, types, tables and views, schemas.
SELECT 'function ' || oid::regprocedure FROM functions WHERE obj_description(oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT 'type ' || oid::regtype FROM composites WHERE obj_description(oid, 'pg_type') IS NULL ORDER BY 1;
SELECT 'relation ' || oid::regclass FROM relations WHERE relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL ORDER BY 1;
SELECT 'schema truust' WHERE obj_description('truust'::regnamespace, 'pg_namespace') IS NULL;
-- SECURITY DEFINER, or written in SQL or PL/pgSQL, without a safe search_path.
SELECT 'function ' || oid::regprocedure FROM functions
 WHERE (prosecdef OR prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c'))
   AND coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp'] IS NOT TRUE ORDER BY 1;
-- Open to PUBLIC.
SELECT 'function ' || oid::regprocedure FROM functions
 WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0) ORDER BY 1;
SELECT 'type ' || oid::regtype FROM composites
 WHERE typacl IS NULL OR EXISTS (SELECT FROM aclexplode(typacl) a WHERE a.grantee = 0) ORDER BY 1;
SELECT 'relation ' || oid::regclass FROM relations
 WHERE EXISTS (SELECT FROM aclexplode(relacl) a WHERE a.grantee = 0) ORDER BY 1;
SELECT 'schema truust' FROM pg_namespace
 WHERE nspname = 'truust' AND EXISTS (SELECT FROM aclexplode(nspacl) a WHERE a.grantee = 0);
SELECT 'foreign-data wrapper truust' FROM pg_foreign_data_wrapper
 WHERE fdwname = 'truust' AND EXISTS (SELECT FROM aclexplode(fdwacl) a WHERE a.grantee = 0);
-- Named outside the conventions: functions and types truust_*, or in the schema truust; C symbols truust_*.
SELECT 'function ' || oid::regprocedure FROM functions
 WHERE pronamespace <> 'truust'::regnamespace AND proname !~ '^truust_' ORDER BY 1;
SELECT 'type ' || oid::regtype FROM composites WHERE typname !~ '^truust_' ORDER BY 1;
SELECT 'relation ' || oid::regclass FROM relations WHERE relkind IN ('r', 'v', 'S') AND relnamespace <> 'truust'::regnamespace ORDER BY 1;
SELECT 'symbol ' || prosrc FROM functions WHERE probin IS NOT NULL AND prosrc !~ '^truust_' ORDER BY 1;
-- Left out of dumps: every table and every sequence has state in it.
SELECT 'relation ' || r.oid::regclass FROM relations r
 WHERE relkind IN ('r', 'S') AND NOT EXISTS (SELECT FROM pg_extension x WHERE extname = 'truust' AND r.oid = ANY (x.extconfig)) ORDER BY 1;
DROP VIEW members CASCADE;
