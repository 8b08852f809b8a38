//! Versions of k3s: their grammar and their order, in which `+k3s2` comes after `+k3s1` of the same Kubernetes. Pure.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

/// A release: `v1.36.3+k3s1`, `v1.37.0-rc2+k3s1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: Option<String>,
    build: u64,
}

impl Version {
    /// The minor release, as `1.36` has it.
    pub(in super::super) fn minor(&self) -> (u64, u64) {
        (self.major, self.minor)
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a version like `v1.36.3+k3s1`: {why}");
        let rest = text.strip_prefix('v').ok_or_else(|| wrong("it begins with `v`"))?;
        let (kubernetes, build) = rest.split_once('+').ok_or_else(|| wrong("it ends with `+k3s` and a number"))?;
        let build = build.strip_prefix("k3s").ok_or_else(|| wrong("it ends with `+k3s` and a number"))?;
        if build.starts_with('-') {
            return Err(wrong("builds of a commit are not released, and have no order"));
        }
        let build = number(build).ok_or_else(|| wrong("it ends with `+k3s` and a number"))?;
        let (core, pre) = match kubernetes.split_once('-') {
            None => (kubernetes, None),
            Some((core, pre)) => (core, Some(pre)),
        };
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if pre.is_some_and(|pre| !pre.split('.').all(plain)) {
            return Err(wrong("what follows `-` is like `rc1`"));
        }
        let parts: Option<Vec<u64>> = core.split('.').map(number).collect();
        match parts.as_deref() {
            Some([major, minor, patch]) => {
                Ok(Self { major: *major, minor: *minor, patch: *patch, pre: pre.map(str::to_owned), build })
            }
            _ => Err(wrong("three numbers are expected")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "v{}.{}.{}", self.major, self.minor, self.patch)?;
        if let Some(pre) = &self.pre {
            write!(out, "-{pre}")?;
        }
        write!(out, "+k3s{}", self.build)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let pre = match (&self.pre, &other.pre) {
            (None, None) => Ordering::Equal,
            // What comes before a release.
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => pre_release(one, other),
        };
        let numbers = (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch));
        numbers.then(pre).then(self.build.cmp(&other.build))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As `SemVer` orders them, but `rc10` comes after `rc2`: nobody who writes them means otherwise.
fn pre_release(one: &str, other: &str) -> Ordering {
    let part = |text: &str| {
        let word = text.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
        let number = text[word.len()..].parse::<u64>().ok();
        (!word.is_empty(), word, number, text.to_owned())
    };
    one.split('.').map(part).cmp(other.split('.').map(part))
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?\+k3s\d+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn they_have_an_order() {
        let all = [
            "v1.9.0+k3s1",
            "v1.29.1-alpha1+k3s1",
            "v1.29.1-rc2+k3s1",
            "v1.29.1-rc2+k3s2",
            "v1.29.1-rc10+k3s1",
            "v1.29.1+k3s1",
            "v1.33.13+k3s1",
            "v1.33.13+k3s2",
            "v1.33.13+k3s10",
            "v1.36.3+k3s1",
            "v2.0.0+k3s1",
        ];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(version(one).to_string(), *one);
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(version(one).cmp(&version(other)), at.cmp(&other_at), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_none_says_why() {
        for (text, why) in [
            ("1.36.3+k3s1", "begins with `v`"),
            ("v1.36.3", "ends with `+k3s`"),
            ("v1.36.3+rke2r1", "ends with `+k3s`"),
            ("v1.36.3+k3s", "ends with `+k3s`"),
            ("v1.36.3+k3s-6d3a92a6", "builds of a commit"),
            ("v1.36+k3s1", "three numbers"),
            ("v1.36.03+k3s1", "three numbers"),
            ("v1.36.3.4+k3s1", "three numbers"),
            ("v1.36.-3+k3s1", "three numbers"),
            ("v1.36.3-+k3s1", "follows `-`"),
            ("v1.36.3-rc1;reboot+k3s1", "follows `-`"),
            ("v1.36.99999999999999999999+k3s1", "three numbers"),
        ] {
            assert!(text.parse::<Version>().unwrap_err().contains(why), "{text}");
        }
    }
}
