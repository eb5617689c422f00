-- Which tables that we read stand in this database? Null where one is missing; further: those of the capabilities that
-- came later.
SELECT to_regclass('agents')::text AS agents,
       to_regclass('agent_system_config')::text AS agent_system_config,
       to_regclass('agent_config_migrations')::text AS agent_config_migrations,
       ARRAY(SELECT name
             FROM unnest('{people,boards,skills,agent_skills,model_aliases,agent_tokens,accounts,installed_skills,activities}'
                         ::text[]) AS name
             WHERE to_regclass(name) IS NOT NULL) AS further
