-- Hand the statements over: a block takes no parameters. They have $2 milliseconds.
SELECT set_config('agent_config_sync.trial', $1, true), set_config('statement_timeout', $2, true)
