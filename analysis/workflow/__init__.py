"""Stages, their targets, and the question of what is up to date. Knows no physics and no ROOT."""
