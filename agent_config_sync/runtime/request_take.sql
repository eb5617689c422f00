-- Begin with it, as version $2, and give it up in $3 seconds. No row: another request has taken its place.
UPDATE runtime_requests
SET taken_at = now(), from_version = $2, expires_at = now() + make_interval(secs => $3)
WHERE id = $1 AND taken_at IS NULL AND finished_at IS NULL
RETURNING id
