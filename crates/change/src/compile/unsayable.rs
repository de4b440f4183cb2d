//! Plans that a dialect cannot encode: reported before anything comes into force.

use model::{Problem, Severity};
use plan::ProxyId;

use super::{Compiled, Unsayable};
use crate::Ledger;

/// Problems of proxies whose plan could not be encoded for Envoy, as far as it was tried. They block nothing: such an
/// Envoy keeps its configuration, and all others get theirs. The caller decides the severity.
pub fn unsayable(compiled: &Compiled, ledger: &Ledger, severity: Severity) -> Vec<Problem> {
    let found = compiled.proxies.iter();
    let found = found.filter_map(|(key, proxy)| Some((key, proxy.told.unsayable()?)));
    let problem = |(key, why): (&ProxyId, &Unsayable)| Problem {
        help: Some("this is a mistake of meshtcp: please report it, with these resources".into()),
        ..ledger.problem_of_proxy(key, severity, why.to_string())
    };
    found.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use dialect::{EncodeError, Problem as Mistake};
    use plan::Context;

    use super::*;
    use crate::preview::{OpenConnections, State, preview};
    use crate::{Content, Options};

    const MESH: &str = "type: Dataplane\nmesh: default\nname: web-1\nnetworking: { address: 127.0.0.1, inbound: [ { port: 80, \
                        tags: { kuma.io/service: web } } ] }\n";

    #[test]
    fn a_plan_that_cannot_be_said_is_told_in_the_same_words_before_and_after() {
        let content = Content::read("mesh.yaml", MESH.as_bytes(), &Options::default());
        let ledger: Ledger = content.entries.into_iter().collect();
        let nothing = State::of(Ledger::default(), &Context::default(), Default::default());
        let proposed = State::of(ledger, &Context::default(), Default::default());
        assert!(unsayable(&proposed.compiled, &proposed.ledger, Severity::Error).is_empty());
        let mistake = EncodeError { path: "filterChains[0]".to_owned(), problem: Mistake::NoType };
        proposed.compiled.proxies.values().for_each(|proxy| proxy.told.fails(mistake.clone().into()));

        let words =
            "its plan cannot be said to an Envoy, which keeps what it runs: filterChains[0]: has no `@type`";
        let problems = unsayable(&proposed.compiled, &proposed.ledger, Severity::Warning);
        let said: Vec<_> =
            problems.iter().map(|it| (it.resource.as_deref(), it.violation.message.as_str())).collect();
        assert_eq!(said, [(Some("Dataplane default/web-1"), words)]);
        let foretold = preview(&nothing, &proposed, &OpenConnections::new());
        assert!(foretold.is_refused());
        assert_eq!(foretold.remarks[0].kind.to_string(), words);
    }
}
