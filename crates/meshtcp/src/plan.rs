//! `meshtcp plan`: configuration of one proxy, each value with the policy that it comes from.

mod paths;
mod view;

pub(crate) use view::in_each_dialect;

use change::addresses::as_if_new;
use change::compile::{Compiled, Compiler, PlanScope};
use dialect::envoy::{EnvoyOptions, EnvoyResources};
use plan::{Context, Plan, ProxyFeatures, ProxyId, Redirection, plan_json};
use serde_json::{Value, json};

use crate::control_plane::Split;
use crate::envoy_bootstrap::fixed;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format, complain, print};
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The proxy: NAME (of mesh `default`), MESH/NAME, ZoneIngress/NAME or ZoneEgress/NAME
    #[arg(long, value_name = "NAME")]
    proxy: ProxyId,
    /// The zone of the control plane that would plan it; default: there are no zones
    #[arg(long, value_name = "ZONE", value_parser = names::zone)]
    zone: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// In whose words to say it
    #[arg(long = "as", value_enum, default_value_t, value_name = "WORDS")]
    words: Words,
    /// How Envoy is told splits
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    envoy_split: Split,
    /// With `--as envoy`: print a whole bootstrap that needs no control plane
    #[arg(long = "static")]
    fixed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Words {
    /// The plan itself, with the origin of each value
    #[default]
    Plan,
    /// What Envoy is told
    Envoy,
    /// What our own proxy is told
    L4,
}

pub(crate) fn run(Args { source, proxy, zone, output: format, words, envoy_split, fixed }: Args) -> Exit {
    if fixed && words != Words::Envoy {
        complain("error: --static prints a bootstrap of Envoy\n  help: add --as envoy\n");
        return Exit::Usage;
    }
    let compiled = match planned(&source, &proxy, zone, options(envoy_split)) {
        Ok(compiled) => compiled,
        Err(exit) => return exit,
    };
    let Some(found) = compiled.proxies.get(&proxy) else { return unknown(&compiled, &proxy, "these files") };
    if fixed && needs_secrets(&found.plan) {
        complain(&format!(
            "error: {} proves itself with certificates, which a control plane gives out and renews: a bootstrap without one has none, and \
             Envoy does not start with it\n  help: `meshtcp envoy-bootstrap` prints one that attaches; leave --static out to see what it \
             would be told\n",
            proxy.resource()
        ));
        return Exit::Problems;
    }
    let tree = match (words, format) {
        (Words::Plan, Format::Table) => {
            print(&view::table(found, &paths::of_outbounds(found)));
            return Exit::Ok;
        }
        (Words::Plan, Format::Yaml | Format::Json) => {
            let mut tree = plan_json(&found.plan);
            tree["paths"] = paths::tree(&paths::of_outbounds(found));
            tree["assumed"] = assumed(compiled.snapshot.context().features(&proxy));
            tree["notes"] = json!({ "l4": found.told.l4().notes, "envoy": found.told.envoy().map_or(&[][..], |said| &said.notes) });
            tree
        }
        (Words::Envoy, _) => envoy(&found.plan, envoy_split, fixed),
        (Words::L4, _) => l4(&found.plan),
    };
    // messages of a proxy have no table form
    let format = if format == Format::Table { Format::Yaml } else { format };
    print(&output::structured(format, &tree).unwrap_or_default());
    Exit::Ok
}

/// Plans one proxy by the valid resources of the files; reports the others on standard error.
///
/// # Errors
/// Exit status, after the reason was reported.
fn planned(
    source: &Source,
    proxy: &ProxyId,
    zone: Option<String>,
    envoy: EnvoyOptions,
) -> Result<Compiled, Exit> {
    let ledger = source.rules.load(&source.paths(), "default")?;
    // no allocator of virtual IPs runs here: those that Kuma would give for these files
    let tags = source.rules.vips.ranges().tags;
    let tag_addresses =
        tags.map(|range| as_if_new(ledger.resources().map(|it| &**it), range)).unwrap_or_default();
    // as every proxy does that is new enough to know it
    let unannounced = ProxyFeatures { strict_inbound_ports: true, ..ProxyFeatures::default() };
    let context = Context { zone, tag_addresses, unannounced, ..Context::new(source.rules.profile) };
    Ok(Compiler { context, scope: PlanScope::only([proxy.clone()]), envoy }.compile(&ledger))
}

/// Reports that the proxy does not exist in `place`, and which ones do.
pub(crate) fn unknown(compiled: &Compiled, proxy: &ProxyId, place: &str) -> Exit {
    let everything = PlanScope::everything();
    let known: Vec<String> = everything.proxies(&compiled.snapshot).map(|key| key.to_string()).collect();
    let help = match known.as_slice() {
        [] => format!("there is no Dataplane in {place}"),
        known => format!("there are {}", known.join(", ")),
    };
    complain(&format!("error: there is no {}\n  help: {help}\n", proxy.resource()));
    Exit::Problems
}

/// Returns `true` if a proxy needs certificates or authorities in addition to its configuration.
fn needs_secrets(plan: &Plan) -> bool {
    !plan.identities().is_empty() || !plan.external_secrets().is_empty()
}

/// Features that the proxy is assumed to announce when it attaches, since it was not asked.
fn assumed(features: ProxyFeatures) -> Value {
    let ProxyFeatures {
        unified_naming,
        bind_outbounds,
        transparent,
        workload_identity,
        strict_inbound_ports,
        spire_socket,
    } = features;
    let redirection = |Redirection { inbound, outbound, ipv6 }: Redirection| json!({ "inbound": inbound, "outbound": outbound, "ipv6": ipv6 });
    json!({
        "unifiedNaming": unified_naming,
        "bindOutbounds": bind_outbounds,
        "transparentProxy": transparent.map(redirection),
        "workloadIdentity": workload_identity,
        "strictInboundPorts": strict_inbound_ports,
        "spireSocket": spire_socket.as_deref(),
    })
}

fn options(split: Split) -> EnvoyOptions {
    EnvoyOptions { split: split.into(), ..EnvoyOptions::default() }
}

fn envoy(plan: &Plan, split: Split, fixed: bool) -> Value {
    let resources = dialect::envoy::lower(plan, &options(split));
    let EnvoyResources { listeners, clusters, endpoints, notes } = &resources;
    let notes: Vec<String> = notes.iter().map(|note| format!("{}: {}", note.listener, note.text)).collect();
    if fixed {
        // a bootstrap has no place for remarks
        notes.iter().for_each(|note| complain(&format!("note: {note}\n")));
        return fixed::bootstrap(&plan.proxy.id, &resources);
    }
    json!({
        "listeners": listeners.values().collect::<Vec<_>>(),
        "clusters": clusters.values().collect::<Vec<_>>(),
        "endpoints": endpoints.values().collect::<Vec<_>>(),
        "notes": notes,
    })
}

fn l4(plan: &Plan) -> Value {
    let resources = dialect::l4::lower(plan);
    let mut tree = json!({
        "listeners": resources.listeners.values().collect::<Vec<_>>(),
        "routes": resources.routes.values().collect::<Vec<_>>(),
        "clusters": resources.clusters.values().collect::<Vec<_>>(),
        "endpoints": resources.endpoints.values().collect::<Vec<_>>(),
        "notes": resources.notes,
    });
    if let Some(names) = resources.names {
        tree["names"] = json!(names.names);
    }
    tree
}
