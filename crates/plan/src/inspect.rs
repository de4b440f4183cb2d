//! Inspection of one proxy, in the shape of the reference's inspection API.

use model::policy::{Conf, HttpRouteConf, HttpRule, PolicyConf};
use model::{Kind, ProxyKey, ResourceId};
use serde_json::{Value, json};

use crate::rules::{Merged, Rules};
use crate::snapshot::Snapshot;

/// Response to an inspection request over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionResponse {
    /// HTTP status.
    pub status: u16,
    /// Response body.
    pub body: Value,
}

impl InspectionResponse {
    fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    fn refused(status: u16, title: &str, detail: &str) -> Self {
        // `details` is the older name of `detail`; clients of both read this
        let body = json!({
            "type": "/std-errors",
            "status": status,
            "title": title,
            "detail": detail,
            "details": detail,
        });
        Self { status, body }
    }
}

impl Snapshot {
    /// Returns the routes for one outbound of a proxy, by the KRI of what it dials:
    /// `GET /meshes/{mesh}/dataplanes/{name}/_outbounds/{kri}/_routes`.
    pub fn inspect_outbound_routes(&self, proxy: &ProxyKey, outbound: &str) -> InspectionResponse {
        let Some(id) = ResourceId::from_kri(outbound) else {
            let detail = format!("bad request: invalid identifier string: \"{outbound}\"");
            return InspectionResponse::refused(400, "Bad Request", &detail);
        };
        let Some(view) = self.seen_by(proxy) else {
            return InspectionResponse::refused(404, "Could not retrieve routes", "Not found");
        };
        let kinds = [Kind::MeshHTTPRoute, Kind::MeshTCPRoute];
        let routes = kinds.into_iter().filter_map(|kind| {
            let rules = view.rules(kind);
            rules.for_resource(&id).map(|merged| route(&rules, merged))
        });
        InspectionResponse::ok(json!({ "routes": routes.collect::<Vec<_>>() }))
    }
}

fn route(rules: &Rules, merged: &Merged) -> Value {
    let origins = merged.origins.iter().map(|origin| json!({ "kri": origin.policy.to_string() }));
    let said = merged.confs.iter().flat_map(|conf| match rules.kind {
        Kind::MeshHTTPRoute => http_rules(rules, merged, conf),
        _ => vec![json!({ "conf": conf.written().as_json()["default"], "kri": "", "matches": null })],
    });
    json!({
        "kind": rules.kind.as_str(),
        "origins": origins.collect::<Vec<_>>(),
        "rules": said.collect::<Vec<_>>(),
    })
}

fn http_rules(rules: &Rules, merged: &Merged, conf: &Conf) -> Vec<Value> {
    let list = HttpRouteConf::of(conf).map(|route| route.rules.as_slice()).unwrap_or_default();
    let rule = |HttpRule { matches, said: _, written }: &HttpRule| {
        let hash = crate::merge::matches_hash(matches);
        let origin = rules.backend_ref_origin(merged, &hash);
        json!({
            "conf": written,
            "kri": origin.map(|origin| origin.policy.to_string()),
            "matches": matches,
        })
    };
    list.iter().map(rule).collect()
}
