#!/usr/bin/env bash
# R CMD check, with every warning and note an error. The tests ran before; examples run here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
Rscript tools/dist.R "$folder" --only r
cd "$folder"
# Suggested packages that are not here are not needed, and no index is asked for anything.
export _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_CRAN_INCOMING_=false _R_CHECK_SYSTEM_CLOCK_=false
R CMD check --no-manual --no-tests lucashabitat_*.tar.gz | tee check.log
grep -q '^Status: OK' check.log
