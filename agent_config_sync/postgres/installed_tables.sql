-- Which tables that we read stand in this database? Null where one is missing.
SELECT to_regclass('agents')::text AS agents,
       to_regclass('agent_system_config')::text AS agent_system_config,
       to_regclass('agent_config_migrations')::text AS agent_config_migrations
