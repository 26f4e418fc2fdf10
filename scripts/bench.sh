#!/usr/bin/env bash
# Every published figure: runs each bench, prints one table, and adds it to bench/RESULTS.md with date and machine.
# usage: scripts/bench.sh [--short] [BENCH...]   (--short, or only some of them: prints the table, leaves RESULTS.md alone)
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
all=(firstvisit idle latency viewers flood scrollback engine)
short=() chosen=()
for word in "$@"; do
  case "$word" in
    --short) short=(--short) ;;
    *) [ -f "bench/$word.ts" ] && [ "$word" != world ] || { say "there is no bench $word; there are: ${all[*]}"; exit 2; }
       chosen+=("$word") ;;
  esac
done
# SETUP=no: the binary is there and is meant to be measured as it is.
if [ "${SETUP:-yes}" != no ]; then
  scripts/setup.sh test
  scripts/dockerd.sh
  cargo xtask build
fi
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
missed=()
load=$(cut -d' ' -f1 /proc/loadavg)
for bench in "${chosen[@]:-${all[@]}}"; do
  printf '\n== %s\n' "$bench"
  BENCH_FIGURES=$figures timeout 900 node end2end/soak/kit/ts.cjs "bench/$bench.ts" "${short[@]}" || missed+=("$bench")
done

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit+=" with changes"
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
memory=$(awk '/MemTotal/ {printf "%.0f GB", $2 / 1e6}' /proc/meminfo)
system=$(. /etc/os-release && echo "$PRETTY_NAME")
docker=$(docker version --format '{{.Server.Version}}' 2>/dev/null || echo none)
heading="$(date -u '+%Y-%m-%d %H:%M') UTC, commit $commit: $(nproc) cores ${cpu:-unknown}, $memory, $system, Linux $(uname -r), Docker $docker, load $load before"
printf '\n%s\n' "$heading"
if [ ${#short[@]} = 0 ] && [ ${#chosen[@]} = 0 ]; then
  node bench/table.mjs "$figures" bench/RESULTS.md "$heading"
else
  node bench/table.mjs "$figures"
fi
[ ${#missed[@]} = 0 ] || { say "missed or failed: ${missed[*]}"; exit 1; }
