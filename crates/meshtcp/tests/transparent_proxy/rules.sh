# somebody else's rules
nft add table ip theirs
nft 'add chain ip theirs output { type nat hook output priority -100; }'
nft add rule ip theirs output tcp dport 8080 redirect to :80
before=$(nft list ruleset)

want 1 capture status
says 'nothing is installed'
want 0 capture install --dry-run
says '^table inet meshtcp'
says 'redirect to :15001'
same "$before" "$(nft list ruleset)"
want 0 capture uninstall
says 'nothing was installed'

flags=(--user 0 --exclude-outbound-ports 9000,9010-9020 --exclude-outbound-ips 192.168.0.0/16,fd01::/16
  --exclude-inbound-ips 10.0.0.9 --exclude-outbound-ports-for-uids 'tcp:5432,6000-6010:1000,1001-1002'
  --exclude-interfaces docker0 --redirect-all-dns-traffic)
want 0 capture install "${flags[@]}"
says 'installed with nft: outbound TCP to port 15001, inbound TCP to port 15006'
installed=$(nft list ruleset)
want 0 capture status "${flags[@]}"
want 0 capture install "${flags[@]}"
says 'nothing was changed'
same "$installed" "$(nft list ruleset)"
want 0 capture status "${flags[@]}" -o json
says '"installed": true'

# other flags, a rule too few, one too much, an order
want 1 capture status --user 0
says 'too much: a network that is left alone'
want 1 capture status "${flags[@]}" --redirect-outbound-port 15002 -o json
says '"installed": false'
says 'missing: everything else'
handle=$(nft -a list chain inet meshtcp inbound | sed -n 's/.*a port that is left alone.*# handle //p')
nft delete rule inet meshtcp inbound handle "$handle"
want 1 capture status "${flags[@]}"
says 'inbound, missing: a port that is left alone'
want 0 capture install "${flags[@]}"
same "$(sed 's/# handle.*//' <<< "$installed")" "$(nft list ruleset)"
nft insert rule inet meshtcp outbound tcp dport 1 accept
want 1 capture status "${flags[@]}"
says 'too much: a rule of somebody else'

want 0 capture uninstall
same "$before" "$(nft list ruleset)"

# what makes no sense changes nothing
want 2 capture install --user nobody-of-this-name
want 2 capture install --exclude-inbound-ports 70000
same "$before" "$(nft list ruleset)"

# where only iptables is there
nft delete table ip theirs
iptables -t nat -A OUTPUT -p tcp --dport 8080 -j REDIRECT --to-ports 80
ip6tables -t nat -A OUTPUT -p tcp --dport 8080 -j REDIRECT --to-ports 80
saved() { { iptables-save -t nat; ip6tables-save -t nat; } | grep -v '^#'; }
before=$(saved)
want 1 capture status --tool iptables
want 0 capture install --tool iptables "${flags[@]}"
installed=$(saved)
want 0 capture status --tool iptables "${flags[@]}"
want 0 capture install --tool iptables "${flags[@]}"
same "$installed" "$(saved)"
want 1 capture status --tool iptables --user 0
iptables -t nat -D OUTPUT -j MESHTCP_OUTBOUND
want 1 capture status --tool iptables "${flags[@]}"
want 0 capture install --tool iptables "${flags[@]}"
same "$installed" "$(saved)"
# what somebody was killed over: one family without rules, one jump too many, chains that nothing leads to
ip6tables -t nat -D OUTPUT -j MESHTCP_OUTBOUND
ip6tables -t nat -F MESHTCP_OUTBOUND
ip6tables -t nat -X MESHTCP_OUTBOUND
iptables -t nat -A OUTPUT -j MESHTCP_OUTBOUND
iptables -t nat -D PREROUTING -j MESHTCP_INBOUND
want 1 capture status --tool iptables "${flags[@]}"
want 0 capture install --tool iptables "${flags[@]}"
same "$installed" "$(saved)"
# another tool: only one may redirect
want 0 capture install --tool nft "${flags[@]}"
same "$before" "$(saved)"
want 0 capture install --tool iptables "${flags[@]}"
want 1 nft list table inet meshtcp
same "$installed" "$(saved)"
nft 'add table inet meshtcp; add chain inet meshtcp outbound'
want 1 capture status --tool iptables "${flags[@]}"
says 'too much: what was installed with nft'
want 0 capture install --tool iptables "${flags[@]}"
want 1 nft list table inet meshtcp
# of one family, of one direction
want 0 capture install --tool iptables --ip-family-mode ipv4 --redirect-inbound false
want 1 ip6tables -t nat -L MESHTCP_OUTBOUND
want 1 iptables -t nat -L MESHTCP_INBOUND
want 0 capture uninstall
says 'taken out with iptables'
same "$before" "$(saved)"

# which is found by itself
mount --bind /dev/null "$(command -v nft)"
want 0 capture install "${flags[@]}"
says 'installed with iptables: outbound TCP'
want 0 capture status "${flags[@]}"
want 0 capture uninstall
same "$before" "$(saved)"
