"""The manual: pages as values, made of the commands, the settings and the errors; written for man or as plain text."""
