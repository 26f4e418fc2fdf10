#!/usr/bin/env bash
# Everything deterministic and a short form of the rest, each step timed. A failing step does not stop those that do not need it.
# usage: scripts/test.sh [STEP...]   (only these; the names are in the table it prints)
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
logs=target/test-logs
mkdir -p "$logs"
only=" $* "
table=() failed=() passed=0

# step NAME COMMAND...: runs it, shows and keeps its output, remembers how it went.
step() {
  local name=$1 began=$SECONDS result=ok
  shift
  wanted "$name" || return 0
  printf '\n== %s: %s\n' "$name" "$*"
  # Not in a condition, or bash would ignore the errors inside a function.
  set +e
  (set -e; "$@") 2>&1 | tee "$logs/$name.log"
  [ "${PIPESTATUS[0]}" = 0 ] || result=FAILED
  set -e
  if [ $result = ok ]; then passed=$((passed + 1)); else failed+=("$name"); fi
  table+=("$(printf '%-10s %-7s %5d s' "$name" "$result" $((SECONDS - began)))")
}
wanted() { [ "$only" = "  " ] || [[ "$only" == *" $1 "* ]]; }
ok() { [[ " ${failed[*]:-} " != *" $1 "* ]]; }
# needs STEP NAME COMMAND...: a step that makes no sense when an earlier one failed.
needs() {
  local before=$1
  shift
  wanted "$1" || return 0
  if ok "$before"; then step "$@"; else failed+=("$1"); table+=("$(printf '%-10s %-7s (needs %s)' "$1" "not run" "$before")"); fi
}

setup() { scripts/setup.sh test; scripts/dockerd.sh; }
unit() {
  local dir=
  if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb; then
    dir=$(mktemp -d /tmp/docaiche-postgres.XXXXXX)
    # shellcheck disable=SC2064
    trap "scripts/postgres.sh stop $dir" EXIT
    DOCAICHE_TEST_POSTGRES=$(scripts/postgres.sh start "$dir")
    export DOCAICHE_TEST_POSTGRES
  fi
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --exclude frontend
    cargo test --quiet --workspace --exclude frontend --doc
  else
    cargo test --workspace --exclude frontend
  fi
}
docs() { RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps --document-private-items --workspace --exclude frontend; }
browser() {
  scripts/demo.sh image
  cd end2end
  npx --no-install tsc --noEmit
  npx --no-install tsc --noEmit -p ../bench
  npx --no-install playwright test
}

step setup setup
step fmt cargo fmt --all --check
# Two lanes: in one invocation `app`'s features for the server and for the browser would unify.
step clippy cargo clippy --workspace --exclude frontend --all-targets -- -D warnings
step clippy-web cargo clippy --package frontend --target wasm32-unknown-unknown -- -D warnings
step unit unit
step docs docs
step build cargo xtask build
needs build image scripts/test-image.sh
needs build browser browser
needs build api scripts/test-api.sh
needs build faults scripts/soak.sh --short

printf '\n%s\n' "step       result   time"
printf '%s\n' "${table[@]}"
if [ ${#failed[@]} -gt 0 ]; then printf 'failed: %s (output in %s)\n' "${failed[*]}" "$logs"; fi
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} = 0 ]
