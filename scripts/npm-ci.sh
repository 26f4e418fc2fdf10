#!/bin/sh
# Installs the packages of DIR/package-lock.json, unless the ones installed are of that very file.
# usage: scripts/npm-ci.sh DIR
set -eu
cd "$(dirname "$0")/../$1"
stamp=node_modules/.docaiche-lock
if cmp -s package-lock.json "$stamp"; then exit 0; fi
# No install scripts: none of our packages needs one, and Playwright's would download a browser we do not use.
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
cp package-lock.json "$stamp"
