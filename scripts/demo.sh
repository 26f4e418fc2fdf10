#!/usr/bin/env bash
# Small talkative containers to look at, made without a registry. The browser tests use the same image.
# usage: scripts/demo.sh [start] | stop | image
# RATE: lines a second of each (default 2). COUNT: lines until it ends (default: for ever).
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
image=docaiche-demo

# A busybox and the scripts of scripts/demo, imported as the only layer; made anew only when one of them changes.
make_image() {
  local busybox made dir
  busybox=$(command -v busybox) || { apt_install busybox-static; busybox=$(command -v busybox); }
  made=$(cat "$busybox" scripts/demo/* scripts/demo.sh | sha256sum | cut -c1-16)
  if [ "$(docker image inspect --format '{{index .Config.Labels "docaiche.demo.made"}}' $image 2>/dev/null)" = "$made" ]; then return; fi
  dir=$(mktemp -d)
  mkdir -p "$dir/bin" "$dir/demo" "$dir/tmp" "$dir/etc"
  cp "$busybox" "$dir/bin/busybox"
  cp scripts/demo/* "$dir/demo/"
  echo 'root:x:0:0:root:/tmp:/bin/sh' >"$dir/etc/passwd"
  for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"
  done
  tar -C "$dir" --owner=0 --group=0 --numeric-owner -c . | docker import \
    --change 'ENV PATH=/bin' --change 'ENTRYPOINT ["/bin/sh", "/demo/run"]' --change 'CMD ["json"]' \
    --change "LABEL docaiche.demo.made=$made" - $image >/dev/null
  rm -rf "$dir"
  docker image prune --force --filter label=docaiche.demo.made >/dev/null
  say "made image $image"
}

# talker NAME SCRIPT [docker run options...]
talker() {
  local name=$1 script=$2
  shift 2
  docker rm -f "$name" >/dev/null 2>&1 || true
  docker run --detach --name "$name" --network none --label docaiche.demo=1 --env RATE="${RATE:-2}" --env COUNT="${COUNT:-0}" \
    --log-opt max-size=5m --log-opt max-file=2 "$@" $image "$script" >/dev/null
  echo "  $name"
}
compose() { printf -- '--label com.docker.compose.project=%s --label com.docker.compose.service=%s' "$1" "$2"; }

# shellcheck disable=SC2046
start() {
  make_image
  echo "talking:"
  talker shop-checkout-1 json $(compose shop checkout)
  talker shop-web-1 nginx $(compose shop web)
  talker shop-web-2 nginx $(compose shop web)
  talker shop-billing-1 java $(compose shop billing)
  talker metrics-agent logfmt --label docaiche.service=agent
  talker colours ansi
  talker worker python
  talker flaky crashy --restart always
  talker console-tty tty --tty
}

stop() {
  local ids
  ids=$(docker ps -aq --filter label=docaiche.demo=1)
  # shellcheck disable=SC2086
  [ -z "$ids" ] || docker rm -f $ids >/dev/null
}

engine_answers || scripts/dockerd.sh
engine_answers || { say "no Docker Engine answers"; exit 1; }
case "${1:-start}" in
  start) start ;;
  stop) stop ;;
  image) make_image ;;
  *) echo "usage: scripts/demo.sh [start] | stop | image" >&2; exit 2 ;;
esac
