"""What all rooms share: errors, whole files, progress, tables. Needs neither ROOT nor Keras."""
