-- May the agents of this account ($1) manage skills, and may this login read which keys people have entered for them?
-- The first is what the account says, else what holds for all accounts. A table of somebody's own may have a row twice:
-- then each of them must say so.
SELECT coalesce(
    (SELECT bool_and(skills_poc_enabled::text IN ('true', 't', 'yes', 'on', '1')) FROM accounts WHERE id::text = $1),
    (SELECT bool_and(lower(btrim(value::text)) IN ('true', 't', 'yes', 'on', '1')) FROM agent_system_config
     WHERE key::text = 'skills_poc_enabled'),
    false) AS enabled,
    coalesce(has_table_privilege(to_regclass('skill_credentials'), 'SELECT')
             AND has_table_privilege(to_regclass('installed_skills'), 'SELECT'), false) AS reads_keys
