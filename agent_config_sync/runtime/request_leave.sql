-- The process ends for it now: the next one has $2 seconds to come back.
UPDATE runtime_requests SET expires_at = now() + make_interval(secs => $2) WHERE id = $1 AND finished_at IS NULL
