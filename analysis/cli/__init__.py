"""The command line: its options, the run that they describe, and what the run does."""
