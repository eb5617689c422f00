-- In which schemas do our tables stand, may this login look into them, and which search_path would find them?
SELECT quote_ident(nspname) AS schema,
       has_schema_privilege(pg_namespace.oid, 'USAGE') AS open,
       quote_ident(session_user) AS login,
       concat_ws(', ', quote_ident(nspname), nullif(current_setting('search_path'), '')) AS search_path
FROM pg_class AS agents
JOIN pg_namespace ON pg_namespace.oid = agents.relnamespace
JOIN pg_class AS migrations ON migrations.relnamespace = pg_namespace.oid
WHERE agents.relname = 'agents' AND migrations.relname = 'agent_config_migrations'
ORDER BY nspname
