//! Reports and lists that are read page by page.

use change::certificates::CertificateReport;
use change::report::FleetReport;
use change::traffic::TrafficPage;
use serde_json::Value;
use xds::Foreign;

use super::{Client, Failed, NO_PAGE};
use crate::output::complain;

/// Number of proxies and routes requested per page of a report.
const REPORT_PAGE: usize = 1000;

impl Client {
    /// Report on the selected proxies and routes of the control plane: all pages of `query`, which may be empty.
    pub(crate) fn report(&self, query: &str) -> Result<FleetReport, Failed> {
        let mut all = self.page_of_report(query, 0)?;
        let mut offset = 0;
        loop {
            offset += REPORT_PAGE;
            if offset >= all.totals.proxies.total.max(all.totals.routes.total) {
                return Ok(all);
            }
            let FleetReport { proxies, routes, .. } = self.page_of_report(query, offset)?;
            all.proxies.extend(proxies);
            all.routes.extend(routes);
        }
    }

    /// Report without proxies and routes: the revision of the control plane with its progress, and the numbers of
    /// proxies and routes.
    pub(crate) fn summary(&self) -> Result<FleetReport, Failed> {
        self.page_of_report("&size=0", 0)
    }

    fn page_of_report(&self, query: &str, offset: usize) -> Result<FleetReport, Failed> {
        let strange = |why: String| Failed::Strange { whom: self.whom, server: self.server.clone(), why };
        let report = self.get(&format!("/_status?size={REPORT_PAGE}&offset={offset}{query}"))?;
        let report =
            report.ok_or_else(|| strange("it tells no status: it is no control plane of ours".into()))?;
        serde_json::from_value(report).map_err(|error| strange(format!("its status cannot be read: {error}")))
    }

    /// Traffic of connections, as reported to a control plane, or as counted by a proxy.
    pub(crate) fn traffic(&self, query: &str) -> Result<TrafficPage, Failed> {
        let strange = |why: String| Failed::Strange { whom: self.whom, server: self.server.clone(), why };
        let page = self.get(&format!("/_traffic{query}"))?;
        let page =
            page.ok_or_else(|| strange("it does not say what connections do: it is older than that".into()))?;
        serde_json::from_value(page)
            .map_err(|error| strange(format!("what it says of connections cannot be read: {error}")))
    }

    /// Self-description of the control plane.
    pub(crate) fn index(&self) -> Result<Value, Failed> {
        self.get("/")?.ok_or_else(|| self.is_none())
    }

    /// Report on issued certificates.
    pub(crate) fn certificates(&self, query: &str) -> Result<CertificateReport, Failed> {
        let strange = |why: String| Failed::Strange { whom: self.whom, server: self.server.clone(), why };
        let report = self.get(&format!("/_identity{query}"))?;
        let report =
            report.ok_or_else(|| strange("it issues no certificates, or is older than that".into()))?;
        serde_json::from_value(report)
            .map_err(|error| strange(format!("what it says of certificates cannot be read: {error}")))
    }

    /// All resources below the path of a collection, read page by page.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let mut found = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut next = Some(format!("{path}{separator}size=1000"));
        while let Some(path) = next.take() {
            let mut page = match self.answer(&path)? {
                Ok(page) => page,
                Err(mut said) => {
                    let names_mesh =
                        said.get("title").and_then(Value::as_str).is_some_and(|it| it.ends_with("Mesh"));
                    if let (true, Some(mesh)) = (names_mesh, path.split('/').nth(2)) {
                        said["detail"] = format!("there is no mesh {mesh}").into();
                    }
                    return Err(Failed::refused((self.whom, &self.server), 404, Some(&said), NO_PAGE));
                }
            };
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                found.extend(items);
            }
            if let Some(Value::Array(warnings)) = page.get("warnings") {
                for warning in warnings.iter().filter_map(Value::as_str) {
                    // each page has the warning, and so does each of several lists read by one command
                    if self.warned.borrow_mut().insert(warning.to_owned()) {
                        complain(&format!("warning: {}\n", Foreign::message(warning)));
                    }
                }
            }
            // the server builds an absolute URL from its own idea of its name: only the path is used
            next = page.get("next").and_then(Value::as_str).map(|url| path_of(url).to_owned());
            if next.as_ref() == Some(&path) {
                return Err(Failed::Strange {
                    whom: self.whom,
                    server: self.server.clone(),
                    why: format!("{path} names itself as the next page"),
                });
            }
        }
        Ok(found)
    }
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or(url, |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_a_path_on_the_same_server() {
        assert_eq!(
            path_of("http://localhost:5681/meshes/a/x?offset=1&size=2"),
            "/meshes/a/x?offset=1&size=2"
        );
        assert_eq!(path_of("/x?y"), "/x?y");
    }
}
