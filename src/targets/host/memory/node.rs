//! A file, folder or link of a host in memory: what it holds, whose it is, and its number.

use super::machine::Machine;
use crate::model::{Content, Fault};
use crate::targets::host::{self, Attributes, FileKind, Stat};

#[derive(Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) mode: u32,
    pub(super) owner: String,
    pub(super) group: String,
}

#[derive(Clone)]
pub(super) enum Body {
    File(Content),
    Directory,
    Link(String),
}

impl Node {
    /// `inode`: its number.
    pub(super) fn stat(&self, inode: u64) -> Stat {
        let (kind, size) = match &self.body {
            Body::File(content) => (FileKind::File(Some(content.digest())), content.bytes().len()),
            Body::Directory => (FileKind::Directory, 0),
            Body::Link(target) => (FileKind::Link(target.clone()), target.len()),
        };
        let node = (kind != FileKind::Directory).then_some(host::Node { device: 1, inode });
        let (owner, group) = (self.owner.clone(), self.group.clone());
        Stat { kind, mode: self.mode, owner, group, size: size as u64, node }
    }
}

impl Machine {
    pub(super) fn made(&self, body: Body, mode: u32, user: &str) -> Node {
        Node { body, mode, owner: user.to_owned(), group: self.primary(user) }
    }

    pub(super) fn dressed(&self, node: Node, attributes: &Attributes) -> Result<Node, Fault> {
        let by_number =
            |text: &str| self.users.iter().find(|(_, user)| user.uid.is_some_and(|uid| uid.to_string() == text));
        let owner = match &attributes.owner {
            None => node.owner,
            Some(name) if self.users.contains_key(name) => name.clone(),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                by_number(text).map_or_else(|| text.clone(), |(name, _)| name.clone())
            }
            Some(name) => return Err(Fault::failed(format!("there is no user `{name}`"))),
        };
        let group = match &attributes.group {
            None => node.group,
            Some(name) if self.groups.contains_key(name) => name.clone(),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let known = self.groups.iter().find(|(_, group)| group.gid.is_some_and(|gid| gid.to_string() == *text));
                known.map_or_else(|| text.clone(), |(name, _)| name.clone())
            }
            Some(name) => return Err(Fault::failed(format!("there is no group `{name}`"))),
        };
        Ok(Node { body: node.body, mode: attributes.mode.unwrap_or(node.mode), owner, group })
    }
}
