"""Jobs: the queue, what a runner is sent of one, and what it tells about it."""
