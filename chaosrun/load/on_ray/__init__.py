"""A fleet whose workers are actors of a Ray cluster, one on each node unless it is told otherwise.

    engine (cluster.py) -- sockets --> driver (driver.py, relay.py) -- Ray --> actor (host.py) -- socket --> load

The engine knows nothing of Ray: a process of its own is the cluster's driver, so that Ray's threads, signal handlers
and words stay out of what measures. Between the two ends of a worker's conversation nothing is read but what must be:
the clock that it starts from, the records that come with it, and whether it is still there.
"""
