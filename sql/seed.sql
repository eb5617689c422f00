-- Starting values. Rows that are there already are never changed; `agent-config-sync migrate` applies this file once.

BEGIN;

INSERT INTO agent_system_config (key, value, value_type)
VALUES ('max_spawn_depth', '5', 'integer')
ON CONFLICT (key) DO NOTHING;

INSERT INTO agent_config_migrations (name) VALUES ('seed') ON CONFLICT (name) DO NOTHING;

COMMIT;
