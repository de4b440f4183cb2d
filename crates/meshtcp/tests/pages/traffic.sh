mkdir mesh
cat > mesh/mesh.yaml << 'YAML'
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: shop-1
labels: { app: shop }
networking:
  address: 10.0.0.1
  inbound: [{ port: 8080, servicePort: 9080, tags: { kuma.io/service: shop } }]
  transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001 }
YAML
cat > services.yaml << 'YAML'
---
type: Dataplane
mesh: default
name: ledger-1
networking: { address: 10.0.0.2, inbound: [{ port: 5432, tags: { kuma.io/service: ledger } }] }
---
type: Dataplane
mesh: default
name: canary-1
networking: { address: 10.0.0.3, inbound: [{ port: 5432, tags: { kuma.io/service: ledger-canary } }] }
YAML
cp -r mesh with-passthrough
sed -i '/transparentProxying/d' mesh/mesh.yaml
echo '  outbound: [{ port: 5432, tags: { kuma.io/service: ledger } }]' >> mesh/mesh.yaml
cat services.yaml >> mesh/mesh.yaml
put rules-for-some-connections.1 mesh/route.yaml
run rules-for-some-connections.2
says 'ledger \(.*\), \*\.canary\.example, port 5432$'
says 'ledger \(.*\), from 192\.0\.2\.0/24$'
says '100\.00 % .*MeshService ledger '

cd with-passthrough && mkdir mesh && mv mesh.yaml mesh
put what-the-kernel-redirects.1 mesh/passthrough.yaml
meshtcp validate mesh > "$printed"
says 'all good'
meshtcp explain mesh --proxy shop-1 > "$printed"
says 'MeshPassthrough payments'
