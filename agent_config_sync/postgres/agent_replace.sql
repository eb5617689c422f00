-- Let an agent be what its gateway's own files say. Who else runs it stays as it is.
UPDATE agents
SET instance_type = CASE WHEN $4 OR instance_type = 'peer' THEN $3 ELSE instance_type END,
    is_default = $4,
    model = $5,
    fallback_models = $6::text[],
    thinking = $7,
    allowed_subagents = $8::text[],
    settings = $9::text::jsonb,
    gateways = CASE WHEN gateways IS NULL OR $10 = ANY (gateways) THEN gateways ELSE gateways || $10::text END,
    status = 'active'
WHERE account_id = $1 AND name = $2
