"""What is measured, and against what; ``python -m benchmarks`` prints a table. Ratios are taken in one run."""
