-- Of each of these statuses ($2) the tasks of an account ($1), without their descriptions: after the first $3 the next $4,
-- the most urgent and then the newest first.
SELECT cards.*
FROM unnest($2::text[]) WITH ORDINALITY AS wanted (status, place)
CROSS JOIN LATERAL (
    SELECT id, account_id, title, NULL::text AS description, status, priority, labels, due_at, blocked_reason,
           archived_at, pr_number, created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
    FROM board_cards($1) AS of_account
    WHERE of_account.status = wanted.status
    ORDER BY priority, created_at DESC, id OFFSET $3 LIMIT $4
) AS cards
ORDER BY place, priority, created_at DESC, cards.id
