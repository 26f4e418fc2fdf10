#!/usr/bin/env bash
# A throw-away PostgreSQL for the tests: start prints its URL, stop DIR ends it. It keeps nothing and listens on a free local port.
# usage: scripts/postgres.sh start DIR | stop DIR
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
usage="usage: scripts/postgres.sh start DIR | stop DIR"
dir=${2:?$usage}
bin=$(dirname "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1)")
# PostgreSQL refuses to run as root; Debian's package brings a user for it.
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

case "${1:-}" in
  start)
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; fi
    port=$(free_port)
    as_postgres "$bin/initdb" --pgdata="$dir/data" --username=docaiche --auth=trust --no-sync >/dev/null
    as_postgres "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/log" --wait \
      --options="-p $port -k '' -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=200" start >/dev/null
    echo "postgres://docaiche@127.0.0.1:$port/postgres"
    ;;
  stop)
    as_postgres "$bin/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait stop >/dev/null 2>&1 || true
    rm -rf "$dir"
    ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
