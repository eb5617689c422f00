-- May this login see how runtimes are? Older databases know nothing of it, and a reader need not.
SELECT coalesce(has_table_privilege(to_regclass('runtime_requests'), 'SELECT')
                AND has_table_privilege(to_regclass('upgrade_history'), 'SELECT'), false)
