//! Certificates of proxies: who has which, and rotation on request.

use axum::http::Method;
use change::certificates::CertificateReport;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome, ParameterType, Query, Schema};
use super::refusal::Refusal;
use super::request::ApiRequest;

const OF_MESH: &[Query] = &[Query { name: "mesh", about: "Only of this mesh", sort: ParameterType::Text }];
const OF_PROXY: &[Query] =
    &[Query { name: "name", about: "Only of this proxy of the mesh", sort: ParameterType::Text }];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let rotate = Operation::new(
        Method::POST,
        "/_identity/_rotate",
        "Makes new certificates for the proxies of all control planes on the store",
        |request| Box::pin(rotate(request)),
    );
    vec![
        Operation::get(
            "/_identity",
            "Says who has which certificate, and who signs them",
            Schema::of::<CertificateReport>(),
            |request| Box::pin(report(request)),
        )
        .query(OF_MESH),
        rotate.needs(Role::Writer).good(200, Body::of::<Rotated>()).query(OF_MESH).query(OF_PROXY),
    ]
}

async fn report(request: ApiRequest) -> Outcome {
    let issuer = request.api().setup.issuer.as_ref();
    let mut report = issuer.map(|issuer| (**issuer.report().borrow()).clone()).unwrap_or_default();
    if let Some(mesh) = request.asked("mesh") {
        report.authorities.retain(|it| it.mesh == mesh);
        report.proxies.retain(|it| it.mesh == mesh);
        report.outside.retain(|it| it.mesh == mesh);
    }
    Ok(Answer::json(json!(report)))
}

/// Number of attached proxies that get a new certificate.
#[derive(Serialize, JsonSchema)]
struct Rotated {
    rotated: usize,
}

async fn rotate(request: ApiRequest) -> Outcome {
    let [mesh, name] = ["mesh", "name"].map(|part| request.asked(part).map(str::to_owned));
    if mesh.is_none() && name.is_some() {
        return Err(Refusal::bad("`name` needs the `mesh` of the proxy"));
    }
    let rotated = match &request.api().setup.issuer {
        Some(issuer) => issuer.rotate(mesh, name).await,
        None => 0,
    };
    Ok(Answer::json(json!(Rotated { rotated })))
}
