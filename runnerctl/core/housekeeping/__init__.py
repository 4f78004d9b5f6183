"""What is done about what lies on the disk: packages, logs, history."""
