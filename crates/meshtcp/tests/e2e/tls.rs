//! TLS to the control plane: certificates that commands and proxies trust, and secrets that they do not send in
//! plaintext.

use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;

use crate::certificates::{Authority, Pair};
use crate::program::{Program, answer, eventually, meshtcp};

/// Control plane that speaks nothing but TLS, and requires tokens.
struct ControlPlane {
    program: Program,
    api: String,
    xds: String,
}

impl ControlPlane {
    fn start(Pair { certificate, key }: &Pair) -> Self {
        let fixed = ["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
        let api = ["--api-tls-cert", certificate, "--api-tls-key", key];
        let xds = ["--xds-tls-cert", certificate, "--xds-tls-key", key, "--dataplane-auth", "token"];
        let program = Program::start(meshtcp(fixed.iter().chain(&api).chain(&xds)));
        let line = program.awaits_text(0, "discovery: ");
        let xds = line.strip_prefix("discovery: ").and_then(|rest| rest.split_once(" over TLS")).unwrap().0;
        let line = program.awaits_text(0, "api: https://");
        let api = line.strip_prefix("api: ").unwrap().to_owned();
        Self { xds: format!("https://{xds}"), api, program }
    }

    fn ask(&self, authority: &Authority, arguments: &[&str]) -> (i32, String, String) {
        let way = ["--server", &self.api, "--ca-file", &authority.file()];
        answer(&mut meshtcp(arguments.iter().chain(&way)))
    }
}

#[test]
fn commands_and_proxies_believe_whom_they_are_told_to_believe() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let control_plane = ControlPlane::start(&ours.signs("127.0.0.1"));
    eventually("the API is there for those who believe it", || {
        control_plane.ask(&ours, &["get", "meshes", "-o", "name"]).1 == "meshes/default\n"
    });
    let (code, _, err) = control_plane.ask(&theirs, &["get", "meshes"]);
    assert!(code == 4 && err.contains("certificate"), "{code}: {err}");
    let plain = control_plane.api.replace("https://", "http://");
    let (code, _, err) = answer(&mut meshtcp(["get", "meshes", "--server", &plain]));
    assert_eq!(code, 4, "{err}");
    // the socket speaks plaintext, for commands that ask for plaintext
    let line = control_plane.program.awaits_text(0, "api for commands of this user: ");
    let socket = line.trim_start_matches("api for commands of this user: ");
    assert!(socket.contains("/tls-127.0.0.1:"), "{socket}");
    let (code, _, err) = answer(&mut meshtcp(["get", "globalsecrets", "--server", socket]));
    assert_eq!(code, 0, "{err}");

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let dataplane = "type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  \
                     inbound: [{port: 1, tags: {kuma.io/service: web}}]\n";
    std::fs::write(file("web.yaml"), dataplane).unwrap();
    let (code, _, err) = control_plane.ask(&ours, &["apply", "-f", &file("web.yaml")]);
    assert_eq!(code, 0, "{err}");
    let wanted = r#"{"mesh":"default","name":"web-1","validFor":"1h"}"#;
    let token = Command::new("curl")
        .args(["-sf", "--cacert", &ours.file(), "-H", "content-type: application/json", "-d", wanted])
        .arg(format!("{}/tokens/dataplane", control_plane.api))
        .output()
        .unwrap();
    assert!(token.status.success() && !token.stdout.is_empty(), "{token:?}");
    std::fs::write(file("token"), &token.stdout).unwrap();

    let start = |control_plane: &str, more: &[&str]| {
        let fixed = ["proxy", "--proxy", "web-1", "--control-plane", control_plane];
        Program::start(meshtcp(fixed.iter().chain(more)))
    };
    let with = |authority: &Authority| [authority.file(), file("token")];
    let [ca, token] = with(&theirs);
    let stranger = start(&control_plane.xds, &["--ca-file", &ca, "--token-file", &token]);
    stranger.awaits_text(0, "invalid peer certificate");
    start(&control_plane.xds.replace("https://", "http://"), &[]).awaits_text(0, "no control plane");
    let [ca, token] = with(&ours);
    let proxy = start(&control_plane.xds, &["--ca-file", &ca, "--token-file", &token]);
    proxy.awaits_text(0, "connected to the control plane");
    control_plane.program.awaits_text(0, "default/web-1 runs what it should");
    assert!(!control_plane.program.printed().contains("attached: unknown"));
}

