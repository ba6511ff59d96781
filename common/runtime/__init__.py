"""How work is carried out, which changes no result: files, errors, progress, processes."""
