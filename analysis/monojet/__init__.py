"""The monojet study: cut-flow, sensitivity, comparison of signals."""
