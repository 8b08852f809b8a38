//! Addresses and networks, as far as they can be checked without looking anything up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use minijinja::{Environment, Error, Value as Engine};

use super::super::fault::refuse;
use super::text_of;

pub(super) fn install(environment: &mut Environment<'static>) {
    for (name, family) in [("ipaddr", Family::Any), ("ipv4", Family::V4), ("ipv6", Family::V6)] {
        environment.add_filter(name, move |value: &Engine, part: Option<&str>| -> Result<Engine, Error> {
            let text = text_of(value)?;
            match Network::parse(&text).filter(|network| family.holds(network.address)) {
                Some(network) => network.part(part, &text),
                None => Ok(Engine::from(false)),
            }
        });
        environment.add_test(name, move |value: &Engine| -> Result<bool, Error> {
            let text = text_of(value)?;
            Ok(text.parse::<IpAddr>().is_ok_and(|address| family.holds(address)))
        });
    }
    environment.add_test("ip", |value: &Engine| Ok::<_, Error>(text_of(value)?.parse::<IpAddr>().is_ok()));
    environment.add_test("cidr", |value: &Engine| {
        let text = text_of(value)?;
        Ok::<_, Error>(text.contains('/') && Network::parse(&text).is_some())
    });
    environment.add_test("in_network", |value: &Engine, network: &str| {
        let text = text_of(value)?;
        let Some(network) = Network::parse(network) else {
            return Err(refuse(format!("`{network}` is no network"), "write `10.0.0.0/8`"));
        };
        Ok::<_, Error>(Network::parse(&text).is_some_and(|inner| network.contains(inner)))
    });
}

#[derive(Clone, Copy)]
enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    fn holds(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// An address and how many of its bits are the network's.
#[derive(Clone, Copy)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => bits,
        };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    fn masked(address: IpAddr, prefix: u8, ones: bool) -> IpAddr {
        match address {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let bits = u32::from(four);
                IpAddr::V4(Ipv4Addr::from(if ones { bits | !mask } else { bits & mask }))
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let bits = u128::from(six);
                IpAddr::V6(Ipv6Addr::from(if ones { bits | !mask } else { bits & mask }))
            }
        }
    }

    fn network(self) -> IpAddr {
        Self::masked(self.address, self.prefix, false)
    }

    fn contains(self, inner: Self) -> bool {
        self.address.is_ipv4() == inner.address.is_ipv4()
            && self.prefix <= inner.prefix
            && Self::masked(inner.address, self.prefix, false) == self.network()
    }

    fn part(self, part: Option<&str>, text: &str) -> Result<Engine, Error> {
        Ok(match part {
            None => Engine::from(text),
            Some("address") => Engine::from(self.address.to_string()),
            Some("prefix") => Engine::from(i64::from(self.prefix)),
            Some("network") => Engine::from(self.network().to_string()),
            Some("broadcast") => Engine::from(Self::masked(self.address, self.prefix, true).to_string()),
            Some("network/prefix" | "subnet") => Engine::from(format!("{}/{}", self.network(), self.prefix)),
            Some("netmask") => {
                let all = if self.address.is_ipv4() { IpAddr::from([0xff; 4]) } else { IpAddr::from([0xff; 16]) };
                Engine::from(Self::masked(all, self.prefix, false).to_string())
            }
            Some(other) => {
                return Err(refuse(
                    format!("`{other}` of an address is not offered"),
                    "use `address`, `prefix`, `network`, `broadcast`, `subnet` or `netmask`",
                ));
            }
        })
    }
}
