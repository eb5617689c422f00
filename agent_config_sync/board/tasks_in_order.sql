-- The first $2 tasks of an account ($1) that have one of these statuses ($3), in the order of these, of each status the
-- most urgent and then the newest first; those on which an agent ($4) works or, where that is null, all.
SELECT cards.id, account_id, title, description, cards.status, priority, labels, due_at, blocked_reason, archived_at,
       pr_number, created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
FROM unnest($3::text[]) WITH ORDINALITY AS wanted (status, place)
CROSS JOIN LATERAL (
    SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
           created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
    FROM board_cards($1) AS card
    WHERE card.status = wanted.status
      AND ($4::text IS NULL OR $4 = ANY (card.agents))
    ORDER BY priority, created_at DESC LIMIT $2
) AS cards
ORDER BY place, priority, created_at DESC LIMIT $2
