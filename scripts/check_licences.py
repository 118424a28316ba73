"""Check that nothing we ship or need at run time is under the GPL or the AGPL.

Looks at the packages of requirements/postgres.txt (the runtime lock and the database driver) as
they are installed, and at package-lock.json. The LGPL is fine for database drivers alone. A
package that states no licence at all is a problem too.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "postgres.txt"
DRIVERS = frozenset({"psycopg", "psycopg-binary", "psycopg2-binary"})
# As SPDX names, as classifiers and as people write them.
STRONG = re.compile(r"\bA?GPL|(GNU )?(Affero )?General Public License", re.IGNORECASE)
WEAK = re.compile(r"\bLGPL|Lesser General Public|Library General Public", re.IGNORECASE)


def normalize_name(name: str) -> str:
    """A package's name as locks write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_locked_names(lock: Path) -> list[str]:
    """The packages that a lock names, whatever platform they are for."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", lock.read_text(encoding="utf-8"), re.M)
    return sorted({normalize_name(name) for name in found})


def find_statements(package: metadata.PackageMetadata) -> list[str]:
    """What a package says about its licence: the expression, the classifiers, the old field."""
    if "License-Expression" in package:
        return [package["License-Expression"]]
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in package.get_all("Classifier") or []
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    # The old field may hold the whole text, whose first line names it.
    text = package["License"].strip() if "License" in package else ""
    return classifiers or ([text.splitlines()[0]] if text else [])


def judge(name: str, statements: list[str]) -> str | None:
    """Why a package may not be used, or None."""
    if not statements or statements == ["UNKNOWN"]:
        return f"{name} states no licence"
    for statement in statements:
        # A choice counts as its best part: "MIT OR GPL-2.0" is MIT.
        choices = re.split(r"\bOR\b", statement)
        if all(STRONG.search(WEAK.sub("", choice)) for choice in choices):
            return f"{name} is under {statement}"
        if name not in DRIVERS and all(WEAK.search(choice) for choice in choices):
            return f"{name} is under {statement}, which only database drivers may be"
    return None


def check_python(lock: Path) -> tuple[int, list[str]]:
    """How many installed packages were looked at, and what is wrong with them."""
    problems, count = [], 0
    for name in read_locked_names(lock):
        try:
            package = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            # Locked for another platform or another Python.
            continue
        count += 1
        problem = judge(name, find_statements(package))
        if problem:
            problems.append(problem)
    return count, problems


def check_npm(lock: Path) -> tuple[int, list[str]]:
    """The same for what npm installs."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    found = {path.rpartition("node_modules/")[2]: entry for path, entry in packages.items() if path}
    judged = [
        judge(name, [entry["license"]] if entry.get("license") else [])
        for name, entry in found.items()
    ]
    return len(found), [problem for problem in judged if problem]


def main() -> int:
    """Print what is wrong; the exit status says whether anything is."""
    python_count, problems = check_python(LOCK)
    npm_count, npm_problems = check_npm(ROOT / "package-lock.json")
    problems += npm_problems
    for problem in problems:
        print(problem)
    print(
        f"Licences of {python_count} Python and {npm_count} npm packages: "
        f"{len(problems) or 'no'} problems."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
