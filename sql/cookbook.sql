-- The operator's cookbook: copy a statement, change the names, run it. Nothing here runs by itself.

-- A new agent on all gateways.
INSERT INTO agents (name, model) VALUES ('scribe', 'anthropic/claude-haiku-4-5');

-- An agent on two gateways only.
INSERT INTO agents (name, model, gateways) VALUES ('scout', 'anthropic/claude-haiku-4-5', '{box-1,box-2}');

-- Another model for every agent that uses an old one.
UPDATE agents SET model = 'anthropic/claude-opus-4-5' WHERE model = 'anthropic/claude-opus-4-1';

-- Who may start whom.
UPDATE agents SET allowed_subagents = '{coder,reviewer}' WHERE name = 'lead';

-- The default agent of all gateways, and of one gateway.
UPDATE agents SET is_default = (name = 'lead') WHERE gateways IS NULL;
UPDATE agents SET is_default = true WHERE name = 'scout' AND gateways = '{box-1}';

-- Anything else that the gateway accepts for an agent.
UPDATE agents SET settings = '{"tools": {"profile": "coding", "deny": ["exec"]}}' WHERE name = 'coder';

-- Take an agent out of every roster and keep its row.
UPDATE agents SET status = 'retired' WHERE name = 'scout';

-- How deep subagents may start subagents.
UPDATE agent_system_config SET value = '3' WHERE key = 'max_spawn_depth';

-- Let the agents of an account install skills, and see what they have installed.
UPDATE accounts SET skills_poc_enabled = true WHERE id = 'default';
SELECT gateway, agent, slug, name, problem, changed_at FROM installed_skills ORDER BY gateway, agent, slug;

-- The keys for which agents ask, and take one back.
SELECT credential_ref, status, requested_by, requested_at FROM skill_credentials ORDER BY requested_at;
UPDATE skill_credentials SET status = 'revoked', decided_by = 'ada'
WHERE credential_ref = 'default/box-1/git-help/GIT_TOKEN' AND status <> 'revoked';

-- Who leads the agents of an account on the board, who reviews, and who may create tasks.
UPDATE agents SET is_orchestrator = true, can_create_tasks = true WHERE name = 'lead';
UPDATE agents SET can_review_tasks = true WHERE name = 'reviewer';

-- A task, and who works on it: both are told in the same transaction.
WITH task AS (
    INSERT INTO board_tasks (title, description, priority)
    VALUES ('Mend the deploy script', 'It fails when it retries.', 2) RETURNING id
)
INSERT INTO board_assignees (task_id, agent) SELECT id, 'coder' FROM task;

-- A word in its thread, and another status; whose words they are, the setting says, else it is the login.
BEGIN;
SET LOCAL agent_config_sync.actor = 'user/ada';
INSERT INTO board_messages (task_id, content)
SELECT id, '@coder, it fails since Monday' FROM board_tasks WHERE title = 'Mend the deploy script';
UPDATE board_tasks SET status = 'in_progress' WHERE title = 'Mend the deploy script' AND status = 'assigned';
COMMIT;

-- What everybody works on, and what waits for a person.
SELECT status, priority, title, agents, people, updated_at FROM board_cards('default')
WHERE status NOT IN ('done', 'archived') ORDER BY status, priority, updated_at;

-- What every gateway runs with, and since when.
SELECT gateway, state, error, warnings, changed_at, now() - seen_at AS silent_for FROM gateway_status ORDER BY gateway;

-- Let the processes beside all gateways end what they do and start again, let one become another version, or what it was
-- before; and see what became of it.
SELECT gateway, request_restart(gateway) FROM gateway_status WHERE runtime_status IS NOT NULL;
SELECT request_upgrade(gateway, '1.1.0') FROM gateway_status WHERE gateway = 'box-1' AND runtime_version = '1.0.0';
SELECT rollback_upgrade(gateway) FROM upgrade_history WHERE gateway = 'box-1' AND to_version = '1.1.0' AND status = 'success';
SELECT gateway, runtime_status, runtime_version, runtime_error, now() - runtime_seen_at AS silent_for FROM gateway_status;
SELECT gateway, kind, target_version, requested_by, requested_at, taken_at, outcome, error FROM runtime_requests
ORDER BY requested_at DESC LIMIT 20;
SELECT gateway, from_version, to_version, status, error, completed_at FROM upgrade_history ORDER BY id DESC LIMIT 20;

-- Wake every gateway without a change.
NOTIFY agent_config_changed;
