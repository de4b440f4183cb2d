mkdir /etc/mesh
cp examples/canary/*.yaml /etc/mesh
ln -s "$MESHTCP" /mnt/bin/meshtcp-new
printed=/mnt/first run upgrading-without-cutting-connections.1
takes_connections 20200
run upgrading-without-cutting-connections.2
soon grep -qE 'taking over [0-9]+ listeners' "$printed"
soon grep -qF 'taken over: the process before this one accepts no more' "$printed"
