-- Do the columns of agents take these values? An error is the answer no.
SELECT FROM json_populate_record(NULL::agents, $1::text::json)
