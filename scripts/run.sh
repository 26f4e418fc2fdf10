#!/usr/bin/env bash
# Installs what is missing, builds, and serves http://localhost:4080. DOCAICHE_* variables are the console's configuration.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
scripts/setup.sh
scripts/dockerd.sh
cargo xtask build
exec target/release/docaiche serve
