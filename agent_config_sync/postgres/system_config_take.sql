-- Take in a system setting, whatever types the columns have. A value that is still the starting one, of the very
-- transaction that gave it, gives way; one that somebody chose stays, unless $3 says to replace it. What is in force is
-- the answer.
WITH wanted AS (
    SELECT key, value, value_type
    FROM json_populate_record(NULL::agent_system_config, json_build_object(
        'key', $1::text, 'value', $2::text::json, 'value_type', 'integer'))
), known AS (
    SELECT value::text FROM agent_system_config WHERE key::text = $1
), changed AS (
    UPDATE agent_system_config SET value = wanted.value, value_type = wanted.value_type
    FROM wanted
    WHERE agent_system_config.key::text = $1
      AND ($3 OR CASE WHEN pg_typeof(updated_at) IN ('timestamptz'::regtype, 'timestamp'::regtype)
                      THEN updated_at::text::timestamptz
                           = (SELECT applied_at FROM agent_config_migrations WHERE name = 'seed') END)
    RETURNING agent_system_config.value::text
), added AS (
    INSERT INTO agent_system_config (key, value, value_type)
    SELECT key, value, value_type FROM wanted WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING
    RETURNING value::text
)
SELECT value FROM changed UNION ALL SELECT value FROM added UNION ALL SELECT value FROM known LIMIT 1
