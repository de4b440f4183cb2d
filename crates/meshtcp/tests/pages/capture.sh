# another host with redis, and this one, with a name server that is somewhere else
unshare --net sleep infinity &
other=$!
there() { nsenter --net --target "$other" "$@"; }
until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
ip link add eth0 type veth peer name eth0 netns "$other"
ip address add 10.0.0.5/24 dev eth0
ip link set eth0 up
there ip link set lo up
there ip address add 10.0.0.9/24 dev eth0
there ip link set eth0 up
ip route add default via 10.0.0.9
there redis-server --bind 10.0.0.9 --port 6379 --save '' --protected-mode no > /mnt/redis 2>&1 &
python3 -c '
import socket
listener = socket.create_server(("10.0.0.5", 8080))
while True:
    connection, client = listener.accept()
    print(client[0], flush=True)
    connection.close()
' > /mnt/web &
echo 'nameserver 10.0.0.53' > /etc/resolv.conf
install -m 755 target/release/meshtcp /usr/local/bin/meshtcp
install -d /etc/meshtcp/resources
install -m 644 packaging/etc/*.yaml /etc/meshtcp/
rm -f /etc/meshtcp/transparent-proxy.env
install -m 644 packaging/systemd/*.service /etc/systemd/system/
before=$(nft list ruleset)

put a-host-of-its-own.1 /mnt/mesh.yaml
meshtcp control-plane --store file:/mnt/store.redb > /mnt/control-plane 2>&1 &
soon curl -sf 127.0.0.1:5681/
meshtcp apply -f /mnt/mesh.yaml
run a-host-of-its-own.2
soon grep -q 'configuration 1' /mnt/journal.meshtcp-proxy@web-1
soon getent hosts redis.svc.mesh.local
run a-host-of-its-own.3
says '^241\.[0-9.]+ +redis.svc.mesh.local'
says '^PONG'
# the application hears from its own host alone
there bash -c 'cat < /dev/tcp/10.0.0.5/8080'
soon grep -q . /mnt/web
[ "$(cat /mnt/web)" = 127.0.0.6 ] || fail "$(cat /mnt/web)"

run what-is-redirected-and-what-not.1
says 'ip daddr 10.9.0.0/16 return'
run what-is-redirected-and-what-not.2
says '^installed with nft'
run virtual-ips-and-names.1
says 'ip: "241\.'
says 'hostname: redis.svc.mesh.local'

run undo-it.1
[ "$before" = "$(nft list ruleset)" ] || fail "$(nft list ruleset)"
