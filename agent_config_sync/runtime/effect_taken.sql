-- What did an earlier turn of a notification ($1) find when it did just this ($2)? Each such act answers one call of the
-- turn that is under way ($3: which of them, from 1).
UPDATE delivery_effects SET attempt = $3
WHERE (notification_id, fingerprint, occurrence) = (
    SELECT notification_id, fingerprint, occurrence FROM delivery_effects
    WHERE notification_id = $1 AND fingerprint = $2 AND attempt < $3
    ORDER BY occurrence LIMIT 1)
RETURNING result
