#!/bin/sh
# Removes what set-up and the local stack made: packages, data, secrets, caches. Not while the stack runs.
set -eu
cd "$(dirname "$0")/.."
if [ -e .run/lock ] && command -v flock >/dev/null && ! flock --nonblock .run/lock true; then
    echo "clean: the stack is running (process $(cat .run/lock)); stop it first." >&2
    exit 1
fi
if [ -L .run/servers ]; then
    outside=$(readlink .run/servers)
    rm -rf "$outside"
    rmdir "$(dirname "$outside")" 2>/dev/null || true # Other checkouts may have theirs there.
fi
rm -rf .venv .run node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
