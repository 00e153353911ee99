# Shared by the scripts beside it; sourced, not run. Sets `root`, and offers need_packages and build_preset.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc)

packages_build=(g++ cmake ninja-build ccache pkg-config python3 git
  libssl-dev libsqlite3-dev libpq-dev libcurl4-openssl-dev libmicrohttpd-dev libtomlplusplus-dev libpugixml-dev
  libsimdjson-dev libzstd-dev zlib1g-dev libicu-dev libcli11-dev libspdlog-dev prometheus-cpp-dev)
packages_test=(libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev clang-19 libclang-rt-19-dev
  postgresql python3-hl7 python3-aiosmtpd curl jq openssl)

say() { printf '%s\n' "$*" >&2; }

# Installs those of the named packages that are missing. Needs root or sudo only when something is missing.
need_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "missing packages: ${missing[*]}; install them as root, or install sudo"; return 1; }
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  # A test brings its own PostgreSQL and mail server up; the packages must not start theirs.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build_preset PRESET [target…]
build_preset() {
  local preset=$1
  shift
  say "building $preset"
  (cd "$root" && cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"})
}
