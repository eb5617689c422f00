-- Does a process ($2) still have the lease of a session ($1) by this fence ($3)? Nobody else can have it until this
-- transaction ends. attempts: which turn of its notification it is; null where that is deleted.
SELECT held.notification_id, told.attempts
FROM session_leases AS held LEFT JOIN board_notifications AS told ON told.id = held.notification_id
WHERE held.session_id = $1 AND held.holder = $2 AND held.fence = $3
FOR NO KEY UPDATE OF held
