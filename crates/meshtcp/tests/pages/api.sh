meshtcp control-plane --store memory > /mnt/control-plane 2>&1 &
soon meshtcp get mesh default
run resources.1
says '^\{.*\}$'
soon meshtcp get meshtcproute canary
