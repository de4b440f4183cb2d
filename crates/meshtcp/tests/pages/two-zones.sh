# it is root's here already, and what is built is there
sudo() { "$@"; }
cargo() { [ "$*" = "build --release" ]; }
run two-zones.1
says '^ +[1-9][0-9]? west'
says '200 west'
says '200 east'
says 'server_name="ledger'
says 'backend_peer=spiffe://default/ledger'
