"""Classifiers: train, score, evaluate."""
