-- Let this transaction be the act of $1, such as agent/coder; $2 is why, for the history of a task.
SELECT set_config('agent_config_sync.actor', $1, true), set_config('agent_config_sync.reason', $2, true)
