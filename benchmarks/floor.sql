-- The floor's only question: the columns and the WHERE of agents_by_version.sql and agents_versions.sql, in order.
SELECT name,
       is_default,
       gateways IS NOT NULL AS scoped,
       instance_type,
       model,
       fallback_models,
       thinking,
       allowed_subagents,
       settings::text
FROM agents
WHERE account_id = $1
  AND status = 'active'
  AND instance_type IS DISTINCT FROM 'peer'
  AND (gateways IS NULL OR $2 = ANY (gateways))
ORDER BY name
