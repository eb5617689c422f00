-- $1 agents, of which every $2th is of the account `default`; the others are spread between its rows, as rows of many
-- accounts are that came one by one. Each may start the next two of its own account.
INSERT INTO agents (account_id, name, instance_type, is_default, model, fallback_models, allowed_subagents)
SELECT CASE n % $2::int WHEN 0 THEN 'default' ELSE 'other-' || n % $2::int END,
       'agent-' || lpad(n::text, 6, '0'),
       CASE WHEN n < $2::int THEN 'primary' ELSE 'subagent' END,
       n < $2::int,
       'provider/model-' || n % 7,
       ARRAY['provider/spare-' || n % 5, 'provider/last-' || n % 3],
       ARRAY[
           'agent-' || lpad(((n + $2::int) % $1::int)::text, 6, '0'),
           'agent-' || lpad(((n + 2 * $2::int) % $1::int)::text, 6, '0')
       ]
FROM generate_series(0, $1::int - 1) AS n
