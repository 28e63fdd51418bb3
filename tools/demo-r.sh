#!/usr/bin/env bash
# Install the R package into a folder of its own and run the demo from R.
set -euo pipefail
library=$(mktemp -d)
trap 'rm -rf "$library"' EXIT
Rscript tools/dist.R "$library" --only r --no-build-vignettes >/dev/null
R CMD INSTALL --no-docs --library="$library" "$library"/lucashabitat_*.tar.gz >/dev/null 2>&1
R_LIBS="$library" Rscript r-wrapper/demo.R "$@"
