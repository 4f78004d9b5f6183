"""Two tenants and a stranger attack while a third tenant works: ``python -m benchmarks.hostile SECONDS RUNNERS``.

The third one creates, looks at and removes its runners. The exit status is 0 only when none of its requests failed, it
waited for none too long, the server stayed small, and the audit log holds all that was granted.

A remote attacker's processor is elsewhere, and so is a tenant's. Here all share this machine's: the attackers get what
nobody else wants, and the server and who measures go before what else the machine does, as far as the kernel lets them.

``--without-limits`` takes the server's bounds away: then it must fail.
"""
