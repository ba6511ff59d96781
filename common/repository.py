"""The folder of the program: data files that the code reads are named relative to it."""

from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
