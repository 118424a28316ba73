"""System checks of the data folder and the clock."""

from __future__ import annotations

import pytest

from workbench.checks import check_data_folder, check_time_zone


@pytest.fixture
def folder(settings, tmp_path):
    settings.WORKBENCH_DATA_DIR = tmp_path / "data"
    return settings.WORKBENCH_DATA_DIR


def find_ids(messages):
    return [message.id for message in messages]


def test_no_folder_yet_is_fine(folder):
    assert check_data_folder(None) == []


def test_private_folder_is_fine(folder):
    folder.mkdir(mode=0o700)
    assert check_data_folder(None) == []


def test_open_folder_is_a_warning(folder):
    folder.mkdir()
    folder.chmod(0o750)
    assert find_ids(check_data_folder(None)) == ["workbench.W001"]


def test_a_file_in_its_place_is_an_error(folder):
    folder.write_text("")
    assert find_ids(check_data_folder(None)) == ["workbench.E001"]


def test_another_time_zone_is_an_error(settings):
    assert check_time_zone(None) == []
    settings.TIME_ZONE = "Europe/Berlin"
    assert find_ids(check_time_zone(None)) == ["workbench.E003"]
