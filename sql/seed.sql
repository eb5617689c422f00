-- Starting values, given once: what is there is never changed, and what was deleted does not come back.

BEGIN;

INSERT INTO agent_system_config (key, value, value_type)
SELECT 'max_spawn_depth', '5', 'integer'
WHERE NOT EXISTS (SELECT FROM agent_config_migrations WHERE name = 'seed')
ON CONFLICT (key) DO NOTHING;

INSERT INTO agent_config_migrations (name) VALUES ('seed') ON CONFLICT (name) DO NOTHING;

COMMIT;
