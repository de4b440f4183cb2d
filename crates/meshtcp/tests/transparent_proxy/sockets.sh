# the proxy, and applications that it does not know of; the proxy runs as user 5678, others as 1000
serve 0.0.0.0 15001
serve 0.0.0.0 15006
serve 10.0.0.5 8080
serve 10.0.0.5 22
serve 127.0.0.1 8081
serve 10.0.0.5 9000

# another host
unshare --net sleep infinity &
other=$!
soon test "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)"
ip link add veth0 type veth peer name veth1 netns "$other"
ip address add 10.0.1.1/24 dev veth0
ip link set veth0 up
there() { nsenter --net --target "$other" "$@"; }
there ip address add 10.0.1.2/24 dev veth1
there ip link set veth1 up
there ip route add 10.0.0.0/24 via 10.0.1.1

for tool in nft iptables; do
  capture install --tool "$tool" --exclude-outbound-ports 9000 --exclude-outbound-ips 10.0.0.77,172.16.0.0/12 \
    --exclude-outbound-ports-for-uids tcp:7000-7010:1001

  # whatever an application dials, the proxy gets, and knows where it was to go
  same '15001 for 241.0.0.1:6379' "$(dials 1000 241.0.0.1 6379)"
  same '15001 for 10.9.9.9:80' "$(dials 1000 10.9.9.9 80)"
  # but for what is excluded, itself and loopback
  same refused "$(dials 1000 10.9.9.9 9000)"
  same refused "$(dials 1000 172.16.3.4 80)"
  same refused "$(dials 1000 10.0.0.77 80)"
  same refused "$(dials 1001 10.9.9.9 7005)"
  same '15001 for 10.9.9.9:7005' "$(dials 1000 10.9.9.9 7005)"
  same refused "$(dials 5678 10.9.9.9 80)"
  same '8081 for here' "$(dials 1000 127.0.0.1 8081)"
  same '8080 for here' "$(dials 1000 10.0.0.5 8080)"

  # what comes from elsewhere, but for what is excluded
  same '15006 for 10.0.0.5:8080' "$(there python3 "$SCENES/peer.py" dial 1000 10.0.0.5 8080)"
  same '22 for here' "$(there python3 "$SCENES/peer.py" dial 1000 10.0.0.5 22)"
  # a proxy that sends to its own host comes in by the same door, and goes out of it to the application
  same '15006 for 10.0.0.5:8080' "$(dials 5678 10.0.0.5 8080)"
  same '8080 for here' "$(dials 5678 10.0.0.5 8080 127.0.0.6)"
  same '8081 for here' "$(dials 5678 127.0.0.1 8081)"

  # without inbound, one family
  capture install --tool "$tool" --redirect-inbound false --ip-family-mode ipv4
  same '8080 for here' "$(there python3 "$SCENES/peer.py" dial 1000 10.0.0.5 8080)"
  same '15001 for 241.0.0.1:6379' "$(dials 1000 241.0.0.1 6379)"
  same '8080 for here' "$(dials 5678 10.0.0.5 8080)"
  capture uninstall
  same refused "$(dials 1000 241.0.0.1 6379)"
done

# IPv6
serve :: 15101
capture install --redirect-outbound-port 15101 --exclude-outbound-ips fd01::/16
same '15101 for [fd09::1]:6379' "$(dials 1000 fd09::1 6379)"
same refused "$(dials 1000 fd01::1 6379)"
same refused "$(dials 5678 fd09::1 6379)"
capture uninstall
