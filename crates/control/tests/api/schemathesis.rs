//! Tests with requests that Schemathesis generates from the OpenAPI document: none breaks the server, and none is
//! answered in a way that the document does not allow.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{Server, trusting};

/// Number of generated requests per operation, besides those that cover its parameters.
const EXAMPLES: &str = "3";
/// Seed of the generator, fixed for reproducible requests.
const SEED: &str = "20240501";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_made_up_breaks_the_server_or_gets_an_answer_that_is_not_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/schemathesis");
    assert!(
        folder.join("schemathesis").is_dir(),
        "{} is not there: `cargo xtask test` installs it (pip install --target target/schemathesis schemathesis)",
        folder.display()
    );
    let server = Server::start(trusting()).await;
    server.keep(include_str!("cases/one-proxy/mesh.yaml")).await;
    server.settle().await;
    let url = format!("http://{}", server.address);
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", folder.canonicalize().unwrap())
        .env("NO_COLOR", "1")
        .current_dir(scratch.path())
        .args(["-m", "schemathesis.cli", "run", &format!("{url}/openapi.json"), "--url", &url])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED])
        // a stream of events lasts as long as requested
        .args(["--exclude-path-regex", "_events$"])
        .args(["--continue-on-failure", "--warnings", "off", "--workers", "1"])
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // a run without requests would succeed too
    assert!(said.contains("passed"), "{said}");
}
