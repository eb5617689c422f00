-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       id::text, name::text, preferred_name::text, pronouns::text, timezone::text, notes::text, context::text
FROM people
WHERE ctid = ANY ($1::text[]::tid[])
