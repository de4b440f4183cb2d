mkdir mesh
cat > mesh/mesh.yaml << 'YAML'
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: shop-1
networking:
  address: 10.0.0.1
  inbound: [{ port: 8080, tags: { kuma.io/service: shop } }]
  outbound: [{ port: 6379, tags: { kuma.io/service: ledger } }]
---
type: Dataplane
mesh: default
name: ledger-1
networking: { address: 10.0.0.2, inbound: [{ port: 6379, tags: { kuma.io/service: ledger } }] }
---
type: Dataplane
mesh: default
name: ledger-2
networking: { address: 10.0.0.3, inbound: [{ port: 6379, tags: { kuma.io/service: ledger-2 } }] }
YAML
put mirrors.1 mesh/mirror.yaml
run mirrors.2
says 'all good'
says 'mirror: 50 % of connections to ledger-2 .*dropped when more than 1024 KiB wait, from MeshTCPMirror try-ledger-2'
meshtcp plan mesh --proxy shop-1 --as envoy > "$printed" 2>&1
says 'Envoy cannot mirror TCP'
