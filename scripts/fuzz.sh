#!/usr/bin/env bash
# Coverage-guided fuzzing of what reads other people's bytes (fuzz/src/lib.rs), by libFuzzer on the stable compiler.
# usage: scripts/fuzz.sh [SECONDS] [TARGET...]   so long each, 60 without a number; all without a name
#        scripts/fuzz.sh keep [TARGET...]        takes what was found interesting into fuzz/corpus, as few files as cover the same
# What breaks a promise lies in target/fuzz/found: run `FUZZ_TARGET=NAME target/fuzz/run FILE`, mend, and put it into fuzz/corpus/NAME.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
work=target/fuzz
longest=2048 # bytes an input may have: what is longer explores nothing new and fills the repository
seconds=60
case ${1:-} in
  keep | [0-9]*) seconds=$1; shift ;;
esac
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls fuzz/corpus)

build() {
  local flags="-Cpasses=sancov-module -Ccodegen-units=1 --cfg fuzzing" pass host
  for pass in level=4 inline-8bit-counters pc-table trace-compares; do flags+=" -Cllvm-args=-sanitizer-coverage-$pass"; done
  host=$(rustc -vV | sed -n 's/^host: //p')
  # A target named, or cargo would give the flags to build scripts too. No sanitizer: the code is safe Rust, and this way stable compiles it.
  RUSTFLAGS=$flags cargo build --quiet --locked --package fuzz --bin fuzz --features libfuzzer --profile fuzz --target "$host" --target-dir "$work"
  # One that still runs keeps its own.
  cp --remove-destination "$work/$host/fuzz/fuzz" "$work/run"
}

build
failed=()
for target in "${targets[@]}"; do
  kept=fuzz/corpus/$target seen=$work/seen/$target
  [ -d "$kept" ] || { say "there is no target $target: $(ls fuzz/corpus | xargs)"; exit 2; }
  mkdir -p "$seen" "$work/found"
  export FUZZ_TARGET=$target
  if [ "$seconds" = keep ]; then
    rm -rf "$work/least"
    mkdir "$work/least"
    "$work/run" -set_cover_merge=1 -use_counters=0 -max_len=$longest "$work/least" "$kept" "$seen" >"$work/$target.log" 2>&1 || { tail -20 "$work/$target.log" >&2; exit 1; }
    # What broke a promise once stays under its name.
    find "$kept" -type f ! -name "found-*" -delete
    cp "$work/least"/* "$kept"
    say "$target: kept $(ls "$kept" | wc -l) files"
    continue
  fi
  say "$target for $seconds s"
  if "$work/run" -max_total_time="$seconds" -max_len=$longest -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/found/$target-" "$seen" "$kept" >"$work/$target.log" 2>&1; then
    say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") inputs, $(ls "$seen" | wc -l) new ones"
  else
    grep -aE 'panicked|assert|ERROR|ALARM|Test unit' -A4 "$work/$target.log" | tail -20 >&2
    failed+=("$target")
  fi
done
[ ${#failed[@]} = 0 ] || { say "failed: ${failed[*]} (inputs in $work/found)"; exit 1; }
