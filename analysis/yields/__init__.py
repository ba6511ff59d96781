"""Weighted yields of a selection: cut-flows, histograms, and their tables."""
