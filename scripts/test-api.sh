#!/usr/bin/env bash
# Throws generated requests at every operation of the OpenAPI document: no 5xx, no status, type or body that the document does not name.
# EXAMPLES: requests per operation and phase (default 25; `make soak` takes more).
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d)
port=$(free_port)
url=http://localhost:$port
password=correct-horse-battery
mkdir "$dir/logs"
env -u DOCAICHE_PUBLIC_URL DOCAICHE_ADMIN_PASSWORD=$password target/release/docaiche serve \
  --listen "127.0.0.1:$port" --data-dir "$dir/data" --log-dir "$dir/logs" >"$dir/out" 2>&1 &
console=$!
trap 'kill $console 2>/dev/null; wait $console 2>/dev/null; rm -rf "$dir"' EXIT
printf '{"level":"info","msg":"started"}\nplain words\n' >"$dir/logs/sample.log"
wait_for 30 curl -sf -o /dev/null "$url/readyz" || { say "the console did not become ready"; tail -20 "$dir/out" >&2; exit 1; }

sign_in() {
  curl -sS -f -o /dev/null -c "$dir/cookies" -H 'Content-Type: application/json' \
    -d "{\"username\":\"admin\",\"password\":\"$password\"}" "$url/api/v1/auth/login"
  awk '$6 == "docaiche_session" {print $7}' "$dir/cookies"
}
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
# lane WORDS [options...]
# It leaves a folder of its own where it runs. One worker: in threads Python 3.11 now and then fails to parse its own source.
lane() {
  say "$1"
  shift
  (cd "$dir" && "$ROOT/target/venv/bin/schemathesis" run "$dir/openapi.json" --url "$url" --checks "$checks" --phases examples,coverage,fuzzing \
    --workers 1 --request-timeout 10 --generation-database none --no-color "$@")
}
failed=0
cookie=$(sign_in)
as_admin=(-H "Cookie: docaiche_session=$cookie")
curl -sSf "${as_admin[@]}" "$url/api/openapi.json" >"$dir/openapi.json"
# What one door answers is sent to the next (names of accounts, ids of sessions), so these would end the lane's own session.
ending='/(logout|login)$|/password|/sessions/|/users/'
lane "signed in" "${as_admin[@]}" --max-examples "${EXAMPLES:-25}" --exclude-path-regex "$ending" || failed=1
status=$(curl -s -o /dev/null -w '%{http_code}' "${as_admin[@]}" "$url/api/v1/auth/me")
[ "$status" = 200 ] || { say "the session ended under way (me: $status): the lane did not test what it says"; failed=1; }
lane "signed in, as long as it lasts" "${as_admin[@]}" --max-examples 5 --include-path-regex "$ending" || failed=1
lane "anonymous" --max-examples 5 || failed=1
if grep -q 'panicked at' "$dir/out"; then grep -A2 'panicked at' "$dir/out" >&2; failed=1; fi
kill -0 $console 2>/dev/null || { say "the console ended"; tail -20 "$dir/out" >&2; failed=1; }
exit $failed
