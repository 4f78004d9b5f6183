"""What commands and requests want of runners: checks and one committed wish each."""
