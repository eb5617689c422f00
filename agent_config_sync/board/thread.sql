-- The last $3 messages of a task ($2) of an account ($1), oldest first.
SELECT latest.id, author_type, author_id, content, latest.created_at,
       coalesce(nullif(agents.display_name::text, ''), agents.name::text, nullif(memberships.name, ''),
                memberships.user_id) AS author_name
FROM (
    SELECT id, author_type, author_id, content, created_at, seq FROM board_messages
    WHERE account_id = $1 AND task_id = $2
    ORDER BY seq DESC LIMIT $3
) AS latest
LEFT JOIN agents ON author_type = 'agent' AND agents.account_id::text = $1 AND agents.name::text = author_id
LEFT JOIN memberships ON author_type = 'user' AND memberships.account_id = $1 AND memberships.user_id = author_id
ORDER BY seq
