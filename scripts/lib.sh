# Sourced by the other scripts: where we are, what the machine has, and how to say so.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
export PATH="$HOME/.cargo/bin:$PATH"

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# The prefix that makes a command run as root; fails where there is none without a question.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1; fi
}

# apt_install PACKAGE...: installs what is missing, or says in one line what to install.
apt_install() {
  [ $# -gt 0 ] || return 0
  if have apt-get && as_root true; then
    say "installing $*"
    [ -n "${APT_UPDATED:-}" ] || { as_root apt-get update -qq >&2; APT_UPDATED=1; }
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
  else
    say "please install: $* (Debian's names; we install them ourselves on Debian or Ubuntu as root)"
    return 1
  fi
}

# Whether a Docker Engine answers at DOCKER_HOST or the usual socket.
engine_answers() {
  case "${DOCAICHE_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}" in
    unix://*)
      local socket=${DOCAICHE_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}
      [ "$(curl -s --max-time 3 --unix-socket "${socket#unix://}" http://localhost/_ping 2>/dev/null)" = OK ] ;;
    *) have docker && docker info >/dev/null 2>&1 ;;
  esac
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails after that many seconds.
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# A port of 127.0.0.1 that nobody listens on.
free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
