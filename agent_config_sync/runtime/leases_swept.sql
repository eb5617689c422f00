-- Forget the leases of an account ($1) whose sessions are over. What others have in hand is left for the next time.
DELETE FROM session_leases
WHERE session_id IN (
    SELECT over.session_id FROM session_leases AS over
    WHERE over.account_id = $1 AND over.holder IS NULL
      AND NOT EXISTS (SELECT FROM agent_sessions WHERE agent_sessions.id = over.session_id AND closed_at IS NULL)
    FOR UPDATE SKIP LOCKED)
