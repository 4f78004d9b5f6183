"""What ``config.sh`` does: registering a runner, and taking that back."""
