-- End the turn of a process ($2) in a session ($1) by its fence ($3). $4: whether it failed, null where it was given back;
-- $5: how long none is begun there. False where the lease is lost.
SELECT end_turn($1, $2, $3, $4, $5)
