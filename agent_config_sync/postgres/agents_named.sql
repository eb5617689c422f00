-- The rows of these names, whoever runs them. here: this gateway has them in its roster.
SELECT ''::bytea AS version,
       name::text,
       is_default::boolean,
       gateways IS NOT NULL AS scoped,
       instance_type::text,
       model::text,
       CASE WHEN fallback_models IS NOT NULL THEN ARRAY(SELECT unnest(fallback_models::text[])) END AS fallback_models,
       thinking::text,
       CASE WHEN allowed_subagents IS NOT NULL THEN ARRAY(SELECT unnest(allowed_subagents::text[])) END AS allowed_subagents,
       settings::text,
       coalesce(status = 'active' AND instance_type IS DISTINCT FROM 'peer'
                AND (gateways IS NULL OR $2 = ANY (gateways)), false) AS here
FROM agents
WHERE account_id = $1 AND name = ANY ($3)
