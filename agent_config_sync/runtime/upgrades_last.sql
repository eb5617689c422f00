-- The last $2 upgrades of each gateway of the account, newest first.
SELECT gateway, from_version, to_version, status, error, requested_by, completed_at
FROM (
    SELECT *, row_number() OVER (PARTITION BY gateway ORDER BY id DESC) AS place
    FROM upgrade_history WHERE account_id = $1
) AS placed
WHERE place <= $2
ORDER BY gateway, place
