-- Run the statements of the setting below. EXECUTE refuses to begin or end a transaction, and so does whatever it calls
-- within one, so the server itself sees to it that nothing here is ever committed. Constraints that wait for the commit
-- are asked now.
DO $$
BEGIN
    EXECUTE current_setting('agent_config_sync.trial');
    SET CONSTRAINTS ALL IMMEDIATE;
END $$
