//! The users and groups of a host in memory.

use super::machine::Machine;
use super::node::Body;
use crate::model::Fault;
use crate::targets::host::{Attributes, Group, GroupStep, HOME_MODE, NoUser, Primary, User, UserStep};

impl Machine {
    pub(super) fn add_user(&mut self, name: &str, number: u32, group: &str) {
        let user = User {
            uid: Some(number),
            primary: Primary::Number(number),
            home: format!("/home/{name}"),
            shell: Some("/bin/sh".to_owned()),
            comment: String::new(),
        };
        self.users.insert(name.to_owned(), user);
        self.groups.entry(group.to_owned()).or_insert(Group { gid: Some(number), members: Vec::new() });
    }

    /// The name of the primary group of a user.
    pub(super) fn primary(&self, user: &str) -> String {
        let gid = self.users.get(user).map_or(0, |user| match user.primary {
            Primary::Number(gid) => gid,
            Primary::Named(_) => 0,
        });
        let found = self.groups.iter().find(|(_, group)| group.gid == Some(gid));
        found.map_or_else(|| gid.to_string(), |(name, _)| name.clone())
    }

    fn free(&self, system: bool) -> u32 {
        let used = |number: &u32| {
            let number = Some(*number);
            self.users.values().any(|user| user.uid == number) || self.groups.values().any(|group| group.gid == number)
        };
        let mut range = if system { 100..1000 } else { 1001..60000 };
        range.find(|number| !used(number)).unwrap_or(60000)
    }

    pub(super) fn set_user(&mut self, step: &UserStep) -> Result<(), Fault> {
        if step.create == self.users.contains_key(&step.name) {
            return Err(Fault::failed(format!("the user `{}` is there, or is not", step.name)));
        }
        for group in step.group.iter().chain(step.groups.iter().flatten()) {
            if !self.groups.contains_key(group) {
                return Err(Fault::failed(format!("there is no group `{group}`")));
            }
        }
        if step.create {
            let number = step.uid.unwrap_or_else(|| self.free(step.system));
            let group = step.group.clone().unwrap_or_else(|| step.name.clone());
            if step.group.is_none() && self.groups.contains_key(&group) {
                return Err(Fault::failed(format!("the group `{group}` is there already")));
            }
            self.add_user(&step.name, number, &group);
            self.passwords.insert(step.name.clone(), "!".to_owned());
        }
        let gid = step.group.as_ref().and_then(|group| self.groups.get(group)?.gid);
        let Some(user) = self.users.get_mut(&step.name) else { return Ok(()) };
        user.uid = step.uid.or(user.uid);
        user.primary = gid.map_or(user.primary.clone(), Primary::Number);
        user.home = step.home.clone().unwrap_or_else(|| user.home.clone());
        user.shell = step.shell.clone().or(user.shell.clone());
        user.comment = step.comment.clone().unwrap_or_else(|| user.comment.clone());
        let home = user.home.clone();
        if let Some(groups) = &step.groups {
            for (name, group) in &mut self.groups {
                group.members.retain(|member| *member != step.name);
                if groups.contains(name) {
                    group.members.push(step.name.clone());
                }
            }
        }
        if let Some(hash) = &step.password {
            self.passwords.insert(step.name.clone(), String::from_utf8_lossy(hash.bytes()).into_owned());
        }
        if let Some(skeleton) = &step.skeleton {
            let attributes = |mode| Attributes { mode, owner: Some(step.name.clone()), group: None };
            self.fill(&home, Body::Directory, &attributes(Some(HOME_MODE)))?;
            for path in skeleton {
                let from = self.node(path, false).cloned();
                let from = from.ok_or_else(|| Fault::failed(format!("there is nothing at `{path}`")))?;
                let to = format!("{home}{}", path.trim_start_matches("/etc/skel"));
                self.fill(&to, from.body, &attributes(Some(from.mode)))?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, path: &str, body: Body, attributes: &Attributes) -> Result<(), Fault> {
        if self.has(path) {
            return Err(Fault::failed(format!("there is something at `{path}`")));
        }
        let owner = attributes.owner.clone().unwrap_or_default();
        let group = self.primary(&owner);
        self.plant(path, body, attributes.mode.unwrap_or(0o644));
        if let Some(node) = self.node_mut(path) {
            (node.owner, node.group) = (owner, group);
        }
        Ok(())
    }

    pub(super) fn drop_user(&mut self, step: &NoUser) -> Result<(), Fault> {
        if self.users.remove(&step.name).is_none() {
            return Err(Fault::failed(format!("there is no user `{}`", step.name)));
        }
        self.passwords.remove(&step.name);
        self.groups.values_mut().for_each(|group| group.members.retain(|member| *member != step.name));
        if step.group {
            self.groups.remove(&step.name);
        }
        Ok(())
    }

    pub(super) fn set_group(&mut self, step: &GroupStep) -> Result<(), Fault> {
        if step.create == self.groups.contains_key(&step.name) {
            return Err(Fault::failed(format!("the group `{}` is there, or is not", step.name)));
        }
        let gid = step.gid.unwrap_or_else(|| self.free(step.system));
        self.groups.entry(step.name.clone()).or_insert(Group { gid: None, members: Vec::new() }).gid = Some(gid);
        Ok(())
    }

    pub(super) fn drop_group(&mut self, name: &str) -> Result<(), Fault> {
        match self.groups.remove(name) {
            Some(_) => Ok(()),
            None => Err(Fault::failed(format!("there is no group `{name}`"))),
        }
    }
}