#[test]
fn a_hangup_has_a_proxy_read_again_whom_it_believes() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let control_plane = ControlPlane::start(&ours.signs("127.0.0.1"));
    let folder = tempfile::tempdir().unwrap();
    let believed = folder.path().join("ca.pem");
    std::fs::copy(theirs.file(), &believed).unwrap();
    let ca = believed.to_str().unwrap();
    let fixed = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds, "--ca-file", ca];
    let proxy = Program::start(meshtcp(fixed));
    proxy.awaits_text(0, "invalid peer certificate");
    // what cannot be read changes nothing
    std::fs::write(&believed, "nothing").unwrap();
    proxy.signal(Signal::HUP);
    proxy.awaits_text(0, "what was read before stays in use");
    std::fs::copy(ours.file(), &believed).unwrap();
    proxy.signal(Signal::HUP);
    // past TLS, it is asked for the token that it does not have
    proxy.awaits_text(0, "--token-file");
}

#[test]
fn a_certificate_that_signs_itself_is_believed_by_who_has_it() {
    let authority = Authority::new();
    let pair = authority.alone("127.0.0.1");
    let control_plane = ControlPlane::start(&pair);
    let ask = |ca: &str| {
        answer(&mut meshtcp(["get", "meshes", "-o", "name", "--server", &control_plane.api, "--ca-file", ca]))
    };
    eventually("the API is there", || ask(&pair.certificate).1 == "meshes/default\n");
    let attach = |ca: &str| {
        let fixed = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds, "--ca-file", ca];
        Program::start(meshtcp(fixed))
    };
    // after the TLS handshake, it is refused for lack of a token
    attach(&pair.certificate).awaits_text(0, "token");
    // a certificate of the same form that is not in --ca-file
    let other = authority.alone("localhost");
    let (code, _, err) = ask(&other.certificate);
    assert!(code == 4 && err.contains("help: its certificate") && !err.contains("running"), "{code}: {err}");
    attach(&other.certificate).awaits_text(0, "--ca-file");
    // under another name of this host
    let (code, _, err) = answer(&mut meshtcp([
        "get",
        "meshes",
        "--server",
        &control_plane.api.replace("127.0.0.1", "localhost"),
        "--ca-file",
        &pair.certificate,
    ]));
    assert!(code == 4 && err.contains("help: its certificate is for another name"), "{code}: {err}");
}

#[test]
fn a_certificate_for_another_host_is_not_believed() {
    let authority = Authority::new();
    let control_plane = ControlPlane::start(&authority.signs("cp.example.com"));
    let ca = authority.file();
    let fixed = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds, "--ca-file", &ca];
    Program::start(meshtcp(fixed)).awaits_text(0, "invalid peer certificate");
    let (code, _, err) = control_plane.ask(&authority, &["get", "meshes"]);
    assert!(code == 4 && err.contains("certificate"), "{code}: {err}");
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let (first, second) = (Authority::new(), Authority::new());
    let pair = first.signs("127.0.0.1");
    let control_plane = ControlPlane::start(&pair);
    let meshes = ["get", "meshes", "-o", "name"];
    eventually("the API is there", || control_plane.ask(&first, &meshes).1 == "meshes/default\n");
    let renewed = second.signs("127.0.0.1");
    std::fs::rename(renewed.certificate, pair.certificate).unwrap();
    std::fs::rename(renewed.key, pair.key).unwrap();
    eventually("the API shows the new one", || control_plane.ask(&second, &meshes).1 == "meshes/default\n");
    let attach = |authority: &Authority| {
        let fixed = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds, "--ca-file"];
        Program::start(meshtcp(fixed.iter().chain(&[authority.file().as_str()])))
    };
    // after the TLS handshake, it is refused for lack of a token
    eventually("discovery shows it, too", || {
        attach(&second).awaits_text(0, "control plane").contains("token")
    });
    attach(&first).awaits_text(0, "invalid peer certificate");
}

