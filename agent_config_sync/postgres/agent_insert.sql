-- Take in an agent, given as JSON by column: a table of yours may have our columns in other types, and whatever type a
-- column has, JSON becomes it.
INSERT INTO agents (account_id, name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents,
                    settings, gateways, status)
SELECT account_id, name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents,
       settings, gateways, status
FROM json_populate_record(NULL::agents, $1::text::json)
