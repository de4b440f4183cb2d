//! Connection limits of the servers, as shares of the descriptors that the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Share of a server in the descriptors. The rest is for stores, files and the process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorShare {
    /// Proxies: a half, at most 32768.
    Discovery,
    /// The API: an eighth, at most 1024.
    Api,
    /// Admin pages: a sixteenth, at most 128.
    Admin,
}

impl DescriptorShare {
    /// Returns the number of connections, given the number of descriptors.
    pub(super) fn of(self, descriptors: u64) -> usize {
        let (part, least, most) = match self {
            DescriptorShare::Discovery => (2, 64, 32_768),
            DescriptorShare::Api => (8, 32, 1024),
            DescriptorShare::Admin => (16, 16, 128),
        };
        usize::try_from(descriptors / part).unwrap_or(most).clamp(least, most)
    }

    /// Returns the number of connections, given the current limit of this process.
    pub(super) fn now(self) -> usize {
        self.of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }
}

/// Raises the limit of open files as far as possible without a privilege; if it cannot be raised, it stays.
pub fn raise_descriptors() {
    let Rlimit { current: _, maximum } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_something_for_the_rest() {
        let all = [DescriptorShare::Discovery, DescriptorShare::Api, DescriptorShare::Admin];
        for descriptors in [1024, 4096, 1 << 20] {
            let taken: usize = all.iter().map(|share| share.of(descriptors)).sum();
            assert!(taken as u64 <= descriptors * 3 / 4, "{taken} of {descriptors}");
        }
        assert_eq!(all.map(|share| share.of(1024)), [512, 128, 64]);
        assert_eq!(all.map(|share| share.of(u64::MAX)), [32_768, 1024, 128]);
    }
}
