-- Let these tokens ($4, their hashes) be those of these agents ($3), as far as the agents are still there; returns the
-- hashes that are good now. One that is there already, and revoked, is not.
INSERT INTO agent_tokens (account_id, agent, gateway, token_hash)
SELECT $1, wanted.agent, $2, wanted.token_hash
FROM unnest($3::text[], $4::text[]) AS wanted (agent, token_hash)
WHERE EXISTS (SELECT FROM agents WHERE account_id::text = $1 AND name::text = wanted.agent)
ON CONFLICT (token_hash) DO NOTHING
RETURNING token_hash
