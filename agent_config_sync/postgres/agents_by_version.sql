-- The rows at these places; another partition may have a row at the same place, so the version comes along.
-- A table of yours may have our columns in other types (json, an enum, an integer), so each is read by its text, and the
-- lists as JSON: that costs a tenth of what taking them apart here would.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       coalesce(name::text, '') AS name,
       lower(is_default::text) IN ('true', 't', 'yes', 'y', 'on', '1') AS is_default,
       gateways IS NOT NULL AS scoped,
       instance_type::text,
       model::text,
       to_jsonb(fallback_models) AS fallback_models,
       thinking::text,
       to_jsonb(allowed_subagents) AS allowed_subagents,
       settings::text
FROM agents
WHERE ctid = ANY ($1::text[]::tid[])
