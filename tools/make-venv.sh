#!/usr/bin/env bash
# Make a virtual environment, or say exactly what is missing.
set -euo pipefail
python=$1
venv=$2
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Python 3.11 or newer is needed; found ${python:-none}. Install it, or name one: make PYTHON=/path/to/python3.12" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  # Debian keeps venv apart from Python
  package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  else
    echo "Python's venv is missing: sudo apt-get install $package" >&2
    exit 1
  fi
fi
"$python" -m venv "$venv"
