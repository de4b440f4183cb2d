echo 127.0.0.1 cp.example.com >> /etc/hosts
meshtcp control-plane --dataplane-auth token > /mnt/control-plane 2>&1 &
first=$!
soon meshtcp apply -f examples/canary
# made while the control plane starts
soon meshtcp get globalsecret admin-user-token
run on-the-same-host.1
[ "$(cut -d. -f1 admin.token | wc -c)" -gt 10 ] || fail "this is no token: $(cat admin.token)"
run proxies.1
takes_connections 20200
proxy=$!
grep -q "$(cat web-1.token)" web-1.yaml
kill "$proxy" "$first"
wait "$first" || true

certify cp-key.pem cp.pem cp.example.com
cp /mnt/ca.pem ca.pem
run tls.1
soon meshtcp get meshes --context production
takes_connections 20200

mkdir my-mesh
cp examples/canary/mesh.yaml my-mesh
run keys-and-tokens.1
meshtcp validate my-mesh > "$printed"
