"""Two tenants and a stranger attack while a third tenant works: ``python -m benchmarks.hostile SECONDS RUNNERS``.

The third one creates, looks at and removes its runners. The exit status is 0 only when none of its requests failed, it
waited for none too long, the server stayed small, and the audit log holds all that was granted.
``--without-limits`` takes the server's bounds away: then it must fail.
"""
