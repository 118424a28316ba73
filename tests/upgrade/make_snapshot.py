"""python -m tests.upgrade.make_snapshot: keep a little data of this version for later upgrades.

Run once for each release that changed the tables, and commit the file. What stands there already
is never written again: it is what installations of that time hold.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def main() -> int:
    """Write the next snapshot; 1 where the newest one was taken at these same migrations."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "workbench.settings.test"
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    from tests.upgrade import snapshots
    from tests.upgrade.world import build_world
    from workbench.datafolder import prepare_data_folder

    folder = Path(settings.WORKBENCH_DATA_DIR)
    folder.parent.mkdir(mode=0o700)
    try:
        prepare_data_folder(folder)
        call_command("migrate", verbosity=0, interactive=False)
        build_world()
        there = snapshots.list_snapshots()
        number = int(there[-1].stem) + 1 if there else 1
        taken = snapshots.take_snapshot(f"{number:04}")
        if there and snapshots.read_snapshot(there[-1]).migrations == taken.migrations:
            print(f"{there[-1].name} was taken at these migrations already.", file=sys.stderr)
            return 1
        path = snapshots.FOLDER / f"{taken.name}.json"
        snapshots.FOLDER.mkdir(exist_ok=True)
        snapshots.write_snapshot(taken, path)
        print(f"{path.name}: {len(taken.rows)} rows, {path.stat().st_size:,} bytes.")
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
