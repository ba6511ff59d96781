"""A configuration with nothing but defaults."""

from __future__ import annotations

from analysis.config import Config, parse_sample

PLAIN = Config(
    name="plain", samples=(parse_sample({"process": "Znunu", "slice": "high", "events": 1}),)
)
