run attach-an-envoy-in-five-commands.1
about canary 100
about ledger-1 450
about ledger-2 450

# a weight is edited, and followed
sed -i 's/weight: 90/weight: 0/' examples/canary/route.yaml
soon sh -c 'python3 examples/try.py ask 20200 20 | grep -q "20 canary"'
soon sh -c 'curl -s 127.0.0.1:5680/status | grep -q web-1'

run statistics-by-backend.1
says 'hostname'
says 'envoy_cluster_endpoint_upstream_cx_total|upstream_cx_total'
