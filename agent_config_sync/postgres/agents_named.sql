-- The rows of these names, whoever runs them, read as agents_by_version.sql does. here: this gateway has them in its
-- roster.
SELECT ''::bytea AS version,
       coalesce(name::text, '') AS name,
       lower(is_default::text) IN ('true', 't', 'yes', 'y', 'on', '1') AS is_default,
       gateways IS NOT NULL AS scoped,
       instance_type::text,
       model::text,
       to_jsonb(fallback_models) AS fallback_models,
       thinking::text,
       to_jsonb(allowed_subagents) AS allowed_subagents,
       settings::text,
       coalesce(status::text = 'active' AND instance_type::text IS DISTINCT FROM 'peer'
                AND (gateways IS NULL OR to_jsonb(gateways) ? $2), false) AS here
FROM agents
WHERE account_id::text = $1 AND name::text = ANY ($3)
