-- The rows behind these row versions; casts keep a foreign table's own types out of our models.
SELECT ctid::text || xmin::text AS version,
       name::text,
       is_default::boolean,
       gateways IS NOT NULL AS scoped,
       instance_type::text,
       model::text,
       fallback_models::text[],
       thinking::text,
       allowed_subagents::text[],
       settings::text
FROM agents
WHERE ctid = ANY ($1::text[]::tid[])
