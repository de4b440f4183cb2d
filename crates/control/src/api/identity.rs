//! Certificates of proxies: who has which, and rotation on request.

use axum::http::Method;
use change::certificates::CertificateReport;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::ask::Ask;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome, Query, Schema, Sort};
use super::refusal::Refusal;

const OF_MESH: &[Query] = &[Query { name: "mesh", about: "Only of this mesh", sort: Sort::Text }];
const OF_PROXY: &[Query] =
    &[Query { name: "name", about: "Only of this proxy of the mesh", sort: Sort::Text }];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let rotate = Operation::new(
        Method::POST,
        "/_identity/_rotate",
        "Makes new certificates for the proxies of all control planes on the store",
        |ask| Box::pin(rotate(ask)),
    );
    vec![
        Operation::get(
            "/_identity",
            "Says who has which certificate, and who signs them",
            Schema::of::<CertificateReport>(),
            |ask| Box::pin(report(ask)),
        )
        .query(OF_MESH),
        rotate.needs(Role::Writer).good(200, Body::of::<Rotated>()).query(OF_MESH).query(OF_PROXY),
    ]
}

async fn report(ask: Ask) -> Outcome {
    let issuer = ask.desk().setup.issuer.as_ref();
    let mut report = issuer.map(|issuer| (**issuer.report().borrow()).clone()).unwrap_or_default();
    if let Some(mesh) = ask.asked("mesh") {
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

async fn rotate(ask: Ask) -> Outcome {
    let [mesh, name] = ["mesh", "name"].map(|part| ask.asked(part).map(str::to_owned));
    if mesh.is_none() && name.is_some() {
        return Err(Refusal::bad("`name` needs the `mesh` of the proxy"));
    }
    let rotated = match &ask.desk().setup.issuer {
        Some(issuer) => issuer.rotate(mesh, name).await,
        None => 0,
    };
    Ok(Answer::json(json!(Rotated { rotated })))
}
