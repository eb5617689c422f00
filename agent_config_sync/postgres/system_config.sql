-- The system-wide settings that we know; created_at is never read, older tables lack it.
SELECT key::text, coalesce(value::text, '') AS value, coalesce(value_type::text, '') AS value_type
FROM agent_system_config
WHERE key::text = ANY ($1)
