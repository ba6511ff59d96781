#!/usr/bin/env python3
"""Run the analysis: ``python run_analysis.py --help`` lists options and stages.

Without options it runs the whole study of ``analysis/configs/quickstart.yaml``.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # worker processes import this file, too
    from analysis.cli.main import main

    sys.exit(main())
