//! `limits`: what sessions of users may use, as PAM sets it at login.

use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::owned::{HEADER, Held, Owned, together};
use super::plain::Plain;
use super::{named, words};
use crate::model::decode::Misfit;
use crate::model::{Doc, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

const FOLDER: &str = "/etc/security/limits.d";

/// What sessions of users may use, as PAM sets it at login. Sessions that are open, and services of systemd, keep what
/// they have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "parameters bear Ansible's names")]
pub(super) struct Limits {
    /// The file in `/etc/security/limits.d`, without `.conf`.
    name: String,
    /// The limits, in this order.
    #[serde(default)]
    limits: Vec<Limit>,
    /// `present`: the file holds these limits. `absent`: it is not there.
    #[serde(default)]
    state: State,
}

/// One limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "parameters bear Ansible's names")]
struct Limit {
    /// A user, `@group`, or `*` for all but root.
    domain: String,
    /// `soft`, `hard`, or `-` for both.
    limit_type: Type,
    /// What is limited: `nofile`, `nproc`, `memlock` ...
    limit_item: Item,
    /// A number (-1: none), or `unlimited`.
    value: Plain,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Type {
    Soft,
    Hard,
    #[serde(rename = "-")]
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Item {
    Core,
    Data,
    Fsize,
    Memlock,
    Nofile,
    Rss,
    Stack,
    Cpu,
    Nproc,
    As,
    Maxlogins,
    Maxsyslogins,
    Priority,
    Locks,
    Sigpending,
    Msgqueue,
    Nice,
    Rtprio,
}

impl Item {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Limit {
    fn line(&self) -> String {
        let limit_type = match self.limit_type {
            Type::Soft => "soft",
            Type::Hard => "hard",
            Type::Both => "-",
        };
        format!("{} {limit_type} {} {}\n", self.domain, self.limit_item.name(), self.value.0)
    }

    fn check(&self) -> Option<String> {
        let Plain(value) = &self.value;
        let free = matches!(value.as_str(), "unlimited" | "infinity" | "-1");
        let number = value.parse::<i64>().is_ok_and(|number| number >= 0);
        let signed = matches!(self.limit_item, Item::Nice | Item::Priority);
        let plain = |one: char| one.is_ascii_alphanumeric() || "_-.@*%:$\\".contains(one);
        if self.domain.is_empty() || self.domain.starts_with('-') || !self.domain.chars().all(plain) {
            return Some(format!("`{}` is no user, `@group` or `*`", words::join(std::slice::from_ref(&self.domain))));
        }
        if signed {
            let near = value.parse::<i64>().is_ok_and(|number| (-20..=20).contains(&number));
            return (!near).then(|| format!("`{value}` is no number from -20 to 20"));
        }
        if free && self.limit_item == Item::Nofile {
            return Some(format!("`{value}` is more than the kernel gives for `nofile`: nobody could log in any more"));
        }
        (!free && !number).then(|| format!("`{value}` is no number, nor `unlimited`"))
    }
}

impl Limits {
    fn owned(&self) -> Owned {
        let text = self.limits.iter().map(Limit::line).fold(HEADER.to_owned(), |text, line| text + &line);
        Owned::new(format!("{FOLDER}/{}.conf", self.name), (self.state == State::Present).then_some(text))
    }
}

impl Resource for Limits {
    const NAME: &'static str = "limits";
    const DOC: Doc = Doc {
        summary: "what sessions of users may use, as PAM sets it at login",
        example: "\
- name: open files
  limits:
    name: open-files
    limits:
      - { domain: \"*\", limit_type: \"-\", limit_item: nofile, value: 65536 }
      - { domain: root, limit_type: \"-\", limit_item: nofile, value: 65536 }
",
    };
    type Target = Host;
    type State = Held;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = named::check(&self.name, FOLDER).into_iter().collect();
        if self.state == State::Present && self.limits.is_empty() {
            misfits.push(Misfit::new("", "the parameter `limits` is missing"));
        }
        misfits.extend(self.limits.iter().filter_map(Limit::check).map(|why| Misfit::new("limits", why)));
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.owned().path)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.owned().path))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Held, Halt> {
        self.owned().read(probe).await
    }

    fn plan(&self, current: &Held) -> Result<Verdict<Step>, Halt> {
        Ok(together([self.owned().plan(current)?]))
    }
}
