# two hosts: a network each, and a wire between them; the files of both are in one folder
ip netns add east
ip netns add west
ip link add wire netns east type veth peer name wire netns west
for zone in east west; do
  ip -n $zone address add 10.77.0.$([ $zone = east ] && echo 1 || echo 2)/24 dev wire
  ip -n $zone link set wire up
  ip -n $zone link set lo up
done
cd examples/two-zones
at() { nsenter --net=/run/netns/"$1" "${@:2}"; }
# a block as somebody types it at one of the hosts
run_at() {
  echo "$2" >> "$STAGE/done"
  at "$1" bash -e "$STAGE/blocks/$2" > "$printed" 2>&1
}

run 1-one-ca-for-both.1
at west meshtcp control-plane --zone west --dataplane-auth token --store memory > /mnt/control-plane-west 2>&1 &
soon at west meshtcp get mesh default
run_at west 2-in-the-west-an-ingress.1
says 'ZoneIngress west-1 created'
at west curl -sf --unix-socket /run/meshtcp/127.0.0.1:5681@* http://localhost/tokens/dataplane -H 'content-type: application/json' \
  -d '{"mesh": "default", "name": "ledger-west", "validFor": "1h"}' > ledger-west.token
at west meshtcp proxy --proxy ledger-west --token-file ledger-west.token > /mnt/ledger-west 2>&1 &
at west python3 ../try.py serve west=20955 &
run_at west 2-in-the-west-an-ingress.2
says '"instances":1'
run_at west 3-in-the-east-what-the-west-offers.1
run_at west 4-look.1
says 'ZoneIngress/west-1 +in sync'
says 'west-1'

at east meshtcp control-plane --zone east --store memory > /mnt/control-plane-east 2>&1 &
soon at east meshtcp get mesh default
run_at east 3-in-the-east-what-the-west-offers.2
says 'kuma.io/zone=west'
for proxy in web-1 ledger-east; do at east meshtcp proxy --proxy $proxy > /mnt/$proxy 2>&1 & done
at east python3 ../try.py serve east=20953 &
mkdir /mnt/of-one-mesh
put an-ingress-of-one-mesh-without-zoneingress.1 /mnt/of-one-mesh/gate.yaml
printf 'type: Mesh\nname: shop\n' > /mnt/of-one-mesh/mesh.yaml
meshtcp validate /mnt/of-one-mesh --profile 3 > "$printed" 2>&1
# the ingress needs no identity, and the egress does
says '2 resources in 2 files: 1 warning'
says 'no MeshIdentity gives the proxy an identity'

answers() { at east python3 ../try.py ask 20951 100 | tee /mnt/answers | grep -q west && ! grep -qvE 'east|west' /mnt/answers; }
soon answers
