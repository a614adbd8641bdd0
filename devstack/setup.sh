#!/bin/sh
# Makes .venv and installs the locked packages into it, by hash, once per change of the locks.
# Usage: setup.sh run | setup.sh dev      PYTHON chooses the interpreter.
# Plain sh, because it runs before a supported Python is known.
set -eu
kind=$1
cd "$(dirname "$0")/.."

supports() { # Is $1 a supported interpreter?
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if supports "$PYTHON"; then echo "$PYTHON"; return; fi
        echo "setup: PYTHON=$PYTHON is not Python 3.11 or 3.12." >&2
        exit 1
    fi
    for candidate in python3.12 python3.11 python3 python; do
        if supports "$candidate"; then echo "$candidate"; return; fi
    done
    echo "setup: Python 3.11 or 3.12 is needed and was not found; install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
}

make_environment() {
    python=$(find_python)
    echo "Making .venv with $("$python" --version 2>&1) ..."
    if ! "$python" -m venv --clear .venv; then
        rm -rf .venv
        echo "setup: $python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
}

wanted() { # Prints the content of the stamp of $1 after a complete installation.
    if [ "$1" = dev ]; then cksum <requirements-dev.lock; else cksum <requirements.lock; fi
}

is_installed() {
    [ "$(cat ".venv/.installed-$1" 2>/dev/null)" = "$(wanted "$1")" ]
}

mkdir -p .run
# Two commands must not install into one environment at the same time.
exec 9>.run/setup.lock
if command -v flock >/dev/null; then flock 9; fi

if supports .venv/bin/python; then
    # The environment of the suite contains all packages of the stack.
    if is_installed "$kind" || is_installed dev; then exit 0; fi
fi
if ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! supports .venv/bin/python; then make_environment; fi
if [ "$kind" = dev ]; then file=requirements-dev.lock; else file=requirements.lock; fi
echo "Installing the packages of $file; the first time takes a minute or two ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$file"
wanted "$kind" >".venv/.installed-$kind"
echo "Packages installed."
