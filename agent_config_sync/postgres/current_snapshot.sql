-- What is visible now: every transaction that has committed, and no other.
SELECT pg_current_snapshot()::text
