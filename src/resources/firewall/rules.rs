//! What may come in, as parameters, as text for nftables, and as an answer to whether one connection would pass.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

use crate::targets::host::probe::WayIn;

/// One thing that may come in. Everything that is said must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    /// Ports: a number, a range like `"30000-32767"`, or a list of these. Without it, all.
    #[serde(default)]
    port: Many<Ports>,
    /// `tcp` or `udp`. Without it, `tcp` where a port is named, else all.
    protocol: Option<Protocol>,
    /// Networks or addresses it comes from, like `10.0.0.0/8`. Without it, from anywhere.
    #[serde(default)]
    from: Many<Network>,
    /// The link it comes in by, like `cni0`; `*` at its end stands for the rest.
    interface: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
}

/// One, or a list.
#[derive(Clone, Debug)]
struct Many<T>(Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: TryFrom<String, Error = String>> Deserialize<'de> for Many<T> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: TryFrom<String, Error = String>> de::Visitor<'de> for Visitor<T> {
            type Value = Many<T>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("one or a list")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Many<T>, E> {
                Ok(Many(vec![T::try_from(text.to_owned()).map_err(E::custom)?]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Many<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Many<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(Many(one)) = seq.next_element::<Self::Value>()? {
                    all.extend(one);
                }
                Ok(Many(all))
            }
        }
        from.deserialize_any(Visitor(std::marker::PhantomData))
    }
}

impl<T> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Many".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "array"], "items": { "type": ["string", "integer"] } })
    }
}

/// A port or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports(u16, u16);

impl TryFrom<String> for Ports {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self(first, last)),
            _ => Err(format!("`{text}` is not a port, nor a range like `30000-32767`")),
        }
    }
}

/// An address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network(IpAddr, u8);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address, nor a network like `10.0.0.0/8`");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let network = Self(address, bits.unwrap_or(most));
        if network.1 > most {
            return Err(wrong());
        }
        if network.base() != bits_of(address) {
            return Err(format!("`{text}` has bits beyond its `/{}`: write the network itself", network.1));
        }
        Ok(network)
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    fn mask(self) -> u128 {
        match self.1 {
            0 => 0,
            bits => u128::MAX << (128 - u32::from(bits)),
        }
    }

    fn base(self) -> u128 {
        bits_of(self.0) & self.mask()
    }

    fn holds(self, address: IpAddr) -> bool {
        self.0.is_ipv4() == address.is_ipv4() && bits_of(address) & self.mask() == self.base()
    }

    fn text(self) -> String {
        let most = if self.0.is_ipv4() { 32 } else { 128 };
        if self.1 == most { self.0.to_string() } else { format!("{}/{}", self.0, self.1) }
    }
}

impl Allow {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@*".contains(&byte);
        let name = self.interface.as_deref();
        if name.is_some_and(|name| name.is_empty() || name == "*" || name.len() > 15 || !name.bytes().all(plain)) {
            return Some(format!("`{}` is not the name of a link", name.unwrap_or_default().escape_debug()));
        }
        if self.port.0.is_empty() && self.protocol.is_none() && self.from.0.is_empty() && name.is_none() {
            return Some("it allows everything: name a `port`, `from` or `interface`".to_owned());
        }
        None
    }

    /// Its lines for nftables.
    pub(super) fn lines(&self) -> String {
        let mut start = String::new();
        if let Some(name) = &self.interface {
            let _ = write!(start, "iifname \"{name}\" ");
        }
        let protocol = match self.protocol {
            Some(Protocol::Udp) => "udp",
            Some(Protocol::Tcp) | None => "tcp",
        };
        let end = match (self.port.0.as_slice(), self.protocol) {
            ([], None) => "accept".to_owned(),
            ([], Some(_)) => format!("meta l4proto {protocol} accept"),
            (ports, _) => {
                let ports = ports.iter().map(
                    |Ports(first, last)| {
                        if first == last { first.to_string() } else { format!("{first}-{last}") }
                    },
                );
                format!("{protocol} dport {} accept", set(&ports.collect::<Vec<_>>()))
            }
        };
        let family = |four: bool| -> Vec<String> {
            self.from.0.iter().filter(|network| network.0.is_ipv4() == four).map(|network| network.text()).collect()
        };
        let mut lines = String::new();
        for (word, networks) in [("ip", family(true)), ("ip6", family(false))] {
            if !networks.is_empty() {
                let _ = writeln!(lines, "\t\t{start}{word} saddr {} {end}", set(&networks));
            }
        }
        if self.from.0.is_empty() {
            let _ = writeln!(lines, "\t\t{start}{end}");
        }
        lines
    }

    /// Does it let that connection in?
    pub(super) fn admits(&self, way: &WayIn) -> bool {
        let from = way.from.to_canonical();
        let link = match (&self.interface, &way.device) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(name), Some(device)) => match name.strip_suffix('*') {
                Some(start) => device.starts_with(start),
                None => name == device,
            },
        };
        link && self.protocol != Some(Protocol::Udp)
            && (self.port.0.is_empty() || self.port.0.iter().any(|ports| (ports.0..=ports.1).contains(&way.port)))
            && (self.from.0.is_empty() || self.from.0.iter().any(|network| network.holds(from)))
    }
}

