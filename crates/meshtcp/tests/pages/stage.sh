# The stage of a page: a network, processes and a file system of its own, which end with it. Nothing is written to the host.
# Its scene ($1) calls:
#   run NAME          does what the block says, and keeps what it prints; fails where a command of it fails
#   put NAME FILE     writes the block to a file
#   says PATTERN      the last block printed a line that matches
#   soon COMMAND…     COMMAND succeeds within some seconds
set -euE -o pipefail
ip link set lo up
mount -t tmpfs -o mode=755 none /mnt
for folder in etc var usr/local/bin; do
  mkdir -p "/mnt/$folder" "/mnt/work/$folder"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder,workdir=/mnt/work/$folder" "/$folder"
done
mount -t tmpfs -o mode=755 none /run
mkdir -p /mnt/bin /mnt/home /mnt/checkout/target/release
ln -s "$MESHTCP" /mnt/bin/meshtcp
ln -s "$ENVOY" /mnt/bin/envoy
ln -s "$MESHTCP" /mnt/checkout/target/release/meshtcp
cp -r "$ROOT/examples" "$ROOT/packaging" /mnt/checkout
ln -s "$(dirname "$0")/systemctl" /mnt/bin/systemctl
export PATH=/mnt/bin:$PATH HOME=/mnt/home
for name in $(compgen -e MESHTCP_ || true) XDG_RUNTIME_DIR; do unset "$name"; done
cd /mnt/checkout
printed=/mnt/printed

fail() {
  trap - ERR
  { printf '%s\n' "$*" "-- what was printed last:"; tail -n 40 "$printed"; } >&9
  exit 1
}

run() {
  echo "$1" >> "$STAGE/done"
  source "$STAGE/blocks/$1" > "$printed" 2>&1
}

put() {
  echo "$1" >> "$STAGE/done"
  cat "$STAGE/blocks/$1" > "$2"
}

says() {
  grep -qE -- "$1" "$printed" || fail "this was not printed: $1"
}

soon() {
  local tries
  for tries in $(seq 100); do
    if "$@" > /mnt/tried 2>&1; then return; fi
    sleep 0.1
  done
  fail "in vain: $*
$(tail -n 20 /mnt/tried)"
}

# Whether so many of what `try.py ask` counts are NAME's, give or take.
about() {
  local name=$1 wanted=$2 count
  count=$(awk -v name="$name" '$2 == name { print $1 }' "$printed")
  [ "$(( (count - wanted) * (count - wanted) ))" -le "$(( 16 * wanted ))" ] || fail "$count of $name, not about $wanted"
}

# A certificate for these names, signed by an authority of the stage: KEY and CERTIFICATE.
certify() {
  local key=$1 certificate=$2
  shift 2
  if [ ! -e /mnt/ca.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=stage -keyout /mnt/ca-key.pem -out /mnt/ca.pem
  fi
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$key" -out /mnt/request.pem
  openssl x509 -req -in /mnt/request.pem -CA /mnt/ca.pem -CAkey /mnt/ca-key.pem -days 2 -out "$certificate" \
    -extfile <(printf 'subjectAltName=%s\n' "$(printf 'DNS:%s,' "$@" | sed 's/,$//')")
} 2> /dev/null

takes_connections() {
  soon bash -c "< /dev/tcp/127.0.0.1/$1"
}

exec 9>&1
trap 'fail "line $LINENO, with $?: $BASH_COMMAND"' ERR
source "$1"
