"""Input formats as data: the canonical columns, and how each format gives them.

To add a format, add a module with a `Format`, its name in `registry`, and a file of its layout in
the tests.
"""
