# Sourced by the scripts beside it: where the checkout is, how they speak, and a PATH that works under sudo and in CI.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export HOME=${HOME:-/root}
# npm knows its own node when sudo's secure_path does not; ip, ethtool and the like live in sbin.
command -v node >/dev/null || PATH=$(dirname "${npm_node_execpath:-/usr/local/bin/node}"):$PATH
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
jobs=$(nproc)

say() { printf 'weft: %s\n' "$*"; }
die() {
  printf 'weft: %s\n' "$*" >&2
  exit 1
}
need_root() { [ "$(id -u)" = 0 ] || die "this needs root for network namespaces and TAPs: sudo npm ${1}"; }

# Under sudo, what we make in somebody's checkout belongs to them, so that they can build without sudo afterwards.
give_back() {
  [ "$(id -u)" = 0 ] || return 0
  local owner path
  owner=$(stat -c %u:%g "$root")
  [ "$owner" = 0:0 ] && return 0
  for path in "$@"; do [ ! -e "$path" ] || chown -R "$owner" "$path"; done
}
