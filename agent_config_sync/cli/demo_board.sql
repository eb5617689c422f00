-- The demo of the board: two agents and a person. A line of two dashes alone parts the statements.

INSERT INTO agents (name, display_name, role, is_default, can_review_tasks) VALUES
    ('coder',    'Coder',    'Engineer', true,  NULL),
    ('reviewer', 'Reviewer', 'QA',       false, true);
INSERT INTO memberships (account_id, user_id, role, name) VALUES ('default', 'ada', 'owner', 'Ada');
--
WITH task AS (
    INSERT INTO board_tasks (title, description)
    VALUES ('Mend the deploy script', 'It hangs since Monday. Find out why, and mend it.') RETURNING id
)
INSERT INTO board_assignees (task_id, agent) SELECT id, 'coder' FROM task;
