"""Figures of the histograms of any selection."""
