-- Does a process ($2) still have the lease of a session ($1) by this fence ($3)? Nobody else can have it until this
-- transaction ends.
SELECT notification_id FROM session_leases
WHERE session_id = $1 AND holder = $2 AND fence = $3
FOR NO KEY UPDATE
