"""The guide's workflow, played on a local GitHub, and its report."""
