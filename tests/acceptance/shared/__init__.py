"""Files whose tests share a Redis, a database and mostly a worker: starting one takes most of their time."""
