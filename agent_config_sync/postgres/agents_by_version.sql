-- The rows at these places; another partition may have a row at the same place, so the version comes along.
-- Casts keep a foreign table's own types out of our models, and unnest flattens what somebody nested.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       coalesce(name::text, '') AS name,
       is_default::boolean,
       gateways IS NOT NULL AS scoped,
       instance_type::text,
       model::text,
       CASE WHEN fallback_models IS NOT NULL THEN ARRAY(SELECT unnest(fallback_models::text[])) END AS fallback_models,
       thinking::text,
       CASE WHEN allowed_subagents IS NOT NULL THEN ARRAY(SELECT unnest(allowed_subagents::text[])) END AS allowed_subagents,
       settings::text
FROM agents
WHERE ctid = ANY ($1::text[]::tid[])
