#!/usr/bin/env bash
# A PostgreSQL server of a test's own: no TCP, a Unix socket in a temporary directory, gone when the test is.
#
# usage: postgres.sh [name=value…]      settings of postgresql.conf, after the ones below
#
# Prints one line, the libpq connection string, when the server accepts connections. Then obeys lines from standard input,
# answering each with "ok" or "failed": stop (orderly), kill (as kill -9 of the whole server), start. At the end of the
# input, however it comes about, the server is killed and its directory removed.
# PostgreSQL refuses to run as root; then the server runs as the user postgres (or nobody).
set -u
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "${bin:-}/postgres" ] || { echo "postgres.sh: no PostgreSQL server is installed" >&2; exit 1; }

directory=$(mktemp -d /tmp/minato-postgres-XXXXXX)
as=()
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
  chown "$user" "$directory"
fi
cd "$directory" || exit 1

start() {
  "${as[@]}" env LC_ALL=C "$bin/pg_ctl" -D data -l log -w -t 60 start >/dev/null 2>&1
}
kill_server() {
  local pid
  pid=$(head -1 data/postmaster.pid 2>/dev/null) || return 0
  # The postmaster's children notice its death at once and end; a new one must not start before they have.
  local children segment
  segment=$(sed -n 7p data/postmaster.pid | awk '{print $2}')
  children=$(ps -o pid= --ppid "$pid" 2>/dev/null)
  # shellcheck disable=SC2086  # a list of numbers
  kill -9 "$pid" $children 2>/dev/null
  for one in $pid $children; do
    while kill -0 "$one" 2>/dev/null && [ "$(ps -o stat= -p "$one" 2>/dev/null | cut -c1)" != Z ]; do sleep 0.01; done
  done
  [ -n "$segment" ] && "${as[@]}" ipcrm -m "$segment" 2>/dev/null
  rm -f data/postmaster.pid .s.PGSQL.*
}
cleanup() {
  kill_server
  cd /
  rm -rf "$directory"
}
trap cleanup EXIT
trap 'exit 1' TERM INT HUP

"${as[@]}" env LC_ALL=C "$bin/initdb" -D data -U minato -A trust -E UTF8 --no-locale -N >initdb.log 2>&1 ||
  { cat initdb.log >&2; exit 1; }
{
  echo "listen_addresses = ''"
  echo "unix_socket_directories = '$directory'"
  echo "fsync = off"
  echo "max_connections = 60"
  echo "shared_buffers = 64MB"
  for setting in "$@"; do echo "${setting%%=*} = '${setting#*=}'"; done
} >>data/postgresql.conf
start || { cat log >&2; exit 1; }
echo "host=$directory user=minato dbname=postgres"

while read -r command; do
  case $command in
    stop) "${as[@]}" "$bin/pg_ctl" -D data -w -m fast stop >/dev/null 2>&1 && echo ok || echo failed ;;
    kill) kill_server; echo ok ;;
    start) start && echo ok || echo failed ;;
    *) echo failed ;;
  esac
done
