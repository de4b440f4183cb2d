# The stage of a scene ($1): a network of two hosts. This one is 10.0.0.5 and fd00::5; the other is 10.0.0.9, fd00::9, 172.16.3.4
# and fd01::1, and everything else is behind it. A scene calls:
#   want STATUS COMMAND…            COMMAND ends with this status; what it prints is kept
#   says PATTERN                    the last command printed a line that matches
#   same THIS THAT                  both are equal
#   there COMMAND…                  does something on the other host
#   serve ADDRESS PORT              says to each connection which port it met, and where that was dialled
#   dials USER ADDRESS PORT [FROM]  what a connection of a user is told, or `refused`
set -eu -o pipefail
ip link set lo up
unshare --net sleep infinity &
other=$!
until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
there() { nsenter --net --target "$other" "$@"; }
ip link add eth0 type veth peer name eth0 netns "$other"
ip address add 10.0.0.5/24 dev eth0
ip address add fd00::5/64 dev eth0 nodad
ip link set eth0 up
there ip link set lo up
there ip address add 10.0.0.9/24 dev eth0
there ip address add fd00::9/64 dev eth0 nodad
there ip address add 172.16.3.4/32 dev lo
there ip address add fd01::1/128 dev lo
there ip link set eth0 up
ip route add default via 10.0.0.9
ip route add default via fd00::9
printed=$PWD/printed
PATH=$PATH:/usr/sbin:/sbin
for name in $(compgen -e MESHTCP_ || true); do unset "$name"; done

fail() {
  printf '%s\n' "$*" "-- what was printed last:"
  tail -n 40 "$printed"
  exit 1
}

want() {
  local wanted=$1 status=0
  shift
  "$@" > "$printed" 2>&1 || status=$?
  [ "$status" = "$wanted" ] || fail "$* ended with $status, not $wanted"
}

says() {
  grep -qE -- "$1" "$printed" || fail "this was not printed: $1"
}

same() {
  [ "$1" = "$2" ] || fail "$1
is not
$2"
}

capture() {
  "$MESHTCP" transparent-proxy "$@"
}

soon() {
  local tries
  for tries in $(seq 100); do
    if "$@" > "$printed" 2>&1; then return; fi
    sleep 0.1
  done
  fail "in vain: $*"
}

serve() {
  python3 "$SCENES/peer.py" serve "$1" "$2" &
  soon listens "$2"
}

listens() {
  "${@:2}" grep -q "$(printf ':%04X [0:]* 0A' "$1")" /proc/net/tcp /proc/net/tcp6
}

dials() {
  python3 "$SCENES/peer.py" dial "$@"
}

source "$1"
