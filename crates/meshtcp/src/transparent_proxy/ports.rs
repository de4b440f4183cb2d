//! Ports, users, networks and transports as written on the command line.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Single number, or a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<N> {
    pub(super) first: N,
    pub(super) last: N,
}

/// Port of a connection's server.
pub(super) type Ports = Span<u16>;
/// User that owns a socket.
pub(super) type Users = Span<u32>;

impl<N: FromStr + PartialOrd + Copy> FromStr for Span<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| {
            text.trim()
                .parse()
                .map_err(|_| format!("`{text}` is no number that fits: write e.g. 22, or 8000-8010"))
        };
        let (first, last): (N, N) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("`{text}` ends before it begins"));
        }
        Ok(Self { first, last })
    }
}

impl<N: fmt::Display + PartialEq> fmt::Display for Span<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Addresses with a common prefix, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) address: IpAddr,
    pub(super) length: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network: write e.g. 10.0.0.0/8, or an IP address");
        let (address, length) = text.split_once('/').map_or((text, None), |(it, length)| (it, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(longest), |text| text.parse().map_err(|_| wrong()))?;
        if length > longest { Err(wrong()) } else { Ok(Self { address, length }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        match self.length == whole {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.length),
        }
    }
}

/// Transport that is redirected: of UDP only DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub(super) const ALL: [Self; 2] = [Self::Tcp, Self::Udp];
}

/// Destinations that a user dials without the proxy: `[tcp:|udp:]PORTS:USERS`, where `*` is all ports, or `USERS`
/// alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnPorts {
    pub(super) transports: Vec<Transport>,
    /// Ports; empty: all.
    pub(super) ports: Vec<Ports>,
    pub(super) users: Vec<Users>,
}

impl FromStr for OwnPorts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (transports, ports, users) = match parts.as_slice() {
            [users] => (Transport::ALL.to_vec(), "*", *users),
            [ports, users] | ["*" | "", ports, users] => (Transport::ALL.to_vec(), *ports, *users),
            ["tcp", ports, users] => (vec![Transport::Tcp], *ports, *users),
            ["udp", ports, users] => (vec![Transport::Udp], *ports, *users),
            _ => return Err(format!("`{text}` is not understood: write e.g. tcp:5432,6000-6010:1000")),
        };
        let ports = match ports {
            "*" | "" => Vec::new(),
            ports => ports.split(',').map(str::parse).collect::<Result<_, _>>()?,
        };
        Ok(Self { transports, ports, users: users.split(',').map(str::parse).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_as_kuma_reads_them() {
        assert_eq!("8000-8010".parse(), Ok(Ports { first: 8000, last: 8010 }));
        assert_eq!("22".parse::<Ports>().unwrap().to_string(), "22");
        assert!("70000".parse::<Ports>().is_err() && "9-1".parse::<Ports>().is_err());
        assert_eq!("10.1.0.0/16".parse::<Network>().unwrap().to_string(), "10.1.0.0/16");
        assert_eq!("fd00::1".parse::<Network>().unwrap().to_string(), "fd00::1");
        assert!("10.0.0.0/33".parse::<Network>().is_err() && "host".parse::<Network>().is_err());
        let own: OwnPorts = "tcp:53,8000-8010:1000,2000-2010".parse().unwrap();
        assert_eq!((own.ports.len(), own.users[1]), (2, Users { first: 2000, last: 2010 }));
        assert_eq!("1000".parse::<OwnPorts>().unwrap().ports, []);
        assert_eq!("*:1000".parse::<OwnPorts>().unwrap().ports, []);
        assert_eq!("*:1000".parse::<OwnPorts>().unwrap().transports, Transport::ALL);
        assert_eq!("udp:53:1000".parse::<OwnPorts>().unwrap().transports, [Transport::Udp]);
        assert!("sctp:53:1000".parse::<OwnPorts>().unwrap_err().contains("not understood"));
    }
}
