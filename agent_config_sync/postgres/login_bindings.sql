-- To which accounts is this login bound, and to which gateway of each (null: to any)?
SELECT account_id, gateway FROM agent_config_bindings() ORDER BY account_id
