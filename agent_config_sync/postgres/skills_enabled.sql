-- May the agents of this account ($1) manage skills? What the account says, else what holds for all accounts.
SELECT coalesce(
    (SELECT skills_poc_enabled::text FROM accounts WHERE id::text = $1),
    (SELECT lower(btrim(value::text)) FROM agent_system_config WHERE key::text = 'skills_poc_enabled')
) IN ('true', 't', 'yes', 'on', '1')
