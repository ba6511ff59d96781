"""From image files to trained networks and scores. Needs Keras (any backend), never ROOT."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
