-- Which of these statuses ($2) may a task that has one ($1) get from a person?
SELECT status FROM unnest($2::text[]) WITH ORDINALITY AS known (status, place)
WHERE board_may_become($1, status, 'user') ORDER BY place
