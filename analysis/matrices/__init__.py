"""Rapidity-mass matrices of events with three leptons, and pseudo-data drawn from them."""
