"""What the engine has to do with GitHub: registrations, lists, packages, and what is owed to it."""
