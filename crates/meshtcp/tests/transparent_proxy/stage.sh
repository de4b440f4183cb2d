# The stage of a scene ($1): a network of its own with a host that is 10.0.0.5 and fd00::5, and what is called here:
#   want STATUS COMMAND…   COMMAND ends with this status; what it prints is kept
#   says PATTERN           the last command printed a line that matches
#   dials AS WHERE         how a connection of a user ends: who answers, or `refused`
set -eu -o pipefail
ip link set lo up
ip link add eth0 type dummy
ip address add 10.0.0.5/24 dev eth0
ip address add fd00::5/64 dev eth0 nodad
ip link set eth0 up
ip route add default dev eth0
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

# serve ADDRESS PORT: says to each connection that it is here, and where that was dialled
serve() {
  python3 "$SCENES/peer.py" serve "$1" "$2" &
  soon grep -q "$(printf ':%04X 0' "$2")" /proc/net/tcp /proc/net/tcp6
}

# dials USER ADDRESS PORT [SOURCE]
dials() {
  python3 "$SCENES/peer.py" dial "$@"
}

source "$1"
