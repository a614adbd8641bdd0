#!/bin/sh
# Removes the files of set-up and local stack: packages, data, secrets, caches. Refuses while the stack runs.
set -eu
cd "$(dirname "$0")/.."
if [ -e .run/lock ] && command -v flock >/dev/null && ! flock --nonblock .run/lock true; then
    echo "clean: the stack is running (process $(cat .run/lock)); stop it first." >&2
    exit 1
fi
if [ -L .run/servers ]; then
    outside=$(readlink .run/servers)
    rm -rf "$outside"
    rmdir "$(dirname "$outside")" 2>/dev/null || true # Not empty: another checkout has its data there.
fi
rm -rf .venv .run node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
