-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       agent::text, skill::text, coalesce(position::integer, 0) AS position
FROM agent_skills
WHERE ctid = ANY ($1::text[]::tid[])
