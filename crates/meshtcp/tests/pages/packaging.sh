run on-a-host-with-systemd.1
soon curl -s 127.0.0.1:5680/healthy
cp examples/canary/*.yaml /etc/meshtcp/resources
takes_connections 20200
