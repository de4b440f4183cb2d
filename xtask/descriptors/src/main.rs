//! Generator of the descriptor set of the Envoy dialect; README.md has instructions and reasons.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use prost::Message;
use prost_types::FileDescriptorSet;
use protox::Compiler;
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

/// Files whose messages are included, without the `.proto` ending.
const ROOTS: &[&str] = &[
    "envoy/admin/v3/config_dump",
    "envoy/config/bootstrap/v3/bootstrap",
    "envoy/config/cluster/v3/cluster",
    "envoy/config/endpoint/v3/endpoint",
    "envoy/config/listener/v3/listener",
    "envoy/config/route/v3/route",
    "envoy/extensions/access_loggers/file/v3/file",
    "envoy/extensions/access_loggers/grpc/v3/als",
    "envoy/extensions/access_loggers/stream/v3/stream",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst",
    "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector",
    "envoy/extensions/filters/network/connection_limit/v3/connection_limit",
    "envoy/extensions/filters/network/direct_response/v3/config",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager",
    "envoy/extensions/filters/network/kafka_broker/v3/kafka_broker",
    "envoy/extensions/filters/network/rbac/v3/rbac",
    "envoy/extensions/filters/network/sni_cluster/v3/sni_cluster",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy",
    "envoy/extensions/load_balancing_policies/least_request/v3/least_request",
    "envoy/extensions/load_balancing_policies/maglev/v3/maglev",
    "envoy/extensions/load_balancing_policies/random/v3/random",
    "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash",
    "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin",
    "envoy/extensions/load_balancing_policies/subset/v3/subset",
    "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality",
    "envoy/extensions/matching/common_inputs/network/v3/network_inputs",
    "envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer",
    "envoy/extensions/transport_sockets/tls/v3/tls",
    "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config",
    "envoy/extensions/upstreams/http/v3/http_protocol_options",
    "envoy/extensions/upstreams/tcp/v3/tcp_protocol_options",
    "envoy/service/discovery/v3/ads",
];

/// Folders of the package's `proto` folder in which imports are looked up.
const IMPORTS: &[&str] = &[
    "data-plane-api",
    "xds",
    "googleapis",
    "protoc-gen-validate",
    "cel-spec",
    "client_model",
    "opentelemetry-proto",
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = here.join("../../crates/dialect/descriptors/envoy.binpb");
    let made = descriptor_set(here)?;
    if std::env::args().any(|argument| argument == "--check") {
        let current = std::fs::read(&committed).is_ok_and(|bytes| bytes == made);
        println!(
            "{}: {}",
            committed.display(),
            if current { "current" } else { "not what this program makes; run it without --check" }
        );
        return Ok(if current { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    std::fs::write(&committed, &made)?;
    println!("{}: {} bytes", committed.display(), made.len());
    Ok(ExitCode::SUCCESS)
}

fn descriptor_set(here: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let sources = envoy_sources(&here.join("Cargo.toml"))?;
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(here.join("proto")));
    for import in IMPORTS {
        resolver.add(IncludeFileResolver::new(sources.join(import)));
    }
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    for root in ROOTS {
        compiler.open_file(format!("{root}.proto"))?;
    }
    let mut set = FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    for file in &mut set.file {
        strip(file);
    }
    set.file.retain(|file| !file.message_type.is_empty() || !file.enum_type.is_empty());
    let kept: Vec<String> = set.file.iter().map(|file| file.name().to_owned()).collect();
    for file in &mut set.file {
        file.dependency.retain(|name| kept.contains(name));
        file.public_dependency.clear();
        file.weak_dependency.clear();
    }
    Ok(set.encode_to_vec())
}

/// Removes parts that neither encoding nor decoding needs: services, extensions of options, and options, except those
/// that change the wire format.
fn strip(file: &mut prost_types::FileDescriptorProto) {
    file.service.clear();
    file.extension.clear();
    file.options = None;
    file.source_code_info = None;
    file.message_type.iter_mut().for_each(strip_message);
    file.enum_type.iter_mut().for_each(strip_enum);
}

fn strip_message(message: &mut prost_types::DescriptorProto) {
    message.options = message
        .options
        .take()
        .filter(|options| options.map_entry())
        .map(|_| prost_types::MessageOptions { map_entry: Some(true), ..Default::default() });
    message.extension.clear();
    for field in &mut message.field {
        field.options = field
            .options
            .take()
            .and_then(|options| options.packed)
            .map(|packed| prost_types::FieldOptions { packed: Some(packed), ..Default::default() });
    }
    message.oneof_decl.iter_mut().for_each(|oneof| oneof.options = None);
    message.enum_type.iter_mut().for_each(strip_enum);
    message.nested_type.iter_mut().for_each(strip_message);
}

fn strip_enum(enumeration: &mut prost_types::EnumDescriptorProto) {
    enumeration.options =
        enumeration.options.take().and_then(|options| options.allow_alias).map(|allow_alias| {
            prost_types::EnumOptions { allow_alias: Some(allow_alias), ..Default::default() }
        });
    enumeration.value.iter_mut().for_each(|value| value.options = None);
}

/// Folder of `envoy-types`, as cargo unpacked it.
fn envoy_sources(manifest: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let package = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == "envoy-types"))
        .ok_or("cargo metadata does not name envoy-types; is it still in Cargo.toml?")?;
    let manifest = package["manifest_path"].as_str().ok_or("envoy-types has no manifest path")?;
    Ok(Path::new(manifest).with_file_name("proto"))
}
