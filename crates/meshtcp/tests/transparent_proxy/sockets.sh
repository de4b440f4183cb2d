# the proxy of this host, which runs as user 5678, and applications; the other host
for port in 15001 15006; do serve 0.0.0.0 "$port"; done
for port in 22 8080; do serve 10.0.0.5 "$port"; done
serve 127.0.0.1 8081
for port in 80 7005 9000; do
  there python3 "$SCENES/peer.py" serve :: "$port" &
done
from_there() { there python3 "$SCENES/peer.py" dial 1000 "$@"; }
soon eval '[ "$(dials 1000 10.0.0.9 80)" = "80 for here" ]'
for port in 7005 9000; do soon listens "$port" there; done

for tool in nft iptables; do
  want 0 capture install --tool "$tool" --exclude-outbound-ports 9000 --exclude-outbound-ips 10.0.77.7,172.16.0.0/12 \
    --exclude-outbound-ports-for-uids tcp:7000-7010:1001

  # whatever an application dials, the proxy gets, and knows where it was to go
  same '15001 for 241.0.0.1:6379' "$(dials 1000 241.0.0.1 6379)"
  same '15001 for 10.0.0.9:80' "$(dials 1000 10.0.0.9 80)"
  same '15001 for 10.0.0.9:7005' "$(dials 1000 10.0.0.9 7005)"
  # but for what is excluded, what the proxy dials, and this host itself
  same '9000 for here' "$(dials 1000 10.0.0.9 9000)"
  same '80 for here' "$(dials 1000 172.16.3.4 80)"
  same '7005 for here' "$(dials 1001 10.0.0.9 7005)"
  same '80 for here' "$(dials 5678 10.0.0.9 80)"
  same '8081 for here' "$(dials 1000 127.0.0.1 8081)"
  same '8080 for here' "$(dials 1000 10.0.0.5 8080)"

  # what comes from elsewhere, but for what is excluded
  same '15006 for 10.0.0.5:8080' "$(from_there 10.0.0.5 8080)"
  same '22 for here' "$(from_there 10.0.0.5 22)"
  # what the proxy sends to its own host comes in by the same door, and goes on to the application
  same '15006 for 10.0.0.5:8080' "$(dials 5678 10.0.0.5 8080)"
  same '8080 for here' "$(dials 5678 10.0.0.5 8080 127.0.0.6)"
  same '8081 for here' "$(dials 5678 127.0.0.1 8081)"

  want 0 capture install --tool "$tool" --exclude-inbound-ips 10.0.0.9
  same '8080 for here' "$(from_there 10.0.0.5 8080)"
  want 0 capture install --tool "$tool" --exclude-interfaces eth0
  same '8080 for here' "$(from_there 10.0.0.5 8080)"
  same '80 for here' "$(dials 1000 10.0.0.9 80)"

  # while rules are replaced others are there: nobody gets past the proxy
  for at in $(seq 12); do capture install --tool "$tool" --exclude-outbound-ports "$((9000 + at))" > replaced 2>&1; done &
  replacing=$!
  while kill -0 "$replacing" 2> /dev/null; do same '15001 for 10.0.0.9:80' "$(dials 1000 10.0.0.9 80)"; done
  wait "$replacing"

  # only what goes out, of one family
  want 0 capture install --tool "$tool" --redirect-inbound false --ip-family-mode ipv4
  same '8080 for here' "$(from_there 10.0.0.5 8080)"
  same '8080 for here' "$(dials 5678 10.0.0.5 8080)"
  same '15001 for 10.0.0.9:80' "$(dials 1000 10.0.0.9 80)"
  same '80 for here' "$(dials 1000 fd00::9 80)"
  want 0 capture uninstall --tool "$tool"
  same '80 for here' "$(dials 1000 10.0.0.9 80)"
done

# IPv6
serve :: 15101
for tool in nft iptables; do
  want 0 capture install --tool "$tool" --redirect-outbound-port 15101 --exclude-outbound-ips fd01::/16
  same '15101 for [fd00::9]:80' "$(dials 1000 fd00::9 80)"
  same '80 for here' "$(dials 1000 fd01::1 80)"
  same '80 for here' "$(dials 5678 fd00::9 80)"
  want 0 capture uninstall --tool "$tool"
done
