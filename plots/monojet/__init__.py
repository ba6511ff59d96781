"""Figures of the monojet study."""
