# an address that none of the interfaces here has
ip route add local 10.9.0.0/24 dev lo
mkdir mesh
cat > mesh/mesh.yaml << 'YAML'
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: redis-1
networking:
  address: 10.9.0.1
  inbound: [{ port: 16379, tags: { kuma.io/service: redis } }]
YAML
put which-connections.1 mesh/web-1.yaml
python3 -c '
import socket
listener = socket.create_server(("10.9.0.1", 16379))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello\n")
    connection.close()
' &
run connections-without-a-relay.1
# a debug build takes seconds to read the types of the kernel
soon curl -sf --retry 60 --retry-delay 1 --retry-connrefused localhost:9901/ready
run connections-without-a-relay.2
says 'default/web-1 +outbound:127.0.0.1:13306 +kernel'
says 'default/web-1 +inbound:127.0.0.1:18080 +relay +it is an inbound'
soon bash -c '[ "$(cat < /dev/tcp/127.0.0.1/13306)" = hello ]'
soon grep -q 'bytes_to_client=6 .* path=kernel' connections.log
run connections-without-a-relay.3
says 'path=kernel .*command=bash'
says 'which is where it went'
run what-it-needs.1
says 'mesh_connect4 .* a process'
