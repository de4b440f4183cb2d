install -d /etc/meshtcp/resources
cp examples/canary/mesh.yaml /etc/meshtcp/resources
python3 examples/try.py serve ledger-1=20210 ledger-2=20212 canary=20220 &
printed=/mnt/up run a-folder-and-one-process.1 &
up=$!
takes_connections 20200
cp examples/canary/route.yaml new-route.yaml
run a-folder-and-one-process.2
says 'MeshTCPRoute default/ledger-canary'
soon sh -c 'python3 examples/try.py ask 20200 100 | grep -q canary'
kill -KILL "$up" $(pgrep -P "$up")

sed 's/name: ledger-1$/name: cache-1/' examples/canary/mesh.yaml > /etc/meshtcp/resources/mesh.yaml
install -m 644 packaging/etc/*.yaml /etc/meshtcp/
install -m 644 packaging/systemd/*.service /etc/systemd/system/
install -m 755 target/release/meshtcp /usr/local/bin/meshtcp
run services-of-systemd.1
takes_connections 20200
takes_connections 20211
