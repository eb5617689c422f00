-- Let the server free what every listener has read of the queue of notifications. It does so when somebody notifies, but
-- not in a queue that is full: there every NOTIFY fails, and so does every commit that notifies, until somebody asks this
-- (seen in 15 and 18: a full queue stays full although nobody is behind any more).
SELECT pg_notification_queue_usage()
