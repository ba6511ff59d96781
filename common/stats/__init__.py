"""Statistics: errors, normalisation, ROC curves."""
