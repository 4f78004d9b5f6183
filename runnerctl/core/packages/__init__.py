"""GitHub's releases of actions/runner: found, downloaded, verified, unpacked, kept."""
