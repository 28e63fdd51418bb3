#!/usr/bin/env bash
# Run a command that needs R. Without R it is skipped, unless LUCAS_FORCE_TESTS=true.
set -euo pipefail
if command -v Rscript >/dev/null; then exec "$@"; fi
echo "skipped, there is no R: $*" >&2
[ "${LUCAS_FORCE_TESTS:-}" != true ]
