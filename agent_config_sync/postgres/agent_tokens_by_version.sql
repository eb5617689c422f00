-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       agent, token_hash, issued_by = session_user AS own
FROM agent_tokens
WHERE ctid = ANY ($1::text[]::tid[])
