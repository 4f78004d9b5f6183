"""What the runner finds and uses on its machine: runtime, directories, signals, pipes, terminal."""
