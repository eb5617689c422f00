-- Mark those of the account offline that are silent, and give up what no process came back from.
SELECT sweep_runtimes($1)
