-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       coalesce(id::text, '') AS id, workspace_root::text, base_url::text, person_id::text
FROM gateways
WHERE ctid = ANY ($1::text[]::tid[])
