//! Example command lines, as shown by `--help` and in the manual pages.

/// Examples of a command, each a command line with its effect.
type Examples = &'static [(&'static str, &'static str)];

/// Examples by command.
pub(crate) const EXAMPLES: &[(&str, Examples)] = &[
    (
        "up",
        &[
            ("meshtcp up my-mesh", "carries what the folder says, and follows it"),
            (
                "meshtcp up my-mesh --admin localhost:9901 --log -",
                "with pages for Prometheus, and a line for each connection",
            ),
        ],
    ),
    (
        "control-plane",
        &[
            (
                "meshtcp control-plane --store file:mesh.redb",
                "keeps resources in a file, which the API changes",
            ),
            ("meshtcp control-plane my-mesh", "serves what the folder says, and follows it"),
        ],
    ),
    (
        "proxy",
        &[(
            "meshtcp proxy --proxy web-1 --control-plane cp-1:5678,cp-2:5678",
            "carries the connections of web-1",
        )],
    ),
    (
        "validate",
        &[(
            "meshtcp validate my-mesh --profile 2.9",
            "all that is wrong with a folder, by the rules of Kuma 2.9",
        )],
    ),
    (
        "explain",
        &[
            (
                "meshtcp explain --from web-1 --to redis:6379",
                "why connections of web-1 to redis go where they go",
            ),
            ("meshtcp explain my-mesh --proxy web-1", "the same of all its outbounds, from files"),
            ("meshtcp explain field mtcpr.spec.to.rules", "what may stand there, and in which releases"),
        ],
    ),
    (
        "schema",
        &[
            ("meshtcp schema > meshtcp.schema.json", "a JSON schema of every kind, for editors"),
            ("meshtcp schema MeshTCPRoute --profile 2.6", "of one kind, as Kuma 2.6 has it"),
        ],
    ),
    (
        "apply",
        &[
            ("meshtcp apply -f my-mesh --wait", "puts a folder into force, and waits until proxies run it"),
            (
                "meshtcp apply -f my-mesh --prune -l team=shop --dry-run",
                "what would be deleted: with this label, and not in the folder",
            ),
            ("meshtcp apply -f my-mesh --set shop --prune", "the same by a set: what was applied as `shop`"),
        ],
    ),
    (
        "edit",
        &[(
            "meshtcp edit mtcpr canary",
            "opens it in $EDITOR; what is saved is put, unless somebody else was faster",
        )],
    ),
    (
        "set",
        &[
            ("meshtcp set weight canary redis=90 redis-v2=10", "weights of a route's backends"),
            (
                "meshtcp set mtcpr canary spec.to[redis].rules[0].default.backendRefs[redis-v2].weight=10 --dry-run",
                "any field of any resource; what it would do",
            ),
            ("meshtcp set dp web-1 networking.inbound[0].tags.version-", "takes a field out"),
        ],
    ),
    (
        "rollout",
        &[
            (
                "meshtcp rollout start canary --to redis-v2 --steps 1@10m,10@10m,50@1h!,100",
                "in steps; `!` waits until somebody says so",
            ),
            ("meshtcp rollout status canary --watch", "until it is over"),
            ("meshtcp rollout pause canary --server localhost:9901", "of a `meshtcp up` with that --admin"),
        ],
    ),
    (
        "delete",
        &[
            ("meshtcp delete mtcpr canary", "one"),
            ("meshtcp delete dataplanes -l team=shop --dry-run", "what would be deleted by a label"),
            ("meshtcp delete mtcpr --all -m demo", "all of a mesh"),
        ],
    ),
    (
        "get",
        &[
            ("meshtcp get mtcpr,dataplanes -A", "of two kinds, of every mesh"),
            ("meshtcp get mtcpr -w", "goes on with what changes"),
            ("meshtcp get dataplanes -o jsonpath='{.items[*].name}'", "names, on one line"),
            (
                "meshtcp get dp -o custom-columns=NAME:.name,ADDRESS:.networking.address",
                "columns of one's own",
            ),
        ],
    ),
    (
        "status",
        &[
            ("meshtcp status", "how far routes, proxies and revisions have come"),
            ("meshtcp status endpoints --proxy-admin localhost:9901", "which endpoints are up"),
        ],
    ),
    (
        "top",
        &[
            ("meshtcp top", "all proxies, as they report to the control plane"),
            ("meshtcp top --proxy-admin localhost:9901", "one proxy, down to its connections"),
        ],
    ),
    (
        "check",
        &[
            ("meshtcp check", "the control plane, its proxies, and this host"),
            (
                "meshtcp check --proxy-admin localhost:9901 -o json",
                "a proxy of this host, too, for a program",
            ),
        ],
    ),
    ("bug-report", &[("meshtcp bug-report --to report.tar.gz", "what a developer needs, without secrets")]),
    (
        "token",
        &[
            (
                "meshtcp token create dataplane web-1 --valid-for 720h > web-1.token",
                "what the proxy attaches with",
            ),
            ("meshtcp token create user jo --group mesh-system:writer --valid-for 24h", "for a person"),
            ("meshtcp token inspect web-1.token", "whom it is for, and until when"),
            ("meshtcp token revoke web-1.token", "nobody is let in by it any more"),
        ],
    ),
    ("backup", &[("meshtcp backup --secrets --to mesh.backup", "everything, as `restore` takes it")]),
    ("logs", &[("meshtcp logs -f connections.log --ended connect-refused", "connections that nobody took")]),
    (
        "completion",
        &[(
            "meshtcp completion bash > /etc/bash_completion.d/meshtcp",
            "also kinds, names and contexts, as they are then",
        )],
    ),
];
