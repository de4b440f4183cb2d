python3 examples/try.py serve ledger-1=20210 ledger-2=20212 canary=20220 &
meshtcp control-plane --store memory > /mnt/control-plane 2>&1 &
soon meshtcp get mesh default
meshtcp apply -f examples/canary > /mnt/applied
for proxy in ledger-1 ledger-2 ledger-canary-1; do
  meshtcp proxy --proxy $proxy --control-plane http://127.0.0.1:5678 --log ledger.log > /mnt/$proxy 2>&1 &
done
meshtcp proxy --proxy web-1 --control-plane http://127.0.0.1:5678 > /mnt/web 2>&1 &
soon sh -c 'python3 examples/try.py ask 20200 100 | grep -q canary'

# whoever is on the way all the time is always answered
(while sleep 0.05; do python3 examples/try.py ask 20200 1; done > /mnt/answers) &
run 1-say-who-may-connect.1
run 2-take-both.1
says 'spiffe://default/web'
says 'spiffe://default/ledger-canary'
soon sh -c 'meshtcp identity status > /mnt/status'
soon sh -c 'grep -q " tls=" ledger.log'
: > ledger.log
run 3-look-who-still-comes-in-plaintext.1
says 'nobody came in plaintext'
run 4-take-nothing-else.1
soon sh -c 'python3 examples/try.py ask 20200 100 | grep -q canary'
! python3 examples/try.py ask 20211 1 | grep -q ledger || fail 'plaintext is taken'
! grep -qvE ' (ledger-1|ledger-2|canary)$' /mnt/answers || fail "not everybody was answered: $(sort /mnt/answers | uniq -c)"
