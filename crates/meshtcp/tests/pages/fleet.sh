# every host of the page is this one
ip addr add 10.0.0.1/32 dev lo
echo '10.0.0.1 cp-1.internal cp-2.internal db.internal web-1.internal' >> /etc/hosts
install -d /etc/meshtcp
certify /mnt/db-key.pem /mnt/db.pem db.internal
certify /mnt/cp-key.pem /mnt/cp.pem cp-1.internal cp-2.internal

# 1. the database, with what the page says of its settings
as_postgres() { (cd / && setpriv --reuid postgres --regid postgres --clear-groups -- "$@"); }
tools=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -1)")
install -d -o postgres /mnt/data /run/postgresql
as_postgres "$tools/initdb" --auth=peer --no-sync -D /mnt/data > /dev/null
put 1-the-database.2 /mnt/data/pg_hba.conf
echo 'local all postgres peer' >> /mnt/data/pg_hba.conf
install -o postgres -m 600 /mnt/db-key.pem /mnt/data/server.key
install -o postgres /mnt/db.pem /mnt/data/server.crt
as_postgres "$tools/postgres" -D /mnt/data -c ssl=on -c listen_addresses=db.internal -c unix_socket_directories=/run/postgresql > /mnt/postgres 2>&1 &
soon as_postgres "$tools/pg_isready" -q -h /run/postgresql
psql() { as_postgres "$tools/psql" -h /run/postgresql "$@"; }
run 1-the-database.1

# 2. a control plane
cp target/release/meshtcp meshtcp
run 2-two-control-planes.1
put 2-two-control-planes.2 /etc/meshtcp/store.env
put 2-two-control-planes.3 /etc/meshtcp/control-plane.yaml
cp /mnt/ca.pem /etc/meshtcp/db-ca.pem
cp /mnt/ca.pem /mnt/cp.pem /etc/meshtcp
install -m 600 /mnt/cp-key.pem /etc/meshtcp/cp-key.pem
install -d /etc/systemd/system/meshtcp-control-plane.service.d
put 2-two-control-planes.4 /etc/systemd/system/meshtcp-control-plane.service.d/override.conf
run 2-two-control-planes.5
says ready

# 3. resources
mkdir my-mesh
cp examples/canary/*.yaml my-mesh
run 3-resources.1
says 'MeshTCPRoute default/ledger-canary created'
says 'ledger-canary'

# 4. a proxy
run 4-proxies.1
install -m 600 web-1.token /etc/meshtcp/token
put 4-proxies.2 /etc/meshtcp/proxy.yaml
install -d /etc/systemd/system/meshtcp-proxy@web-1.service.d
put 4-proxies.3 /etc/systemd/system/meshtcp-proxy@web-1.service.d/override.conf
run 4-proxies.4
says '"controlPlane"'
takes_connections 20200

# a second proxy of the host, with an admin port of its own
curl -s --unix-socket /run/meshtcp/127.0.0.1:5681@* http://localhost/tokens/dataplane -H 'content-type: application/json' \
     -d '{"mesh": "default", "name": "ledger-1", "validFor": "1h"}' > /etc/meshtcp/token-2
install -d /etc/systemd/system/meshtcp-proxy@ledger-1.service.d
sed 's/9901/9902/; s/meshtcp.token/&-2/' "$STAGE/blocks/4-proxies.3" > /etc/systemd/system/meshtcp-proxy@ledger-1.service.d/override.conf
systemctl enable --now meshtcp-proxy@ledger-1
soon curl -sf 127.0.0.1:9902/ready

# 5. there and back
run 5-backup.1
says 'resources are in /var/backups/meshtcp.yaml'
psql -q -c 'CREATE DATABASE new OWNER meshtcp'
sed 's/meshtcp  meshtcp/new  meshtcp/' "$STAGE/blocks/1-the-database.2" >> /mnt/data/pg_hba.conf
as_postgres "$tools/pg_ctl" -D /mnt/data reload > /dev/null
run 5-backup.2
says 'restored|resources'
