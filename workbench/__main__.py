"""The command line: `python -m workbench`, `prm-workbench` and `manage.py` are the same."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the Django command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
