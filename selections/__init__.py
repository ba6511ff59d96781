"""Regions as data, from which cuts, cut-flow and documentation are made."""
