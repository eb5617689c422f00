-- Take in an agent.
INSERT INTO agents (account_id, name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents,
                    settings, gateways, status)
VALUES ($1, $2, $3, $4, $5, $6::text[], $7, $8::text[], $9::text::jsonb, $10::text[], 'active')
