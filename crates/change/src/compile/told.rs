//! What one proxy is told, in each dialect that it may speak.
//!
//! A proxy is of one family, and which one is known only when it attaches: both sets are versions of what it would be told.
//! Our own is said at once. Envoy's is said when somebody needs it: an Envoy that is attached, or a comparison, which keeps
//! the version alone.

use std::sync::{Arc, OnceLock};

use dialect::EncodeError;
use dialect::envoy::EnvoyOptions;
use dialect::l4::{self, Refusals};
use plan::Plan;
use xds::{Commons, Family, ResourceSet, Version};

/// What one proxy is told, in each dialect that it may speak.
#[derive(Clone, Debug)]
pub struct Told {
    plan: Arc<Plan>,
    l4: Said,
    refusals: Refusals,
    options: EnvoyOptions,
    envoy: OnceLock<Result<Said, Unsayable>>,
    envoy_version: OnceLock<Result<Version, Unsayable>>,
}

/// A plan in the words of one dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The messages.
    pub resources: Arc<ResourceSet>,
    /// What could not be said as asked, in words.
    pub notes: Vec<String>,
}

/// A plan that cannot be said to an Envoy: a mistake of ours, never of an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its plan cannot be said to an Envoy, which keeps what it runs: {0}")]
pub struct Unsayable(#[from] EncodeError);

impl Told {
    /// Says a plan to our own proxy, and can say it to an Envoy. What is equal to `old` is shared with it.
    pub(super) fn of(plan: Arc<Plan>, options: EnvoyOptions, commons: &Commons, old: Option<&Self>) -> Self {
        let mut words = l4::lower(&plan);
        let (notes, refusals) = (std::mem::take(&mut words.notes), std::mem::take(&mut words.refusals));
        let resources = words.to_resource_set();
        let resources = match old {
            Some(old) if *old.l4.resources == resources => Arc::clone(&old.l4.resources),
            _ => Arc::new(resources.in_common(commons)),
        };
        let (envoy, envoy_version) = Default::default();
        Self { plan, l4: Said { resources, notes }, refusals, options, envoy, envoy_version }
    }

    /// What our own proxy is told.
    pub fn l4(&self) -> &Said {
        &self.l4
    }

    /// What our own proxy refuses although the plan does not.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What an Envoy is told. It is said when it is asked for first, and kept.
    ///
    /// # Errors
    /// The plan cannot be said to an Envoy.
    pub fn envoy(&self) -> Result<&Said, &Unsayable> {
        self.envoy.get_or_init(|| self.lowered()).as_ref()
    }

    /// What a proxy of a family is told.
    ///
    /// # Errors
    /// As [`Told::envoy`].
    pub fn said(&self, family: Family) -> Result<&Said, &Unsayable> {
        match family {
            Family::L4 => Ok(&self.l4),
            Family::Envoy => self.envoy(),
        }
    }

    /// What could not be said as asked, in words that name the family; of an Envoy nothing while nobody has said it to one.
    pub fn notes(&self, family: Family) -> Vec<String> {
        let (who, said) = match family {
            Family::L4 => ("meshtcp's own proxy", Some(&self.l4)),
            Family::Envoy => ("Envoy", self.envoy.get().and_then(|said| said.as_ref().ok())),
        };
        let notes = said.into_iter().flat_map(|said| &said.notes);
        notes.map(|note| format!("for {who}: {note}")).collect()
    }

    /// Why the plan cannot be said to an Envoy; `None`: it can, or nobody has tried.
    pub fn unsayable(&self) -> Option<&Unsayable> {
        let of_whole = self.envoy.get().and_then(|said| said.as_ref().err());
        of_whole.or_else(|| self.envoy_version.get()?.as_ref().err())
    }

    /// Whether a proxy of a family would be told the same.
    pub fn is_same(&self, other: &Self, family: Family) -> bool {
        // both dialects say nothing but the plan
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

    fn lowered(&self) -> Result<Said, Unsayable> {
        let words = dialect::envoy::lower(&self.plan, &self.options);
        let notes = words.notes.iter().map(|note| format!("{}: {}", note.listener, note.text)).collect();
        Ok(Said { resources: Arc::new(words.to_resource_set()?), notes })
    }

    /// Lets it be as if the plan could not be said to an Envoy.
    #[cfg(test)]
    pub(super) fn fails(&self, why: Unsayable) {
        assert!(self.envoy.set(Err(why)).is_ok(), "nobody has tried");
    }
}
