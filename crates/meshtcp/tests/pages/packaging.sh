run on-a-host-with-systemd.1
soon curl -s 127.0.0.1:5680/healthy
cp examples/canary/*.yaml /etc/meshtcp/resources
takes_connections 20200

# keys for root's eyes only, which services of users of their own read; two proxies on one host
echo 127.0.0.1 cp.example.com >> /etc/hosts
systemctl disable --now meshtcp-proxy@web-1 meshtcp-control-plane
mkdir -p /etc/credstore
chmod 700 /etc/credstore
certify /etc/credstore/meshtcp-control-plane.xds-tls-key /etc/credstore/meshtcp-control-plane.xds-tls-cert cp.example.com
cp /mnt/ca.pem /etc/credstore/meshtcp-proxy.ca-file
chmod 600 /etc/credstore/*
sed -i 's|^control-plane: .*|control-plane: https://cp.example.com:5678|' /etc/meshtcp/proxy.yaml
systemctl enable --now meshtcp-control-plane meshtcp-proxy@web-1 meshtcp-proxy@ledger-1
for proxy in web-1 ledger-1; do
  soon sh -c "meshtcp status proxies | grep -q 'default/$proxy  *in sync'"
done
