"""The folder of the program, to which paths of data files in the code are relative."""

from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
