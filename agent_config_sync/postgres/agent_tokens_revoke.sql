-- End these tokens ($3, their hashes) of this gateway.
UPDATE agent_tokens SET revoked_at = now()
WHERE account_id = $1 AND gateway = $2 AND token_hash = ANY ($3) AND revoked_at IS NULL
