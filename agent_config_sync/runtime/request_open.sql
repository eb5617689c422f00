-- What is asked of this gateway's runtime, and has not ended? $3: when its process began; what was taken before that, was
-- taken by the process before.
SELECT id, kind, target_version, requested_by,
       requested_at < $3 AS before_us,
       taken_at IS NOT NULL AS taken,
       coalesce(taken_at < $3, false) AS taken_before_us,
       coalesce(expires_at < now(), false) AS expired
FROM runtime_requests
WHERE account_id = $1 AND gateway = $2 AND finished_at IS NULL
