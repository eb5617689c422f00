-- The $3 tasks of an account ($1) that say best what is looked for ($2), in the words of a web search.
WITH wanted AS (
    SELECT websearch_to_tsquery('pg_catalog.english', $2) AS words
), found AS (
    SELECT id, ts_rank('{0.1, 0.3, 0.6, 1.0}', search, words) AS relevance, created_at
    FROM wanted JOIN board_tasks ON search @@ words
    WHERE account_id = $1
    ORDER BY relevance DESC, created_at DESC LIMIT $3
)
SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
       created_by_type, created_by, created_at, updated_at, last_message_at, agents, people, relevance
FROM found JOIN board_cards($1) USING (id, created_at)
ORDER BY relevance DESC, created_at DESC
