"""A worker under attack: `python -m tests.modeljobs.sandbox.worker [--plain] [--nobody FOLDER]`.

Runs every attack in a session of its own, and good code after each, and prints what came of it as
one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Iterable
from typing import Any

from modeljobs.sandbox.base import CodeLimits, SandboxError, Session
from modeljobs.sandbox.isolated import IsolatedSandbox
from tests.modeljobs.sandbox.attacks import ENDLESS, OF_X86_64, QUICK, Attack
from tests.modeljobs.sandbox.identities import become_nobody

CANNOT_LEAVE_ROOT = 77
SECRET = "SANDBOX_TEST_SECRET"
GOOD = "print(6 * 7)"
# On a machine that is busy with other things, only these two differ for good.
PATIENT_S, HASTY_S = 60.0, 0.4


async def run(session: Session, code: str) -> tuple[str, str]:
    """How a block ended, in one word, and what it said."""
    try:
        result = await session.run(code)
    except SandboxError as error:
        return error.code, error.message
    return str(result.status), result.output


async def attack(sandbox: IsolatedSandbox, patient: IsolatedSandbox, one: Attack) -> dict[str, Any]:
    """What came of an attack, and of good code after it.

    That runs in the same session; where that one is spoilt or in a hurry, in a patient new one.
    """
    session = await sandbox.open_session()
    end, says = await run(session, one.code)
    if one.spoils or sandbox is not patient:
        await session.aclose()
        session = await patient.open_session()
    good = await run(session, GOOD)
    await session.aclose()
    return {"end": end, "says": says, "good": good}


async def attack_all(
    sandbox: IsolatedSandbox, patient: IsolatedSandbox, attacks: Iterable[Attack]
) -> dict[str, Any]:
    outcomes = {}
    for one in attacks:
        outcomes[one.name] = await attack(sandbox, patient, one)
    return outcomes


async def main(*, is_plain: bool) -> dict[str, Any]:
    """Everything, under the layers that there are; `is_plain` does without namespaces."""
    patient = IsolatedSandbox(
        CodeLimits(wall_s=PATIENT_S, cpu_s=PATIENT_S, memory_mib=128, output_chars=2000),
        namespaces=not is_plain,
        packages=("numpy",),
    )
    hasty = IsolatedSandbox(
        CodeLimits(wall_s=HASTY_S, cpu_s=HASTY_S, memory_mib=128, output_chars=2000),
        packages=(),
    )
    is_known = platform.machine() == "x86_64"
    quick = [one for one in QUICK if is_known or one.name not in OF_X86_64]
    try:
        outcomes = await attack_all(patient, patient, quick)
        runner = patient.runner_pid
        # What ends them is the same clock with namespaces and without.
        if not is_plain:
            outcomes |= await attack_all(hasty, patient, ENDLESS)
        return {
            "uid": os.getuid(),
            "layers": patient.layers,
            "outcomes": outcomes,
            "is_same_runner": runner == patient.runner_pid,
        }
    finally:
        await patient.aclose()
        await hasty.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--nobody", metavar="FOLDER")
    options = parser.parse_args()
    if options.nobody:
        try:
            become_nobody(options.nobody)
        except OSError as error:
            print(f"Root cannot become an ordinary user here: {error}.", file=sys.stderr)
            sys.exit(CANNOT_LEAVE_ROOT)
    os.environ[SECRET] = "secret"
    print(json.dumps(asyncio.run(main(is_plain=options.plain))))
