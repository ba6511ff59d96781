"""Autoencoders: train, tune, score, inspect, remove noise."""
