-- Which row versions form this gateway's roster at this instant?
-- (ctid, xmin) names a row version: a changed row gets another pair, and reading pairs is six times cheaper than rows.
SELECT pg_current_snapshot()::text AS at,
       string_agg(ctid::text || xmin::text, ' ') AS versions
FROM agents
WHERE account_id = $1
  AND status = 'active'
  AND instance_type IS DISTINCT FROM 'peer'
  AND (gateways IS NULL OR $2 = ANY (gateways))