#[test]
fn a_token_is_not_sent_in_plain_sight() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "e30.e30.e30").unwrap();
    for command in ["proxy", "envoy-bootstrap"] {
        let arguments = [command, "--proxy", "web-1", "--control-plane", "192.0.2.1:5678", "--token-file"];
        let (code, out, err) = answer(meshtcp(arguments).arg(&token));
        assert!(code == 3 && err.contains("plain sight") && err.contains("https://192.0.2.1:5678"), "{err}");
        assert_eq!(out, "");
    }
    // the control plane cannot know of a tunnel, so it warns
    let fixed = ["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "0.0.0.0:0"];
    Program::start(meshtcp(fixed.iter().chain(&["--dataplane-auth", "token"])))
        .awaits_text(0, "in plaintext");
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_before_anything_is_served() {
    let authority = Authority::new();
    let (one, other) = (authority.signs("one"), authority.signs("other"));
    let start = |certificate: &str, key: &str, which: &str| {
        let (cert_flag, key_flag) = (format!("--{which}-tls-cert"), format!("--{which}-tls-key"));
        let mut command = meshtcp(["control-plane", "--store", "memory", "--api", "127.0.0.1:0"]);
        answer(command.args(["--xds", "127.0.0.1:0", &cert_flag, certificate, &key_flag, key]))
    };
    for which in ["api", "xds"] {
        let (code, _, err) = start(&one.certificate, &other.key, which);
        assert!(code == 3 && err.contains(&format!("--{which}-tls-cert: ")), "{code}: {err}");
        let (code, _, err) = start("/nonexistent", &one.key, which);
        assert!(code == 3 && err.contains("/nonexistent"), "{code}: {err}");
        let (code, _, err) = start(&one.certificate, "/nonexistent", which);
        let said = format!("--{which}-tls-key: /nonexistent cannot be used: No such file");
        assert!(code == 3 && err.contains(&said), "{code}: {err}");
        let (code, _, err) = start(&one.key, &one.key, which);
        assert_eq!(code, 3, "{err}");
    }
    let (code, _, err) =
        answer(&mut meshtcp(["control-plane", "--store", "memory", "--xds-tls-cert", &one.certificate]));
    assert!(code == 2 && err.contains("--xds-tls-key"), "{err}");
}

/// Self-signed certificate for 127.0.0.1 that expires in this number of days.
fn ending(folder: &Path, days: i64) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let ends = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(days));
    params.not_after = date_time_ymd(i32::from(ends.year()), ends.month() as u8, ends.day() as u8);
    let keep = |kind: &str, text: String| {
        let file = folder.join(format!("{days}.{kind}.pem"));
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let certificate = keep("certificate", params.self_signed(&key).unwrap().pem());
    Pair { certificate, key: keep("key", key.serialize_pem()) }
}

#[test]
fn check_says_whom_the_certificate_of_the_api_is_for_and_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let check = |days: i64| {
        let pair = ending(folder.path(), days);
        let control_plane = ControlPlane::start(&pair);
        answer(&mut meshtcp(["check", "--server", &control_plane.api, "--ca-file", &pair.certificate]))
    };
    for (days, level) in [(400, "ok"), (3, "warn")] {
        let (code, out, err) = check(days);
        assert_ne!(code, 4, "{err}");
        let line = out.lines().find(|line| line.contains("API certificate"));
        let line = line.unwrap_or_else(|| panic!("{out}"));
        assert!(line.starts_with(level) && line.contains("for 127.0.0.1, until 20"), "{line}");
    }
    // an expired certificate is not trusted, and that is reported
    let (code, out, _) = check(-1);
    let line = out.lines().find(|line| line.contains("control plane")).unwrap();
    assert!(code == 4 && line.starts_with("fail"), "{out}");
}
