"""`.env.example` documents exactly the settings that the code reads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"env_(?:text|bool|int|float|list|secret)\(\s*\"([A-Z_]+)\"")
DOCUMENTED = re.compile(r"^# ([A-Z][A-Z0-9_]+)=", re.MULTILINE)
# Read by docker-compose.yml.
NOT_READ_BY_CODE = {"POSTGRES_PASSWORD", "VLLM_MODEL", "WORKBENCH_WORKER_QUEUES"}
# Named by whoever runs a model server.
PATTERNS = ("WORKBENCH_ENGINE_",)
# Another name for a setting; what `serve` tells its children.
NOT_DOCUMENTED = {"DATABASE_URL", "WORKBENCH_GATE"}


def find_read():
    """The variables that the code reads by the readers of workbench.env."""
    return {
        name
        for package in ("workbench", "labeling", "modeljobs")
        for path in (ROOT / package).rglob("*.py")
        for name in READ.findall(path.read_text(encoding="utf-8"))
    }


def find_documented():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return {name for name in DOCUMENTED.findall(text) if not name.startswith(PATTERNS)}


def test_every_setting_is_documented():
    read = {name for name in find_read() if not name.startswith(PATTERNS)}
    assert read - find_documented() - NOT_DOCUMENTED == set()


def test_every_documented_setting_is_read():
    assert find_documented() - find_read() - NOT_READ_BY_CODE == set()
