#!/usr/bin/env bash
# Installs what is missing to build and run the console; with the word `test`, also what its tests need.
# Everything there: under two seconds. DOCKER=no leaves the Docker Engine alone.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
for_tests=${1:-}

packages=()
missing() { have "$1" || packages+=("${@:2}"); }
missing cc gcc libc6-dev
missing curl curl ca-certificates
missing node nodejs
missing npm npm
if [ "$(uname -s)" = Linux ]; then missing musl-gcc musl-tools; fi
if [ "$for_tests" = test ]; then
  have chromium || [ -x /usr/bin/chromium ] || packages+=(chromium)
  missing python3 python3
  [ -x target/venv/bin/schemathesis ] || python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb || packages+=(postgresql)
  have busybox && busybox true || packages+=(busybox-static)
  missing openssl openssl
  missing ssh openssh-client
  # A real client of Loki's API (end2end/soak/clients.ts); 3 MB.
  have syslog-ng || [ -d /run/systemd/system ] || packages+=(syslog-ng-core syslog-ng-mod-http)
  # sshd lies where a plain user does not look for programs. Installed beside systemd it would open this machine to the network.
  if [ ! -x /usr/sbin/sshd ]; then
    if [ -d /run/systemd/system ]; then say "no sshd here (openssh-server): the tests of Docker over ssh are left out"
    else packages+=(openssh-server); fi
  fi
fi
# The console runs without any of the optional ones: say what is missing and go on; what cannot do without fails by its own name.
apt_install "${packages[@]}" || [ "$for_tests" != test ]

if ! have cargo; then
  say "installing Rust (rustup, stable)"
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --component clippy,rustfmt --default-toolchain stable >&2
fi
sysroot=$(rustc --print sysroot)
targets=()
want_target() { [ -d "$sysroot/lib/rustlib/$1/lib" ] || targets+=("$1"); }
want_target wasm32-unknown-unknown
case "$(uname -sm)" in "Linux x86_64" | "Linux aarch64") want_target "$(uname -m)-unknown-linux-musl" ;; esac
if [ ${#targets[@]} -gt 0 ]; then
  have rustup || { say "please add the Rust targets ${targets[*]} (no rustup here)"; exit 1; }
  rustup target add "${targets[@]}" >&2
fi

sh scripts/npm-ci.sh .
if [ "$for_tests" = test ]; then
  sh scripts/npm-ci.sh end2end
  if ! cmp -s scripts/requirements.txt target/venv/.requirements; then
    mkdir -p target
    python3 -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check --requirement scripts/requirements.txt >&2
    cp scripts/requirements.txt target/venv/.requirements
  fi
fi
