"""Figures of the anomaly search."""
