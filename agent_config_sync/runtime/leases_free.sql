-- Free what other processes ($3 is this one) have held at this gateway ($2) of an account ($1): there is one at a time, so
-- they are gone.
UPDATE session_leases SET holder = NULL, expires_at = NULL, notification_id = NULL, fence = fence + 1
WHERE account_id = $1 AND gateway = $2 AND holder <> $3
