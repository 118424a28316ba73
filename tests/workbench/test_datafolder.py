"""The data folder: its owner's alone, with one secret key."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

from workbench.datafolder import load_or_create_secret_key, prepare_data_folder


def read_mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private(tmp_path):
    folder = tmp_path / "deep" / "data"
    prepare_data_folder(folder)
    assert read_mode(folder) == 0o700
    for name in ("broker/queues", "broker/control", "files", "keys", "tmp"):
        assert read_mode(folder / name) == 0o700


def test_a_folder_that_was_open_is_closed(tmp_path):
    tmp_path.chmod(0o755)
    prepare_data_folder(tmp_path)
    assert read_mode(tmp_path) == 0o700


def test_the_key_is_made_once_and_private(tmp_path):
    first = load_or_create_secret_key(tmp_path)
    assert len(first) >= 80
    assert load_or_create_secret_key(tmp_path) == first
    assert read_mode(tmp_path / "keys" / "secret_key") == 0o600


def test_two_installations_have_two_keys(tmp_path):
    assert load_or_create_secret_key(tmp_path / "a") != load_or_create_secret_key(tmp_path / "b")


def test_many_at_once_get_the_same_key_and_leave_no_drafts(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_create_secret_key, [tmp_path] * 16))
    assert len(keys) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["secret_key"]
