"""The pool of warm Claude processes: who owns them, and who answers next.

    pool.py         hands each turn to a worker, or queues it; starts and retires workers
    policy.py       its decisions                                                  (pure)
    backoff.py      how long to leave alone a CLI that does not start              (pure)
    waiters.py      the queue of turns                                             (pure)
    workers.py      the workers of a pool, counted
    warmup.py       the first processes of a pool
    worker.py       one task for each process, from its boot to its end
    deadlines.py    how long an answer may take
    job.py          a turn on its way; the caller's end of it, a `Lease`
    line_stream.py  the lines of a process;  process.py  its pipes, memory and end
    guard.py        ends the processes when the server cannot
    model_catalog.py  the models of the account
    stats.py        counters and statistics;  worker_log.py  the log lines about a process

Nothing here knows HTTP or a dialect. Only `process.py` and `guard.py` start processes. Each
decision is one synchronous step, so there is nothing to lock.
"""
