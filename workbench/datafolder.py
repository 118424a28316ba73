"""The data folder: the one place that holds everything an installation must keep. PURE.

db.sqlite3   the database, where PostgreSQL is not used
broker/      messages that wake workers up, where Redis is not used
keys/        the generated secret key
files/       uploads, exports and large texts
tmp/         uploads while they arrive
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FOLDERS = ("broker", "broker/queues", "broker/control", "files", "keys", "tmp")
SECRET_KEY_FILE = "secret_key"  # noqa: S105 - a file's name


def prepare_data_folder(path: Path) -> bool:
    """Make what is missing of the data folder, for its owner alone; True if it was new.

    It counts as new until it holds a secret key, so that a start which was interrupted before
    that is a first start again.
    """
    key = path / "keys" / SECRET_KEY_FILE
    is_new = not key.exists()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkdir's mode is subject to the umask and leaves a folder that was there as it is.
    path.chmod(0o700)
    for name in FOLDERS:
        (path / name).mkdir(mode=0o700, exist_ok=True)
    return is_new


def load_or_create_secret_key(path: Path) -> str:
    """The installation's secret key, generated the first time anybody asks.

    Several processes may ask at once: the key is written aside and linked into place, which
    only one of them can do, and all read what stands there afterwards.
    """
    prepare_data_folder(path)
    target = path / "keys" / SECRET_KEY_FILE
    if not target.exists():
        draft = target.with_name(f"{SECRET_KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, target)
        except FileExistsError:
            # Another process was first; its key is the one.
            pass
        finally:
            draft.unlink()
    return target.read_text(encoding="ascii").strip()
