# what it installs is here already
cargo() { [ "$*" = "install --path crates/meshtcp" ]; }

redis-server --port 6379 --daemonize yes > /dev/null
redis-server --port 6380 --daemonize yes > /dev/null
mkdir /mnt/empty
cd /mnt/empty
printed=/mnt/up run five-minutes-with-your-own-services.1 &
soon sh -c 'redis-cli -p 7379 ping | grep -q PONG'
run five-minutes-with-your-own-services.2
sed -i 's/ *\([0-9]*\) 63/\1 63/' "$printed"
about 6379 90
about 6380 10
run five-minutes-with-your-own-services.3
says 'decided by MeshTCPRoute cache-moves'
