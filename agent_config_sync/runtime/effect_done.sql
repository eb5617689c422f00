-- Keep what a turn ($4: which of them) of a notification ($1) of an account ($2) did ($3: its fingerprint, $5 the tool, $6 its
-- arguments) and found ($7).
INSERT INTO delivery_effects (notification_id, account_id, fingerprint, occurrence, attempt, tool, arguments, result)
SELECT $1, $2, $3, coalesce(max(occurrence), 0) + 1, $4, $5, $6, $7
FROM delivery_effects WHERE notification_id = $1 AND fingerprint = $3
