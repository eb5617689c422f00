-- The demo: the agents it starts with, then one change after the other. A line of two dashes alone parts them.

INSERT INTO agents (name, instance_type, is_default, model, fallback_models, allowed_subagents) VALUES
    ('lead',     'primary',  true,  'anthropic/claude-opus-4-5',   '{anthropic/claude-sonnet-4-5}', '{coder,reviewer}'),
    ('coder',    'subagent', false, 'anthropic/claude-sonnet-4-5', NULL, NULL),
    ('reviewer', 'subagent', false, 'anthropic/claude-haiku-4-5',  NULL, NULL);
--
UPDATE agents SET model = 'anthropic/claude-opus-4-5' WHERE name = 'coder';
--
UPDATE agent_system_config SET value = '3' WHERE key = 'max_spawn_depth';
--
INSERT INTO agents (name, model) VALUES ('scribe', 'anthropic/claude-haiku-4-5');
--
UPDATE agents SET allowed_subagents = '{coder,reviewer,scribe}' WHERE name = 'lead';
--
UPDATE agents SET status = 'retired' WHERE name = 'reviewer';
--
DELETE FROM agents;
