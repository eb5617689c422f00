-- Hand the statements over: a block takes no parameters.
SELECT set_config('agent_config_sync.trial', $1, true)
