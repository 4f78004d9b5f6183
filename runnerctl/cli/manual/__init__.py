"""The manual: pages as values, made of the commands, the settings and the errors; written as mdoc or as plain text."""
