-- The turn that is under way in a session, by its key ($2), of an account ($1).
SELECT held.notification_id, told.attempts
FROM session_leases AS held JOIN board_notifications AS told ON told.id = held.notification_id
WHERE held.account_id = $1 AND held.session_key = $2 AND held.expires_at > clock_timestamp()
FOR NO KEY UPDATE OF held
