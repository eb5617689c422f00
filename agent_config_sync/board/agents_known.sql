-- Which of these names ($2) have agents who work on the board of an account ($1)?
SELECT agents.name FROM board_agents($1) AS agents WHERE agents.name = ANY ($2::text[])
