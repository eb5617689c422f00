-- Which migrations were applied, and from which text? The checksum is null where psql applied one.
SELECT name, checksum FROM agent_config_migrations ORDER BY name
