#!/bin/bash
# Two data centres on this host: a network of its own each, and a wire between them. All of it ends with the script, and
# nothing is written to the host. For root, or in a user namespace (unshare --map-root-user).
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
meshtcp=$(command -v "${MESHTCP:-$here/../../target/release/meshtcp}")
if [ -z "${INSIDE:-}" ]; then
  INSIDE=yes exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0"
fi

# 1. two networks, a wire, and the CA that both zones share
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /etc/meshtcp 2> /dev/null || { mkdir -p /etc/meshtcp && mount -t tmpfs none /etc/meshtcp; }
log=/run/log
mkdir -p /run/meshtcp $log
ip netns add east
ip netns add west
ip link add wire netns east type veth peer name wire netns west
number=1
for zone in east west; do
  ip -n $zone address add 10.77.0.$number/24 dev wire
  ip -n $zone link set wire up
  ip -n $zone link set lo up
  number=$((number + 1))
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=mesh \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout /etc/meshtcp/mesh-ca-key.pem -out /etc/meshtcp/mesh-ca.pem 2> $log/openssl

at() { nsenter --net=/run/netns/"$1" "${@:2}"; }
soon() {
  for _ in $(seq 100); do
    if "$@" > $log/tried 2>&1; then return; fi
    sleep 0.1
  done
  printf 'in vain: %s\n' "$*" >&2
  tail -n 20 $log/* >&2
  exit 1
}
ask() { at east python3 "$here/../try.py" ask 20951 "$1"; }
asked() { ask 20 | grep -q "$1"; }
only() { ask 40 > $log/asked && ! grep -qv "$1" $log/asked; }
# start NAME ZONE COMMAND…: leaves it running; `kill -9 $(cat /run/NAME)` ends it
start() { nsenter --net=/run/netns/"$2" "${@:3}" > "$log/$1" 2>&1 & echo $! > /run/"$1"; disown; }
gate() { start gate west "$meshtcp" proxy --proxy-type ingress --name west-1 --log $log/gate.log; }

# 2. a control plane, an application and proxies in each
for zone in east west; do
  start control-plane-$zone $zone "$meshtcp" control-plane --zone $zone --store memory
  soon at $zone "$meshtcp" get mesh default
  at $zone "$meshtcp" apply -f "$here/mesh.yaml" -f "$here/$zone.yaml" > $log/applied-$zone 2>&1
done
start application-east east python3 "$here/../try.py" serve east=20953
start application-west west python3 "$here/../try.py" serve west=20955
start ledger-west west "$meshtcp" proxy --proxy ledger-west
gate
start ledger-east east "$meshtcp" proxy --proxy ledger-east
start web east "$meshtcp" proxy --proxy web-1 --log $log/web.log

# 3. what the west offers, carried to the east: it is a resource like any other
offers() { at west "$meshtcp" get zoneingress west-1 -o json; }
soon sh -c "nsenter --net=/run/netns/west '$meshtcp' get zoneingress west-1 -o json | grep -q instances"
offers | jq '.zone = "west" | del(.labels)' > /run/of-west.json
at east "$meshtcp" apply -f /run/of-west.json > $log/carried 2>&1
soon asked west
soon asked east

echo '90 of 100 stay in the east, 10 cross to the west:'
ask 200
echo
echo 'what the ingress of the west sees of one: a server name, and bytes that it cannot read:'
# health checks come by, too, and ask for nobody
soon grep -q 'server_name="' $log/gate.log
grep 'server_name="' $log/gate.log | tail -n 1 | grep -oE ' (client|server_name|endpoint)=[^ ]+'
echo
echo 'what web knows of it: who is at the other end, whoever passes it on:'
grep -E 'backend_peer=' $log/web.log | grep 20956 | tail -n 1 | grep -oE ' (endpoint|backend_peer|backend_tls)=[^ ]+'
echo
echo 'the ingress is killed; its share goes to the east as soon as a check has failed:'
kill -9 "$(cat /run/gate)"
soon only east
ask 200
echo
echo 'it is back:'
gate
soon asked west
ask 200
echo
echo 'the application in the east is killed, and its proxy with it; all cross to the west:'
kill -9 "$(cat /run/application-east)" "$(cat /run/ledger-east)"
soon only west
ask 200
