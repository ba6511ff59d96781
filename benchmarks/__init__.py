"""Measurements: each a ratio taken in one run where it can be; never part of the tests."""
