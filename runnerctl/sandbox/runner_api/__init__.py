"""What runners and jobs call once a job is theirs, and the strictness with which all their calls are read."""
