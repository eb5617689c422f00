-- A task ($2) of an account ($1) with the last $3 messages of its thread, oldest first, as JSON.
SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
       created_by_type, created_by, created_at, updated_at, last_message_at, agents, people, (
    SELECT json_agg(json_build_array(latest.id, author_type, author_id, coalesce(
               nullif(writing.display_name::text, ''), writing.name::text, nullif(memberships.name, ''),
               memberships.user_id), content, latest.created_at) ORDER BY seq)
    FROM (
        SELECT id, author_type, author_id, content, created_at, seq FROM board_messages
        WHERE account_id = $1 AND task_id = $2
        ORDER BY seq DESC LIMIT $3
    ) AS latest
    LEFT JOIN agents AS writing
        ON author_type = 'agent' AND writing.account_id::text = $1 AND writing.name::text = author_id
    LEFT JOIN memberships
        ON author_type = 'user' AND memberships.account_id = $1 AND memberships.user_id = author_id
) AS thread
FROM board_cards($1) WHERE id = $2
