"""GitHub's side of a runner: requests as values, the calls, the credentials.

``client.GitHub`` is what the rest of the core uses. Importing it is cheap: ``requests``, ``jwt`` and ``cryptography``
are loaded by the first call that needs them.
"""
