-- The turn that is under way in a session, by its key ($2), of an account ($1).
SELECT session_id, holder, fence, notification_id FROM session_leases
WHERE account_id = $1 AND session_key = $2 AND notification_id IS NOT NULL AND expires_at > clock_timestamp()
FOR NO KEY UPDATE
