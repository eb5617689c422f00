-- What stands beside our tables that no migration gets past, and what makes room? A trigger or a constraint that has a
-- name of ours ($1: our triggers on agents), or a table that is a partition, which takes no columns.
WITH tables AS (
    SELECT pg_class.oid::regclass AS name, relname, relispartition
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relname IN ('agents', 'agent_system_config', 'gateways', 'gateway_status')
)
SELECT format('trigger %I of table %s calls %s, and ours has that name', tgname, tables.name, tgfoid::regprocedure) AS what,
       format('ALTER TRIGGER %I ON %s RENAME TO %I', tgname, tables.name, 'own_' || tgname) AS room
FROM tables JOIN pg_trigger ON tgrelid = tables.name JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE relname = 'agents' AND NOT tgisinternal AND tgname = ANY ($1) AND proname <> 'notify_agent_config_changed'
UNION ALL
SELECT format('constraint %I of table %s is not about a column %s of ours', conname, tables.name, field),
       format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', tables.name, conname, 'own_' || conname)
FROM (VALUES ('agents_instance_type', 'instance_type'), ('agents_settings_is_an_object', 'settings')) AS ours (name, field)
JOIN tables ON relname = 'agents' JOIN pg_constraint ON conrelid = tables.name AND conname = ours.name
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tables.name AND attname = field AND NOT attisdropped)
UNION ALL
SELECT format('table %s is a partition of %s, which takes no columns of ours', tables.name, inhparent::regclass),
       format('ALTER TABLE %s RENAME TO %I', tables.name, 'own_' || relname)
FROM tables JOIN pg_inherits ON inhrelid = tables.name
WHERE relispartition
