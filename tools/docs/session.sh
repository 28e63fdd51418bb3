#!/usr/bin/env bash
# Runs one shell block where the last one left off: session.sh BLOCK STATE. The folder and the exported
# variables go on from block to block.
set -euo pipefail
block=$1 state=$2
if [ -f "$state" ]; then . "$state"; fi
trap 'status=$?; { echo "cd $(printf %q "$PWD")"; export -p; } > "$state"; exit $status' EXIT
. "$block"
