meshtcp control-plane --store memory > /mnt/control-plane 2>&1 &
soon meshtcp get mesh default
cp -r examples/canary my-mesh
mkdir -p /etc/bash_completion.d
run meshtcp-explain-path-proxy-name.1
says 'backendRefs'
run meshtcp-schema-kind.1
grep -q MeshTCPRoute meshtcp.schema.json
run meshtcp-apply-f-path.1
says 'ledger-canary created'
says 'no attached proxy|proxies live'
cat > /mnt/other.yaml <<'YAML'
type: MeshTCPRoute
mesh: default
name: other
labels: {team: depot}
spec:
  targetRef: {kind: Mesh}
  to:
    - targetRef: {kind: MeshService, name: ledger}
      rules: [{default: {backendRefs: [{kind: MeshService, name: ledger}]}}]
YAML
meshtcp apply -f /mnt/other.yaml
run meshtcp-get-kind-name.1
says 'dataplanes/'
says 'TO'
says '^meshtcproutes/ledger-canary'
run meshtcp-edit-kind-name.1
says 'ledger-canary updated'
run meshtcp-set-kind-name-place-value.1
says '→ 15'
run meshtcp-delete-kind-name.1
says 'other deleted \(dry run\)'
run meshtcp-check.1
says '^ok +control plane'
run meshtcp-bug-report.1
says 'control-plane/resources.yaml'
run meshtcp-token-create-inspect-and-revoke.1
says 'is revoked'
run meshtcp-version.1
says '^server +meshtcp'
run meshtcp-completion-shell.1
grep -q MESHTCP_COMPLETE /etc/bash_completion.d/meshtcp
run meshtcp-man-folder.1
man -l /usr/local/share/man/man1/meshtcp-get.1 > "$printed" 2> /dev/null || cat /usr/local/share/man/man1/meshtcp-get.1 > "$printed"
says 'custom'

# a terminal of its own: the block draws until somebody has seen enough
meshtcp up my-mesh --admin 127.0.0.1:9901 > /mnt/up 2>&1 &
soon curl -s 127.0.0.1:9901/ready
cat > /mnt/top.sh <<'SH'
source "$STAGE/blocks/meshtcp-top.1"
SH
echo meshtcp-top.1 >> "$STAGE/done"
LC_ALL=C.UTF-8 tmux -f /dev/null -S /mnt/tmux new-session -d -x 100 -y 30 "bash /mnt/top.sh"
soon sh -c 'tmux -S /mnt/tmux capture-pane -p | grep -q "meshtcp top"'
tmux -S /mnt/tmux kill-server
