#!/usr/bin/env bash
# Builds the last stage of the Dockerfile around a static binary that is already there. Needs no registry: a stage `build` made of that
# binary takes the place of the one that compiles. (A builder without BuildKit would run every earlier stage, even if not used.)
# usage: scripts/image.sh TAG [BINARY]
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
tag=${1:?usage: scripts/image.sh TAG [BINARY]}
binary=${2:-target/release/docaiche}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/out/data"
cp "$binary" "$context/out/docaiche"
{
  printf 'FROM scratch AS build\nLABEL docaiche.stage=build\nCOPY out /out\n'
  sed -n '/^FROM scratch AS console$/,$p' Dockerfile
} >"$context/Dockerfile"
# The classic builder warns of its own age: heard only when something fails.
DOCKER_BUILDKIT=0 docker build --quiet --tag "$tag" "$context" 2>"$context.err" || { cat "$context.err" >&2; rm -f "$context.err"; exit 1; }
rm -f "$context.err"
# The first stage is of no use any more, nor is the image that had this tag before.
docker image prune --force --filter label=docaiche.stage >/dev/null
