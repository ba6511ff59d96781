"""Code shared by all packages: errors, files, progress, tables. Needs neither ROOT nor Keras."""
