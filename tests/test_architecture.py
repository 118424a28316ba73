"""Who may import whom: the rules of docs/architecture.md, checked against the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("labeling", "modeljobs")

# Modules and packages that must run on a laptop with no database, broker or GPU.
PURE = (
    "labeling/records.py",
    "labeling/content.py",
    "labeling/states.py",
    "labeling/queueing.py",
    "labeling/blinding.py",
    "labeling/comment_rules.py",
    "labeling/guidance_texts.py",
    "labeling/preferences.py",
    "labeling/ruling_examples.py",
    "labeling/training_rules.py",
    "labeling/alignment",
    "labeling/mathtext.py",
    "labeling/formats",
    "labeling/metrics",
    "labeling/taxonomies",
    "modeljobs/costs.py",
    "modeljobs/engines",
    "modeljobs/evaluation",
    "modeljobs/given.py",
    "modeljobs/methods",
    "modeljobs/sandbox",
    "modeljobs/tiny",
    "workbench/databases.py",
    "workbench/datafolder.py",
    "workbench/env.py",
    "workbench/errors.py",
    "workbench/logs.py",
    "workbench/supervisor.py",
)
BLOCKED = ("celery", "django", "kombu", "rest_framework", "torch", "transformers", "vllm")

# Thin: they validate, call one service or selector, and answer.
DOORS = ("admin", "api", "management", "tasks", "web")

IMPORT_WITHOUT = """
import importlib, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"a PURE module imports {{name}}")

sys.meta_path.insert(0, Blocker())
failed = False
for name in {names!r}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed = True
        print(f"{{name}}: {{error}}")
sys.exit(failed)
"""


def find_modules(path: Path) -> list[Path]:
    """The Python files of a module or package; none where it does not exist."""
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def build_name(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def find_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def find_door(name: str) -> str | None:
    """Which kind of door a dotted name belongs to ("web"), or None.

    Pages of both apps are one door: those of modeljobs may use what labeling's pages use.
    """
    app, _, rest = name.partition(".")
    door = rest.partition(".")[0]
    return door if app in APPS and door in DOORS else None


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("place", [place for place in PURE if (ROOT / place).exists()])
def test_pure_modules_import_without_frameworks(place):
    names = [build_name(path) for path in find_modules(ROOT / place)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT.format(blocked=BLOCKED, names=names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_blocker_blocks():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT.format(blocked=BLOCKED, names=["workbench.celery"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "imports celery" in done.stdout


def test_pure_modules_import_only_pure_modules_of_the_project():
    pure = tuple(place.removesuffix(".py").replace("/", ".") for place in PURE)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for place in PURE
        for path in find_modules(ROOT / place)
        for line, name in find_imports(path)
        if name.partition(".")[0] in (*APPS, "workbench")
        # `from labeling import records` names the package first, then the module.
        if name not in (*APPS, "workbench") and not any(is_within(name, place) for place in pure)
    ]
    assert wrong == []


def test_labeling_knows_nothing_of_modeljobs():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in find_modules(ROOT / "labeling")
        for line, name in find_imports(path)
        if is_within(name, "modeljobs")
    ]
    assert wrong == []


def test_doors_do_not_import_each_other():
    wrong = []
    for path in [path for app in APPS for path in find_modules(ROOT / app)]:
        own = find_door(build_name(path))
        if own is None:
            continue
        wrong += [
            f"{path.relative_to(ROOT)}:{line} imports {name}"
            for line, name in find_imports(path)
            if find_door(name) not in (None, own)
        ]
    assert wrong == []


def test_nothing_below_a_door_imports_one():
    wrong = []
    for path in [path for app in APPS for path in find_modules(ROOT / app)]:
        module = build_name(path)
        # Services send tasks; apps.py registers; the web and API doors are for nobody.
        if find_door(module) is not None or module.endswith(".apps"):
            continue
        wrong += [
            f"{path.relative_to(ROOT)}:{line} imports {name}"
            for line, name in find_imports(path)
            if find_door(name) not in (None, "tasks")
        ]
    assert wrong == []


def test_selectors_import_no_services():
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for app in APPS
        for place in ("selectors", "selectors.py")
        for path in find_modules(ROOT / app / place)
        for line, name in find_imports(path)
        if any(is_within(name, f"{other}.services") for other in APPS)
    ]
    assert wrong == []


def test_the_project_package_imports_nothing():
    # PURE modules import workbench.errors, and with it this file.
    assert (ROOT / "workbench" / "__init__.py").read_text().strip() == ""
