-- Forget the leases of an account ($1) whose sessions are over.
DELETE FROM session_leases
WHERE account_id = $1 AND holder IS NULL
  AND NOT EXISTS (SELECT FROM agent_sessions WHERE agent_sessions.id = session_id AND closed_at IS NULL)
