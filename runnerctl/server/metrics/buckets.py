"""Where the histograms' buckets end, in seconds: close to each other where a decision lies, and few elsewhere."""

from __future__ import annotations

REQUEST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""A status takes a millisecond, a list some; a create waits up to ``start_grace``, 10 s, or its ``timeout``, 60 s."""
CREATE = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0)
"""Half a second where the package is there; 10 s is ``start_grace``, beyond that a package is fetched."""
ONLINE = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""A Listener needs 2 to 5 s to connect; 120 s is ``start_timeout``."""
JOB = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 432000.0)
"""6 h is a workflow's default ``timeout-minutes``, 5 days the longest that GitHub lets a job run."""
IDLE = (0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Below 1 s the job was there first, and has waited; beyond minutes there is more capacity than work."""
DRAIN = (1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)
"""As long as the job that runs; 60 s is ``drain_settle``."""
REMOVE = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
"""3 s is ``remove_settle``; a stop may take ``stop.interrupt``, 30 s, and what follows; beyond that GitHub is away."""
GITHUB = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
"""GitHub answers within 0.1 to 0.5 s; 10 s is ``github.timeout``."""
STEP = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
SWEEP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""10 s is the pause between two."""
LAG = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""20 ms is what the loop may be late under load."""
