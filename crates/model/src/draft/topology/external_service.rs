//! Reader of ExternalService: a service outside the mesh, in the tag-based model (spec 01 §12).

use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{CANNOT_BE_EMPTY, address, data_source, port, protocol, tags};
use crate::draft::{Body, Context, Fields};
use crate::reference::SERVICE_TAG;
use crate::resource::Spec;
use crate::topology::{ExternalService, ExternalTls, Verification};

/// Reads and checks an ExternalService.
pub(crate) fn external_service(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let mut networking = body.spec.object("networking");
    let (mut host, mut port) = (String::new(), 0);
    if networking.is_present() {
        (host, port) = address(&mut networking);
    } else {
        body.spec.violate("networking", "should have networking");
    }
    let is_dialled_by_host = networking.flag("disableHostDNSEntry") != Some(true);
    let tls = tls(networking.object("tls"));
    let (tags, path) = (tags::read(&mut body.spec, "tags"), body.spec.at("tags"));
    protocol::check_tag(&body.spec, &path, &tags, context.profile);
    TagRules::OF_SERVICE.check(&body.spec, &path, &tags);
    if context.profile.external_service_differs_from_host() && tags.service() == Some(&host) {
        body.spec.violate_at(path.key(SERVICE_TAG), "cannot be the same as networking.address");
    }
    Spec::ExternalService(ExternalService { tags, host, port, is_dialled_by_host, tls })
}

/// Reads `host:port`, or `[host]:port` if the host has colons.
fn address(networking: &mut Fields<'_>) -> (String, u16) {
    let address = networking.string("address");
    if address.is_empty() {
        networking.violate("address", "address can't be empty");
        return (address, 0);
    }
    let (host, port) = split(&address).unwrap_or_else(|| {
        networking.violate("address", "unable to parse address");
        ("", "")
    });
    if !address::is_ip(host) && !address::is_dns_name(host) {
        networking.violate("address", "address has to be a valid IP address or a domain name");
    }
    let number = port.parse::<u32>().ok().filter(|_| port.starts_with(|first: char| first.is_ascii_digit()));
    if number.is_none() {
        networking.violate("address", "unable to parse port in address");
    }
    let port = port::check_at(networking, networking.at("address"), number.unwrap_or_default().into());
    (host.to_owned(), port)
}

/// Splits host and port, if the text has just one colon outside of brackets.
fn split(address: &str) -> Option<(&str, &str)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => address.split_once(':')?,
    };
    let is_clean = |text: &str| !text.contains(['[', ']']);
    (is_clean(host) && is_clean(port) && !port.contains(':')).then_some((host, port))
}

/// Reads TLS; `None`: it is not enabled.
fn tls(mut tls: Fields<'_>) -> Option<ExternalTls> {
    tls.known(&["allowRenegotiation"]);
    let mut source = |name| {
        let written = tls.object(name);
        let is_present = written.is_present();
        let source = data_source::with_text(written, false);
        if is_present && source.is_none() {
            tls.violate(name, "data source cannot be empty");
        }
        source
    };
    let (authority, certificate, key) = (source("caCert"), source("clientCert"), source("clientKey"));
    let server_name = tls.text("serverName");
    if tls.has("serverName") && server_name.is_none() {
        tls.violate("serverName", CANNOT_BE_EMPTY);
    }
    let verification = match tls.flag("skipHostnameVerification").unwrap_or_default() {
        true => Verification::SkipSan,
        false => Verification::Secured,
    };
    tls.flag("enabled").unwrap_or_default().then(|| ExternalTls {
        server_name,
        verification,
        ..ExternalTls::of_certificates(authority, certificate, key)
    })
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_address_is_split_at_its_one_colon() {
        assert_eq!(split("example.com:80"), Some(("example.com", "80")));
        assert_eq!(split("[fd00::1]:80"), Some(("fd00::1", "80")));
        assert_eq!(split(":"), Some(("", "")));
        for text in ["example.com", "fd00:1234::1:8080", "[fd00::1]", "[a]b:80", "a]:80"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
