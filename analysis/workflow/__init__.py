"""Stages, their targets, and which of them are up to date. Knows neither physics nor ROOT."""
