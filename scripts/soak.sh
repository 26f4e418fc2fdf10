#!/usr/bin/env bash
# The long form of what `make test` does briefly: floods, kills and faults (end2end/soak, each a file by its name), every property test with
# many more cases, the browser tests at leisure, the coverage-guided fuzzers, and the API fuzzer for hours' worth of requests.
# usage: scripts/soak.sh                  all of it, at full size
#        scripts/soak.sh --short [FAULT...]   the faults only, in about two minutes (`make test`); or some of them
#        scripts/soak.sh FAULT...         some faults at full size
# EXAMPLES, PROPTEST_CASES and FUZZ_SECONDS (for each target) may be given. Faults use a Docker Engine of their own, which needs root.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
faults() {
  if [ "$(id -u)" != 0 ]; then
    say "faults stop and fill a Docker Engine of their own, which needs root: left out"
    return 0
  fi
  node end2end/soak/kit/ts.cjs end2end/soak/run.ts "$@"
}
if [ $# -gt 0 ]; then
  faults "$@"
  exit
fi
scripts/setup.sh test
scripts/dockerd.sh
cargo xtask build
failed=()
faults || failed+=(faults)
PROPTEST_CASES=${PROPTEST_CASES:-20000} cargo test --workspace --exclude frontend || failed+=(properties)
scripts/demo.sh image
(cd end2end && DOCAICHE_SOAK=1 npx --no-install playwright test) || failed+=(browser)
scripts/fuzz.sh "${FUZZ_SECONDS:-1800}" || failed+=(fuzz)
EXAMPLES=${EXAMPLES:-1000} scripts/test-api.sh || failed+=(api)
[ ${#failed[@]} = 0 ] || { say "failed: ${failed[*]}"; exit 1; }
