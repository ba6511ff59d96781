"""Read the user's files: find, check and open them, and what they state about their sample."""
