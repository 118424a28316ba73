#!/usr/bin/env python
"""Django's command line for PRM Workbench."""

from __future__ import annotations

import sys

from workbench.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
