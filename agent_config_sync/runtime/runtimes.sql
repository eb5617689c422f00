-- How is each runtime of the account, and what is asked of it?
SELECT gateway_status.gateway, runtime_status AS status, runtime_version AS version, runtime_error AS error,
       runtime_started_at AS started_at, runtime_seen_at AS seen_at,
       kind AS asked, target_version, requested_by, requested_at, taken_at
FROM gateway_status
LEFT JOIN runtime_requests ON runtime_requests.account_id = gateway_status.account_id
    AND runtime_requests.gateway = gateway_status.gateway AND finished_at IS NULL
WHERE gateway_status.account_id = $1 AND runtime_status IS NOT NULL
