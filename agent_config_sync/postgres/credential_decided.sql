-- A person ($3) has entered a key ($1) or takes it back ($2 is the status).
UPDATE skill_credentials SET status = $2, decided_by = $3 WHERE id = $1::text::uuid AND status <> $2 RETURNING credential_ref
