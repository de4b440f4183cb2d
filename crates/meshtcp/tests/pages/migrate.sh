# what Kuma's and Kubernetes' tools print
kumactl() {
  case $2 in
    meshes | dataplanes | meshtcproutes)
      python3 - "$2" <<'PYTHON'
import pathlib, re, sys
kind = {"meshes": "Mesh", "dataplanes": "Dataplane", "meshtcproutes": "MeshTCPRoute"}[sys.argv[1]]
texts = [path.read_text() for path in pathlib.Path("examples/canary").glob("*.yaml")]
found = [text for all in texts for text in all.split("\n---\n") if re.search(f"^type: {kind}$", text, re.M)]
print("\n---\n".join(found))
PYTHON
      ;;
    *) echo '{"items": [], "next": null, "total": 0}' ;;
  esac
}
kubectl() {
  case $2 in
    *tcproutes) cat "$ROOT"/crates/change/tests/imports/tcproute-of-a-service/gateway-api.yaml ;;
    *) cat "$ROOT"/crates/change/tests/imports/virtualservice-subsets/istio.yaml ;;
  esac
}
run from-kuma.1
run from-kuma.2
says 'outbound:127.0.0.1:20200'
meshtcp control-plane --store memory > /mnt/control-plane 2>&1 &
soon meshtcp get mesh default
run from-the-gateway-api.1
says 'MeshTCPRoute default/redis-canary'
run from-istio.1
grep -q 'type: MeshTCPRoute' routes.yaml
