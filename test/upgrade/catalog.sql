-- All that the catalog says of the extension and what belongs to it, a line for each fact: kind, name, definition. Two databases
-- have the same extension if these lines are the same. The order of a table's columns is no fact (a column that came later
-- stands behind the others), that of a composite type's is.
SET search_path = pg_catalog;

WITH members AS (
    SELECT d.classid, d.objid
      FROM pg_depend d
      JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
     WHERE x.extname = 'truust' AND d.deptype = 'e'
), tables AS (
    SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
), attributes AS (
    SELECT a.*, c.oid::regclass AS relation, c.relkind
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND (c.oid IN (SELECT oid FROM tables)
            OR c.reltype IN (SELECT objid FROM members WHERE classid = 'pg_type'::regclass))
), facts (kind, name, definition) AS (
    -- what belongs to it, whatever it is; with its comment
    SELECT 'member', i.type || ' ' || i.identity, coalesce(obj_description(m.objid, m.classid::regclass::name), '')
      FROM members m, pg_identify_object(m.classid, m.objid, 0) i
    UNION ALL
    SELECT 'extension', x.extname, format('%s in %s, relocatable %s', x.extversion, x.extnamespace::regnamespace, x.extrelocatable)
      FROM pg_extension x WHERE x.extname = 'truust'
    UNION ALL
    SELECT 'dumped', c.table_oid::regclass::text, c.condition
      FROM pg_extension x, unnest(x.extconfig, x.extcondition) AS c (table_oid, condition) WHERE x.extname = 'truust'
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text,
           CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END || ' owner ' || p.proowner::regrole
      FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT 'relation', t.oid::regclass::text,
           format('%s %s owner %s options %s row security %s %s replica identity %s', t.relkind, t.relpersistence, t.relowner::regrole,
                  t.reloptions, t.relrowsecurity, t.relforcerowsecurity, t.relreplident)
      FROM tables t
    UNION ALL
    SELECT 'column', a.relation || '.' || a.attname,
           format('%s %s not null %s default %s identity %s generated %s collation %s storage %s statistics %s options %s: %s',
                  CASE a.relkind WHEN 'c' THEN a.attnum END, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
                  a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attstorage, nullif(a.attstattarget, -1),
                  -- pg_attver is a position in the log, which some servers put there by themselves
                  ARRAY(SELECT o FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%' ORDER BY o),
                  col_description(a.attrelid, a.attnum))
      FROM attributes a
    UNION ALL
    SELECT 'constraint', c.conrelid::regclass || ' ' || c.conname, pg_get_constraintdef(c.oid) || coalesce(': ' || obj_description(c.oid, 'pg_constraint'), '')
      FROM pg_constraint c WHERE c.conrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) || coalesce(': ' || obj_description(i.indexrelid, 'pg_class'), '')
      FROM pg_index i WHERE i.indrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'trigger', g.tgrelid::regclass || ' ' || g.tgname, pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text || coalesce(': ' || obj_description(g.oid, 'pg_trigger'), '')
      FROM pg_trigger g WHERE g.tgrelid IN (SELECT oid FROM tables) AND NOT g.tgisinternal
    UNION ALL
    SELECT 'policy', p.polrelid::regclass || ' ' || p.polname,
           format('%s permissive %s to %s using %s check %s: %s', p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
                  pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy'))
      FROM pg_policy p WHERE p.polrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'rule', r.ev_class::regclass || ' ' || r.rulename, pg_get_ruledef(r.oid)
      FROM pg_rewrite r WHERE r.ev_class IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'sequence', s.seqrelid::regclass::text,
           format('%s start %s by %s from %s to %s cache %s cycle %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
      FROM pg_sequence s WHERE s.seqrelid IN (SELECT oid FROM tables)
    UNION ALL
    SELECT 'wrapper', f.fdwname, format('handler %s validator %s options %s owner %s', f.fdwhandler::regproc, f.fdwvalidator::regproc, f.fdwoptions, f.fdwowner::regrole)
      FROM pg_foreign_data_wrapper f JOIN members m ON m.classid = 'pg_foreign_data_wrapper'::regclass AND m.objid = f.oid
    UNION ALL
    -- rights now, and those that the extension itself gave (the others are dumped)
    SELECT 'right', i.type || ' ' || i.identity, format('%s %s %s', coalesce(e.grantee::regrole::text, '-'), e.privilege_type, e.is_grantable)
      FROM members m
      CROSS JOIN LATERAL pg_identify_object(m.classid, m.objid, 0) i
      CROSS JOIN LATERAL aclexplode(
           CASE m.classid
                WHEN 'pg_proc'::regclass THEN (SELECT coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p WHERE p.oid = m.objid)
                WHEN 'pg_class'::regclass THEN (SELECT coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) FROM pg_class c WHERE c.oid = m.objid)
                WHEN 'pg_type'::regclass THEN (SELECT coalesce(t.typacl, acldefault('T', t.typowner)) FROM pg_type t WHERE t.oid = m.objid)
                WHEN 'pg_namespace'::regclass THEN (SELECT coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_namespace n WHERE n.oid = m.objid)
                WHEN 'pg_foreign_data_wrapper'::regclass THEN (SELECT coalesce(f.fdwacl, acldefault('F', f.fdwowner)) FROM pg_foreign_data_wrapper f WHERE f.oid = m.objid)
           END) e
    UNION ALL
    SELECT 'right', 'column ' || a.relation || '.' || a.attname, format('%s %s %s', e.grantee::regrole, e.privilege_type, e.is_grantable)
      FROM attributes a, aclexplode(a.attacl) e
    UNION ALL
    SELECT 'initial right', i.type || ' ' || i.identity, format('%s %s', coalesce(e.grantee::regrole::text, '-'), e.privilege_type)
      FROM pg_init_privs v
      JOIN members m ON m.classid = v.classoid AND m.objid = v.objoid
      CROSS JOIN LATERAL pg_identify_object(v.classoid, v.objoid, v.objsubid) i
      CROSS JOIN LATERAL aclexplode(v.initprivs) e
)
SELECT kind || ' ' || name || ' = ' || replace(definition, E'\n', '\n') FROM facts ORDER BY 1;
