mkdir mesh
cat > mesh/mesh.yaml <<'Y'
type: Mesh
name: default
meshServices: { mode: Exclusive }
---
type: HostnameGenerator
name: local
spec:
  selector: { meshService: {} }
  template: "{{ .DisplayName }}.svc.mesh.local"
---
type: MeshService
mesh: default
name: redis
spec:
  selector: { dataplaneTags: { kuma.io/service: redis } }
  ports: [{ port: 6379, targetPort: 6379 }]
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.5
  inbound: [{ port: 8080, tags: { kuma.io/service: web } }]
  transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001 }
Y
# a server, which knows one name, and says so over UDP and TCP
cat > upstream.py <<'P'
import socket, struct, sys, threading
def answer(query):
    end = query.index(b"\0", 12) + 5
    kind = struct.unpack_from("!H", query, end - 4)[0]
    known = query[12:end - 4].lower() == b"\x02db\x07example\x00"
    found = known and kind == 1
    head = query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, int(found), 0, 0)
    return head + query[12:end] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x09\x09\x09" if found else b"")
def tcp():
    listener = socket.create_server((sys.argv[1], 53))
    while True:
        connection, _ = listener.accept()
        length = struct.unpack("!H", connection.recv(2))[0]
        said = answer(connection.recv(length))
        connection.sendall(struct.pack("!H", len(said)) + said)
        connection.close()
threading.Thread(target=tcp, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 53))
while True:
    query, client = udp.recvfrom(4096)
    udp.sendto(answer(query), client)
P
python3 upstream.py 127.0.0.9 &
echo 'nameserver 127.0.0.9' > servers
"$MESHTCP" up mesh --dns --dns-servers "$PWD/servers" --admin 127.0.0.1:9901 > up.log 2>&1 &
up=$!

# asked NAME [TYPE [TRANSPORT]]: code, and addresses
asked() {
  python3 - "$@" <<'P'
import socket, struct, sys
name, kind, way = (sys.argv[1:] + ["A", "udp"][len(sys.argv) - 2:])[:3]
query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
for label in name.split("."):
    query += bytes([len(label)]) + label.encode()
query += b"\0" + struct.pack("!HH", {"A": 1, "AAAA": 28, "TXT": 16}[kind], 1)
if way == "udp":
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(10)
    peer.sendto(query, ("127.0.0.1", 15053))
    said = peer.recv(4096)
else:
    peer = socket.create_connection(("127.0.0.1", 15053), 10)
    peer.sendall(struct.pack("!H", len(query)) + query)
    said = b""
    while len(said) < 2 or len(said) < 2 + struct.unpack("!H", said[:2])[0]:
        said += peer.recv(4096)
    said = said[2:]
assert said[:2] == query[:2], said
records = struct.unpack("!H", said[6:8])[0]
found = [socket.inet_ntoa(said[len(query) + 16 * at + 12:][:4]) for at in range(records)]
ttl = {struct.unpack("!I", said[len(query) + 16 * at + 6:][:4])[0] for at in range(records)}
print(said[3] & 15, *found, *ttl)
P
}

is() { [ "$(asked "${@:2}")" = "$1" ]; }
vip=$("$MESHTCP" plan mesh --proxy web-1 -o json | python3 -c '
import json, sys
print(json.load(sys.stdin)["names"]["redis.svc.mesh.local"][0])')
case $vip in 241.*) ;; *) fail "no virtual IP: $vip" ;; esac

soon is "0 $vip 30" redis.svc.mesh.local
same "0 $vip 30" "$(asked Redis.SVC.mesh.local A tcp)"
same '0' "$(asked redis.svc.mesh.local AAAA)"
same '0' "$(asked redis.svc.mesh.local TXT)"
same '0' "$(asked svc.mesh.local)"
same '3' "$(asked absent.svc.mesh.local)"
same '3' "$(asked x.mesh)"
same '0 10.9.9.9 60' "$(asked db.example)"
same '0 10.9.9.9 60' "$(asked db.example A tcp)"
same '3' "$(asked absent.example)"

# a service that comes is known, and one that goes is not
sed 's/name: redis$/name: cache/' mesh/mesh.yaml | sed -n '/^type: MeshService/,/^---/p' | sed '$d' > mesh/cache.yaml
soon sh -c '[ -n "$(grep -c . mesh/cache.yaml)" ]'
soon eval '[ "$(asked cache.svc.mesh.local | cut -c1-6)" = "0 241." ]'
rm mesh/cache.yaml
soon is '3' cache.svc.mesh.local

# servers that are away, and whoever would ask itself
echo 'nameserver 127.0.0.10' > servers
sleep 2.2
same '2' "$(asked db.example)"
same "0 $vip 30" "$(asked redis.svc.mesh.local)"
metrics() { curl -s 127.0.0.1:9901/metrics; }
soon eval 'metrics | grep -q "meshtcp_dns_queries_total{outcome=\"failed\"} [1-9]"'

# whatever is sent, whoever asks properly is answered
for length in 1 12 17 300 512; do
  for _ in 1 2 3 4 5; do
    head -c "$length" /dev/urandom > /dev/udp/127.0.0.1/15053
    head -c "$length" /dev/urandom > /dev/tcp/127.0.0.1/15053 || true
  done
done
same "0 $vip 30" "$(asked redis.svc.mesh.local)"
soon eval 'metrics | grep -q "meshtcp_dns_queries_total{outcome=\"malformed\"} [1-9]"'

# an application that only knows the host's own server
echo 'nameserver 127.0.0.9' > servers
echo 'nameserver 10.0.0.9' > resolv.conf
mount --bind resolv.conf /etc/resolv.conf
sleep 2.2
capture install --user 5678 --redirect-dns
same "$vip" "$(python3 "$SCENES/peer.py" ask 1000 redis.svc.mesh.local)"
same '10.9.9.9' "$(python3 "$SCENES/peer.py" ask 1000 db.example)"
same 'no such name' "$(python3 "$SCENES/peer.py" ask 1000 absent.svc.mesh.local)"
capture uninstall

# what is passed on and comes back ends
capture install --user 5678 --redirect-dns
echo 'nameserver 10.0.0.9' > servers
sleep 2.2
same '2' "$(asked db.example)"
soon eval 'metrics | grep -q "meshtcp_dns_queries_total{outcome=\"loop\"} [1-9]"'
capture uninstall

# of a user whose queries are left alone nobody here hears; the other host has a server of its own
there python3 upstream.py 10.0.0.9 &
soon listens 53 there
capture install --user 5678 --redirect-dns --exclude-outbound-ports-for-uids udp:53:1001
same "$vip" "$(python3 "$SCENES/peer.py" ask 1000 redis.svc.mesh.local)"
same 'no such name' "$(python3 "$SCENES/peer.py" ask 1001 redis.svc.mesh.local)"
capture uninstall

# a port that an application asked from is taken by a query of the proxy to the same server: the kernel redirects it as it did
# before, and it is sent again from another
echo 'nameserver 10.0.0.9' > servers
echo '40000 40999' > /proc/sys/net/ipv4/ip_local_port_range
sleep 2.2
capture install --user 0 --redirect-dns
same '250 of 250' "$(python3 "$SCENES/peer.py" asks 1000 10.0.0.9 db.example 250)"
soon eval 'metrics | grep -q "meshtcp_dns_queries_total{outcome=\"loop\"} [1-9]"'
capture uninstall
kill "$up"
