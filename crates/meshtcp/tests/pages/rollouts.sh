meshtcp control-plane --store memory > /mnt/control-plane 2>&1 &
soon meshtcp get mesh default
meshtcp apply -f examples/canary
python3 examples/try.py serve ledger-1=20211 ledger-2=20213 canary=20221 > /mnt/servers 2>&1 &
meshtcp proxy --proxy web-1 > /mnt/proxy 2>&1 &
proxy=$!
takes_connections 20200

run rollouts-history-and-rollback.1
says 'MeshTCPRollout default/ledger-canary begins, concerns 1 of 4 proxies'
soon bash -c 'meshtcp get meshtcprollout ledger-canary -o yaml | grep -q "phase: Progressing"'
run rollouts-history-and-rollback.2
says 'Progressing, step 1 of 3, 10 % to ledger-canary'
says 'follows: '

run by-hand.1
says 'MeshTCPRollout default/ledger-canary: Paused'
says 'Progressing'
says 'Finished, step 3 of 3, 100 % to ledger-canary'
says 'aborted by hand'
meshtcp delete meshtcprollout ledger-canary

mkdir my-mesh
cp examples/canary/*.yaml my-mesh
put what-the-resource-says.1 my-mesh/rollout.yaml
meshtcp validate my-mesh > "$printed"
says 'all good'

run weights-by-hand.1
says 'ledger=80 ledger-canary=20, concerns 1 of 4 proxies'

run history-and-rollback.1
says 'ledger.: 90 → 80|weight: 90 → 80'
says '80 → 90'
says 'says again what it said at revision'

kill -KILL "$proxy"
printed=/mnt/up run on-a-single-host.1 &
soon bash -c 'meshtcp rollout status ledger-canary --server http://127.0.0.1:5680 | grep -q Progressing'
run on-a-single-host.2
says 'Progressing, step 1 of 4, 1 % to ledger-canary'
says 'Paused'
grep -q Paused rollouts.json
