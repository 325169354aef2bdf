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
               ('api', 'endpoints'),
               ('intake', 'truust_receive_webhook'),
               ('read', 'truust_status'),
               ('read', 'stats_rows'),
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
               ('operate', 'pending', 'SELECT'),
               ('operate', 'pauses', 'SELECT'),
               ('operate', 'handlers', 'SELECT'),
               ('operate', 'attachments', 'SELECT')
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
DECLARE
    schema CONSTANT name := (SELECT n.nspname FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
                              WHERE x.extname = 'truust');
BEGIN
    PERFORM truust.change_privileges('GRANT', privilege, role);
    -- the schema is not the extension's own, so that nothing of it is granted
    IF NOT pg_catalog.has_schema_privilege(role, schema, 'USAGE') THEN
        RAISE WARNING 'role "%" has no USAGE on schema "%", in which the functions are', role, schema
            USING HINT = pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', schema, role);
    END IF;
END
$$;
COMMENT ON FUNCTION truust_grant(text, name) IS 'Gives a role a privilege: api (calls and deferred requests), intake (insert webhooks, nothing else), read (state tables and views), operate (retry, discard, replay, sync, pause, attach, handlers). A role that calls also needs USAGE on a server and a user mapping, and on the schema that the extension was created in, unless everybody has it: a warning says so. For the extension''s owner. Errors: 22023 unknown privilege, 42704 unknown role.';

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

CREATE FUNCTION truust_renew_privileges()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT p.privilege, a.rolname
          FROM pg_catalog.unnest(ARRAY['api', 'intake', 'read', 'operate']) AS p (privilege), pg_catalog.pg_roles a
         WHERE truust.holds_privilege(p.privilege, a.rolname)
           AND a.oid <> (SELECT x.extowner FROM pg_catalog.pg_extension x WHERE x.extname = 'truust')
    LOOP
        PERFORM truust.change_privileges('GRANT', r.privilege, r.rolname);
    END LOOP;
END
$$;
COMMENT ON FUNCTION truust_renew_privileges() IS 'Gives every role that has a privilege of truust_grant() what that privilege is made of now: to be called after ALTER EXTENSION truust UPDATE, whose scripts cannot grant anything to users'' roles without its being lost from dumps. For the extension''s owner.';

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
