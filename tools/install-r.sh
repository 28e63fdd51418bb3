#!/usr/bin/env bash
# Make sure that R and the given Debian packages are there: installed when root, named otherwise.
set -euo pipefail
missing=()
if command -v dpkg-query >/dev/null; then
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
elif ! command -v Rscript >/dev/null; then
  missing=("$@")
fi
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi
echo "For all tests: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
[ "${LUCAS_FORCE_TESTS:-}" = true ] && exit 1
exit 0
