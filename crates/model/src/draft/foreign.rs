//! Foreign kinds, known by name: they occur in people's files beside those of a mesh and have no effect on TCP.

/// Returns the reason why documents of a kind are left out; `None`: the kind is unknown.
pub(crate) fn left_out(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AccessAudit" | "AccessRole" | "AccessRoleBinding" => "it is about the API of Kong Mesh",
        "MeshGlobalRateLimit" | "MeshOPA" | "OPAPolicy" => "it is about requests over HTTP, in Kong Mesh",
        "ContainerPatch" | "MeshGatewayConfig" | "MeshGatewayInstance" => "it is about pods of Kubernetes",
        "Config" => "it is a setting of Kuma's own control plane",
        "DataplaneInsight"
        | "GlobalInsight"
        | "MeshInsight"
        | "ServiceInsight"
        | "ZoneEgressInsight"
        | "ZoneIngressInsight"
        | "ZoneInsight"
        | "DataplaneOverview"
        | "ZoneEgressOverview"
        | "ZoneIngressOverview"
        | "ZoneOverview" => "control planes compute it, and nobody puts it",
        _ => return None,
    })
}
