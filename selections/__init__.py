"""Regions as data: the filters, the cut-flow and the documents come from these descriptions."""
