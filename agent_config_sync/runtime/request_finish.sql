-- How it ended, once, and in the history ($4) if it was an upgrade that began.
WITH finished AS (
    UPDATE runtime_requests SET finished_at = now(), outcome = $2, error = $3
    WHERE id = $1 AND finished_at IS NULL
    RETURNING account_id, gateway, from_version, target_version, taken_at, error, requested_by
), recorded AS (
    INSERT INTO upgrade_history (account_id, gateway, from_version, to_version, status, started_at, error, requested_by)
    SELECT account_id, gateway, from_version, target_version, $4::text, taken_at, error, requested_by
    FROM finished WHERE $4::text IS NOT NULL
)
SELECT count(*) = 1 FROM finished
