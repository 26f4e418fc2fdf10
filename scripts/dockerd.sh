#!/usr/bin/env bash
# Sees to it that a Docker Engine answers, where that is ours to see to: on Debian or Ubuntu as root it installs and starts one.
# Elsewhere it says in one line how. Never fails: the console works with files until an engine appears.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
log=/var/log/dockerd-docaiche.log

[ "${DOCKER:-yes}" != no ] || exit 0
if engine_answers; then exit 0; fi
if [ -n "${DOCAICHE_DOCKER_HOST:-${DOCKER_HOST:-}}" ]; then
  say "no Docker Engine answers at ${DOCAICHE_DOCKER_HOST:-$DOCKER_HOST}; the console will connect when one does"
  exit 0
fi
how="no Docker Engine here: install one (https://docs.docker.com/engine/install/) and the console picks it up; DOCKER=no says nothing"
if [ "$(id -u)" != 0 ] || ! have apt-get; then say "$how"; exit 0; fi
have dockerd && have iptables || apt_install docker.io iptables || { say "$how"; exit 0; }
# From Debian 13 on the client is a package of its own.
have docker || apt_install docker-cli || true

if [ -d /run/systemd/system ]; then
  systemctl start docker || true
  wait_for 30 engine_answers || say "docker.service did not start: see journalctl -u docker"
  exit 0
fi
deadline=$((SECONDS + 30))
# Plain first; then without firewall rules and without a bridge, for machines that are containers themselves.
for flags in "" "--iptables=false" "--iptables=false --bridge=none" "--iptables=false --bridge=none --storage-driver=vfs"; do
  # A daemon that was killed leaves its number behind, and the next one takes it for alive.
  if [ -s /var/run/docker.pid ] && ! kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null; then rm -f /var/run/docker.pid; fi
  # shellcheck disable=SC2086
  setsid nohup dockerd $flags </dev/null >>"$log" 2>&1 &
  daemon=$!
  while [ "$SECONDS" -lt "$deadline" ]; do
    if engine_answers; then say "started a Docker Engine (dockerd${flags:+ $flags}, log in $log)"; exit 0; fi
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
  done
done
say "the Docker Engine did not start (see $log); the console will pick it up when it does"
exit 0
