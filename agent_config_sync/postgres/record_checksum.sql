-- From which text was this migration applied? The file has recorded itself; the checksum only we know.
UPDATE agent_config_migrations SET checksum = $2 WHERE name = $1
