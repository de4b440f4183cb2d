//! Configuration of one proxy, in each dialect that it may speak.
//!
//! A proxy is of one family, which is known only when it attaches: each dialect has a version of its configuration. The
//! one for our own proxy is encoded at once, the one for Envoy on demand: for an attached Envoy, or for a comparison,
//! which keeps only the version.

use std::sync::{Arc, OnceLock};

use dialect::EncodeError;
use dialect::envoy::EnvoyOptions;
use dialect::l4::{self, Refusals};
use plan::Plan;
use xds::{Family, Interner, ResourceSet, Version};

/// Configuration of one proxy, in each dialect that it may speak.
#[derive(Clone, Debug)]
pub struct Told {
    plan: Arc<Plan>,
    l4: EncodedPlan,
    refusals: Refusals,
    options: EnvoyOptions,
    envoy: OnceLock<Result<EncodedPlan, Unsayable>>,
    envoy_version: OnceLock<Result<Version, Unsayable>>,
}

/// Plan encoded in one dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedPlan {
    /// Messages.
    pub resources: Arc<ResourceSet>,
    /// Notes about features that the dialect could not express as asked, in words.
    pub notes: Vec<String>,
}

/// Failure to encode a plan for Envoy: a defect of ours, never an operator's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its plan cannot be said to an Envoy, which keeps what it runs: {0}")]
pub struct Unsayable(#[from] EncodeError);

impl Told {
    /// Encodes a plan for our own proxy, and prepares it for Envoy. Parts equal to `old` are shared with it.
    pub(super) fn of(
        plan: Arc<Plan>,
        options: EnvoyOptions,
        interner: &Interner,
        old: Option<&Self>,
    ) -> Self {
        let mut words = l4::lower(&plan);
        let (notes, refusals) = (std::mem::take(&mut words.notes), std::mem::take(&mut words.refusals));
        let resources = words.to_resource_set();
        let resources = match old {
            Some(old) if *old.l4.resources == resources => Arc::clone(&old.l4.resources),
            _ => Arc::new(resources.in_common(interner)),
        };
        let (envoy, envoy_version) = Default::default();
        Self { plan, l4: EncodedPlan { resources, notes }, refusals, options, envoy, envoy_version }
    }

    /// Configuration for our own proxy.
    pub fn l4(&self) -> &EncodedPlan {
        &self.l4
    }

    /// Refusals of our own proxy beyond the plan.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Configuration for Envoy. It is encoded on first use, and kept.
    ///
    /// # Errors
    /// The plan cannot be encoded for Envoy.
    pub fn envoy(&self) -> Result<&EncodedPlan, &Unsayable> {
        self.envoy.get_or_init(|| self.lowered()).as_ref()
    }

    /// Configuration for a proxy of a family.
    ///
    /// # Errors
    /// As [`Told::envoy`].
    pub fn said(&self, family: Family) -> Result<&EncodedPlan, &Unsayable> {
        match family {
            Family::L4 => Ok(&self.l4),
            Family::Envoy => self.envoy(),
        }
    }

    /// Notes about features that the dialect could not express as asked, with the family named; for Envoy none before
    /// the first encoding.
    pub fn notes(&self, family: Family) -> Vec<String> {
        let (who, said) = match family {
            Family::L4 => ("meshtcp's own proxy", Some(&self.l4)),
            Family::Envoy => ("Envoy", self.envoy.get().and_then(|said| said.as_ref().ok())),
        };
        let notes = said.into_iter().flat_map(|said| &said.notes);
        notes.map(|note| format!("for {who}: {note}")).collect()
    }

    /// Reason why the plan cannot be encoded for Envoy; `None`: it can, or it was not tried.
    pub fn unsayable(&self) -> Option<&Unsayable> {
        let of_whole = self.envoy.get().and_then(|said| said.as_ref().err());
        of_whole.or_else(|| self.envoy_version.get()?.as_ref().err())
    }

    /// Returns `true` if a proxy of a family gets the same configuration.
    pub fn is_same(&self, other: &Self, family: Family) -> bool {
        // both dialects depend on nothing but the plan
        if Arc::ptr_eq(&self.plan, &other.plan) && self.options == other.options {
            return true;
        }
        match family {
            Family::L4 => self.l4.resources == other.l4.resources,
            Family::Envoy => self.envoy_version() == other.envoy_version(),
        }
    }

    fn envoy_version(&self) -> Result<Version, &Unsayable> {
        let version = self.envoy_version.get_or_init(|| match self.envoy.get() {
            Some(said) => said.as_ref().map(|said| said.resources.version()).map_err(Clone::clone),
            None => self.lowered().map(|said| said.resources.version()),
        });
        version.as_ref().copied()
    }

    fn lowered(&self) -> Result<EncodedPlan, Unsayable> {
        let words = dialect::envoy::lower(&self.plan, &self.options);
        let notes = words.notes.iter().map(|note| format!("{}: {}", note.listener, note.text)).collect();
        Ok(EncodedPlan { resources: Arc::new(words.to_resource_set()?), notes })
    }

    /// Simulates a plan that cannot be encoded for Envoy.
    #[cfg(test)]
    pub(super) fn fails(&self, why: Unsayable) {
        assert!(self.envoy.set(Err(why)).is_ok(), "nobody has tried");
    }
}
