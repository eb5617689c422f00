-- Let an agent be what its gateway's own files say ($3: JSON by column; $4: it is the default agent). Who else runs it
-- stays as it is. here: gateway $5 is among them now.
UPDATE agents
SET instance_type = CASE WHEN $4 OR agents.instance_type::text = 'peer' THEN taken.instance_type
                         ELSE agents.instance_type END,
    is_default = taken.is_default,
    model = taken.model,
    fallback_models = taken.fallback_models,
    thinking = taken.thinking,
    allowed_subagents = taken.allowed_subagents,
    settings = taken.settings,
    gateways = CASE WHEN agents.gateways IS NULL OR to_jsonb(agents.gateways) ? $5 THEN agents.gateways
                    ELSE (SELECT gateways FROM json_populate_record(NULL::agents, json_build_object(
                              'gateways', to_jsonb(agents.gateways) || to_jsonb($5::text)))) END,
    status = taken.status
FROM json_populate_record(NULL::agents, $3::text::json) AS taken
WHERE agents.account_id::text = $1 AND agents.name::text = $2
RETURNING coalesce(agents.gateways IS NULL OR to_jsonb(agents.gateways) ? $5, false) AS here
