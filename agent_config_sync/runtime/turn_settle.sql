-- Settle the turn of a process ($2) in a session ($1) by its fence ($3), as what an agent does ($4): how its notification ends
-- ($5) and why ($6); what is posted ($7), waking no agent ($8); whether its task begins with that ($9). False where the lease
-- is lost.
SELECT settle_turn($1, $2, $3, $4, $5, $6, $7, $8, $9)
