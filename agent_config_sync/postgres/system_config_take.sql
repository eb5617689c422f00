-- Take in a system setting. A value that is still the starting one, of the very transaction that gave it, gives way; one
-- that somebody chose stays, unless $3 says to replace it. What is in force is the answer.
WITH taken AS (
    INSERT INTO agent_system_config (key, value, value_type) VALUES ($1, $2, 'integer')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, value_type = excluded.value_type
    WHERE $3 OR agent_system_config.updated_at = (SELECT applied_at FROM agent_config_migrations WHERE name = 'seed')
    RETURNING value
)
SELECT coalesce((SELECT value FROM taken), (SELECT value FROM agent_system_config WHERE key = $1))::text
