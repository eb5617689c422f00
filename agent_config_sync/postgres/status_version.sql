-- Which version of OpenClaw did this gateway last report?
SELECT gateway_version FROM gateway_status WHERE account_id = $1 AND gateway = $2
