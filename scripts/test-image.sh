#!/usr/bin/env bash
# Builds the image's last stage around target/release/docaiche and runs it as the documentation says to: as nobody, on a read-only root,
# with the engine's socket by group. It must become healthy, see the engine, and serve the login page.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
name=docaiche-image-test
engine_answers || { say "no Docker Engine answers"; exit 1; }
if ldd target/release/docaiche 2>/dev/null | grep -q "=>"; then say "target/release/docaiche is not static: it cannot run FROM scratch"; exit 1; fi
scripts/image.sh docaiche:test >/dev/null

cleanup() { docker rm --force --volumes $name >/dev/null 2>&1 || true; }
cleanup
trap cleanup EXIT
socket=/var/run/docker.sock
docker run --detach --name $name --read-only --cap-drop ALL --security-opt no-new-privileges --user 65532:65532 \
  --group-add "$(stat -Lc %g $socket)" --volume $socket:$socket --publish 127.0.0.1::4080 --health-interval 1s \
  --env DOCAICHE_ADMIN_PASSWORD=correct-horse-battery docaiche:test >/dev/null
port=$(docker port $name 4080/tcp | head -1 | sed 's/.*://')

health() { docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' $name; }
is_healthy() { [ "$(health)" = "running healthy" ]; }
if ! wait_for 30 is_healthy; then
  say "not healthy after 30 s: $(health)"
  docker logs --tail 40 $name >&2
  docker inspect --format '{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}' $name >&2
  exit 1
fi
status=$(curl -sS -o /dev/null -w '%{http_code}' --max-time 5 "http://127.0.0.1:$port/login")
[ "$status" = 200 ] || { say "GET /login answered $status"; docker logs --tail 40 $name >&2; exit 1; }
say "healthy; $(docker image inspect --format '{{.Size}}' docaiche:test | awk '{printf "%.1f MB", $1 / 1e6}')"
