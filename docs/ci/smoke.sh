#!/usr/bin/env bash
# A smoke job for any CI: installs chaosrun unless it is there, runs what is named, and ends with its exit code.
#
#   docs/ci/smoke.sh experiments/server-restart.yaml
#   CHAOSRUN=path/or/requirement REPORTS=there docs/ci/smoke.sh my-experiments/ --skip no-profile
set -euo pipefail

# What pip installs chaosrun from and into, and where its runs are kept.
: "${CHAOSRUN:=.}" "${VENV:=.venv-chaosrun}" "${REPORTS:=reports}"

if ! command -v chaosrun >/dev/null; then
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check "$CHAOSRUN"
  PATH="$(realpath "$VENV")/bin:$PATH"
fi

code=0
chaosrun run "$@" --profile smoke --no-live --report-dir "$REPORTS" || code=$?
case $code in
  0) echo "The service came back as it should." ;;
  1) echo "A criterion did not hold: see $REPORTS." ;;
  3) echo "Nothing was proved: the service was not steady, or this machine was too busy to measure it." ;;
  5) echo "THE SYSTEM IS NOT AS IT WAS FOUND: chaosrun recover, and the lines above, say what is to be done." ;;
  *) echo "There is no verdict: docs/exit-codes.md says what $code means." ;;
esac >&2
exit "$code"
