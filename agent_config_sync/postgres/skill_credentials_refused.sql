-- Requests of agents were not taken: $3 names the agents, $4 says why, $5 how many there were.
INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
SELECT $1, $2, 'credential_refused', 'agent', agent, 'credential', '',
       jsonb_build_object('reason', reason, 'requests', requests)
FROM unnest($3::text[], $4::text[], $5::bigint[]) AS refused (agent, reason, requests)
