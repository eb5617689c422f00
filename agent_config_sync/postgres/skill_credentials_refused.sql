-- Requests were not taken: $3 names who asked ($6: an agent, or whoever the system met), $4 says why, $5 how many there
-- were.
INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
SELECT $1, $2, 'credential_refused', $6, who, 'credential', '',
       jsonb_build_object('reason', reason, 'requests', requests)
FROM unnest($3::text[], $4::text[], $5::bigint[]) AS refused (who, reason, requests)
