"""The check of licences."""

from __future__ import annotations

import json

import pytest

from scripts.check_licences import check_npm, judge, read_locked_names


@pytest.mark.parametrize(
    "statement",
    [
        "MIT",
        "BSD-3-Clause AND 0BSD",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "MIT OR GPL-2.0-only",
    ],
)
def test_good_licences(statement):
    assert judge("thing", [statement]) is None


@pytest.mark.parametrize(
    "statement",
    [
        "GPL-3.0-or-later",
        "AGPL-3.0-only",
        "GNU General Public License v3 (GPLv3)",
        "GNU Affero General Public License v3",
        "GPL",
        "LGPL-3.0-only",
    ],
)
def test_licences_that_are_refused(statement):
    problem = judge("thing", [statement])
    assert problem is not None
    assert statement in problem


def test_drivers_may_be_under_the_lgpl():
    assert judge("psycopg2-binary", ["GNU Library or Lesser General Public License (LGPL)"]) is None


def test_no_licence_is_a_problem():
    assert judge("thing", []) == "thing states no licence"


def test_names_in_a_lock(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text(
        'Some_Thing==1.0 ; python_version < "3.12" \\\n    --hash=sha256:00\nother==2\n'
    )
    assert read_locked_names(lock) == ["other", "some-thing"]


def test_npm_packages(tmp_path):
    lock = tmp_path / "package-lock.json"
    packages = {
        "": {"license": "Apache-2.0"},
        "node_modules/good": {"license": "MIT"},
        "node_modules/good/node_modules/bad": {"license": "GPL-3.0"},
        "node_modules/silent": {},
    }
    lock.write_text(json.dumps({"packages": packages}))
    assert check_npm(lock) == (3, ["bad is under GPL-3.0", "silent states no licence"])
