"""From image files to trained networks and scores. Needs Keras (any backend), never ROOT."""

import logging
import os

from common.runtime.memory import keep_freed_memory

keep_freed_memory()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Keras makes the functions of all models from the same lines of source, by which TensorFlow counts:
# of many models, each traced once, it warns as of one that is traced again and again.
logging.getLogger("tensorflow").addFilter(
    lambda record: "triggered tf.function retracing" not in record.getMessage()
)
