-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       slug::text, coalesce(name::text, '') AS name, description::text, content::text
FROM skills
WHERE ctid = ANY ($1::text[]::tid[])