fn set(words: &[String]) -> String {
    match words {
        [one] => one.clone(),
        _ => format!("{{ {} }}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(json: &str) -> Result<Allow, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_say_all_of_it() {
        for (json, lines) in [
            (r#"{"port": 22}"#, "tcp dport 22 accept\n"),
            (r#"{"port": [80, "443", "30000-32767"]}"#, "tcp dport { 80, 443, 30000-32767 } accept\n"),
            (
                r#"{"port": 51820, "protocol": "udp", "from": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"], "interface": "eth*"}"#,
                "iifname \"eth*\" ip saddr { 10.0.0.0/8, 192.0.2.1 } udp dport 51820 accept\n\
                 iifname \"eth*\" ip6 saddr fd00::/8 udp dport 51820 accept\n",
            ),
            (r#"{"interface": "cni0"}"#, "iifname \"cni0\" accept\n"),
            (r#"{"from": "10.42.0.0/16", "protocol": "tcp"}"#, "ip saddr 10.42.0.0/16 meta l4proto tcp accept\n"),
        ] {
            let allow = allow(json).unwrap();
            assert_eq!(allow.check(), None, "{json}");
            assert_eq!(allow.lines().replace("\t\t", ""), lines, "{json}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (json, why) in [
            (r#"{"port": 0}"#, "is not a port"),
            (r#"{"port": "9-5"}"#, "is not a port"),
            (r#"{"port": 65536}"#, "is not a port"),
            (r#"{"port": "22; drop"}"#, "is not a port"),
            (r#"{"from": "10.0.0.1/8"}"#, "has bits beyond"),
            (r#"{"from": "10.0.0.0/33"}"#, "is not an address"),
            (r#"{"from": "example.org"}"#, "is not an address"),
        ] {
            assert!(allow(json).unwrap_err().contains(why), "{json}");
        }
        assert!(allow("{}").unwrap().check().unwrap().contains("allows everything"));
        assert!(allow(r#"{"interface": "a\" accept"}"#).unwrap().check().is_some());
    }

    #[test]
    fn the_way_in_is_found() {
        let way = WayIn { from: "10.1.2.3".parse().unwrap(), port: 22, device: Some("eth0".to_owned()) };
        for (json, admits) in [
            (r#"{"port": 22}"#, true),
            (r#"{"port": "20-25", "from": "10.0.0.0/8"}"#, true),
            (r#"{"interface": "eth*"}"#, true),
            (r#"{"from": "0.0.0.0/0"}"#, true),
            (r#"{"port": 23}"#, false),
            (r#"{"port": 22, "protocol": "udp"}"#, false),
            (r#"{"port": 22, "from": "10.1.2.4"}"#, false),
            (r#"{"port": 22, "from": "::/0"}"#, false),
            (r#"{"port": 22, "interface": "eth1"}"#, false),
        ] {
            assert_eq!(allow(json).unwrap().admits(&way), admits, "{json}");
        }
        let mapped = WayIn { from: "::ffff:10.1.2.3".parse().unwrap(), ..way };
        assert!(allow(r#"{"from": "10.1.2.3"}"#).unwrap().admits(&mapped));
    }
}
