"""Figures and reports of both studies, and results that are kept."""
