#!/bin/sh
# Builds the R source package, with the matching wheel of the Python core inside, in a copy of the
# tree (R CMD build would copy a .venv of gigabytes first). Run from the repository's root:
#   tools/dist.sh [folder]           default: dist
# PYTHON names the Python that makes the wheel (default: python3; needs pip and setuptools >= 77);
# PYTHON=none leaves the wheel out. Further arguments go to R CMD build (--no-build-vignettes).
set -e
out=${1:-dist}
[ $# -eq 0 ] || shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
package="$stage/lucashabitat"
mkdir "$package" "$package/tests"
cp -R DESCRIPTION NAMESPACE .Rbuildignore R man inst vignettes "$package"
cp -R tests/testthat tests/testthat.R tests/cases "$package/tests"
[ ! -f NEWS.md ] || cp NEWS.md "$package"
rm -rf "$package/inst/wheel"
if [ "${PYTHON:=python3}" != none ]; then
  mkdir "$stage/core"
  cp -R pyproject.toml README.md LICENSE python "$stage/core"
  rm -rf "$stage"/core/python/*.egg-info
  "$PYTHON" -m pip wheel --quiet --no-deps --no-build-isolation --disable-pip-version-check \
    --wheel-dir "$package/inst/wheel" "$stage/core"
fi
cd "$out"
R CMD build "$@" "$package"
