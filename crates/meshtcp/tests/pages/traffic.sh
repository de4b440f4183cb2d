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
put what-the-kernel-redirects.1 mesh/passthrough.yaml
meshtcp validate mesh > "$printed"
says 'all good'
meshtcp explain mesh --proxy shop-1 > "$printed"
says 'MeshPassthrough payments'
