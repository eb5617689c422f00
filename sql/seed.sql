-- Starting values, given once: what is there is never changed, and what was deleted does not come back. A table of yours
-- may not take them; that costs the value and nothing else.

BEGIN;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
BEGIN
    INSERT INTO agent_system_config (key, value, value_type)
    SELECT 'max_spawn_depth', '5', 'integer'
    WHERE NOT EXISTS (SELECT FROM agent_config_migrations WHERE name = 'seed')
      AND NOT EXISTS (SELECT FROM agent_system_config WHERE key = 'max_spawn_depth');
EXCEPTION
    WHEN integrity_constraint_violation OR data_exception OR datatype_mismatch OR raise_exception THEN
        RAISE WARNING 'agent_system_config takes no max_spawn_depth from us: %', SQLERRM
            USING HINT = 'set it in the way of that table';
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('seed') ON CONFLICT (name) DO NOTHING;

COMMIT;
