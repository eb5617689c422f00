-- The $3 tasks of an account ($1) that say best what is looked for ($2), in the words of a web search; where very many say
-- it, $4 of them are compared.
WITH compared AS (
    SELECT id, created_at, ts_rank('{0.1, 0.3, 0.6, 1.0}', search, words) AS relevance
    FROM websearch_to_tsquery('pg_catalog.english', $2) AS words JOIN board_tasks ON search @@ words
    WHERE account_id = $1 LIMIT $4
), best AS (
    SELECT id, relevance FROM compared ORDER BY relevance DESC, created_at DESC LIMIT $3
)
SELECT board_tasks.id, title, status, priority, blocked_reason,
       ARRAY(SELECT agent FROM board_assignees WHERE task_id = best.id AND agent IS NOT NULL) AS agents,
       ARRAY(SELECT user_id FROM board_assignees WHERE task_id = best.id AND user_id IS NOT NULL) AS people,
       created_at, updated_at, relevance
FROM best JOIN board_tasks ON account_id = $1 AND board_tasks.id = best.id
ORDER BY relevance DESC, created_at DESC
