//! Answers the conformance cases with the functions of the product.
//!
//! One JSON request a line comes in, one JSON answer a line goes out. What is asked is in `check`; everything that is
//! computed is computed by `model`, `plan` and `dialect`, and here only put into the shape that is asked for.

mod documents;
mod duration;
mod entries;
mod identity;
mod inbound_xds;
mod inbounds;
mod inspect;
mod matched;
mod proxy;
mod reference;
mod request;
mod shape;
mod source_rules;
mod to_rules;
mod traffic;
mod validate;
mod xds;

use std::io::{self, BufRead as _, Write as _};
use std::panic::{self, AssertUnwindSafe};

use plan::ProxyId;
use serde_json::{Value, json};

use request::{Failure, Request};

fn main() -> io::Result<()> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    for line in input.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            writeln!(output, "{}", answer(&line))?;
            output.flush()?;
        }
    }
    Ok(())
}

/// One line for one line. A panic is a defect of the product: it is answered as an error, and the next line is read.
fn answer(line: &str) -> Value {
    let request = match Request::read(line) {
        Ok(request) => request,
        Err(why) => return json!({ "id": Request::id_of(line), "error": why }),
    };
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(&request)));
    match outcome {
        Ok(Ok(result)) => json!({ "id": request.id, "result": result }),
        Ok(Err(Failure::Unsupported(why))) => json!({ "id": request.id, "unsupported": why }),
        Ok(Err(Failure::Error(why))) => json!({ "id": request.id, "error": why }),
        Err(panic) => json!({ "id": request.id, "error": format!("panicked: {}", words(&*panic)) }),
    }
}

fn run(request: &Request) -> Result<Value, Failure> {
    match request.check.as_str() {
        "validate" => validate::answer(request),
        "matched-policies" => matched::answer(request),
        "to-rules" | "match-and-build-to-rules" => to_rules::of_proxy(request),
        "build-to-rules" => to_rules::of_policies(request),
        "build-resource-rules" => to_rules::resources_of_policies(request),
        "sort-to-entries" => entries::answer(request),
        "from-rules" => inbounds::of_proxy(request),
        "gateway-rules" => inbounds::of_gateway(request),
        "build-from-rules" => source_rules::by_tag(request),
        "build-inbound-rules" => source_rules::plain(request),
        "xds" => xds::answer(request),
        "xds-ingress" => xds::zone_proxy(request, ProxyId::ZoneIngress),
        "xds-egress" => xds::zone_proxy(request, ProxyId::ZoneEgress),
        "xds-zone-proxy" => xds::listeners_of_zone(request),
        "xds-inbound" => inbound_xds::answer(request),
        "rbac" => inbound_xds::permission_filter(request),
        "traffic" => traffic::answer(request),
        "identity" => identity::answer(request),
        "sni" => identity::server_name(request),
        "inspect" => inspect::answer(request),
        other => Err(Failure::Unsupported(format!("no check is called `{other}`"))),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
