//! What `getent` says of users and groups.

use std::collections::BTreeMap;

use super::super::questions::Kind;
use super::super::{Answer, Group, Groups, Password, Primary, User};
use super::{Section, Told, torn};
use crate::model::Fault;

/// Fields by name, and by number for those who ask by number.
fn lines<'a>(section: &'a Section<'_>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let lines = section.data.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    for line in lines {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, _, number, ..] = fields[..] {
            found.entry(number).or_insert_with(|| fields.clone());
            found.insert(name, fields);
        }
    }
    found
}

pub(super) fn read(names: &[(usize, String)], kind: Kind, section: &Section<'_>) -> Vec<(usize, Told)> {
    let found = lines(section);
    // 2: some of them are not known there.
    let clear = matches!(section.status, "0" | "2");
    let tell = |name: &str| -> Result<Answer, Fault> {
        let fields = found.get(name);
        if fields.is_none() && !clear {
            return Err(section.fault(&match kind {
                Kind::Group => format!("the group `{name}`"),
                Kind::Password => format!("the password of `{name}`"),
                _ => format!("the user `{name}`"),
            }));
        }
        Ok(match kind {
            Kind::Group => Answer::Group(fields.map(|fields| group(fields)).transpose()?),
            Kind::Password => Answer::Password(fields.map(|fields| field(fields, 1).map(Password::of)).transpose()?),
            _ => Answer::User(fields.map(|fields| user(fields)).transpose()?),
        })
    };
    names.iter().map(|(at, name)| (*at, Told::Answer(tell(name)))).collect()
}

/// All groups; of two lines of one name the first counts, as everywhere in the system.
pub(super) fn read_groups(section: &Section<'_>) -> Result<Groups, Fault> {
    if section.status != "0" {
        return Err(section.fault("the groups"));
    }
    let mut groups = Groups::new();
    for line in super::text(section.data)?.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let group = group(&fields)?;
        groups.entry(field(&fields, 0)?.to_owned()).or_insert(group);
    }
    Ok(groups)
}

fn field<'a>(fields: &[&'a str], at: usize) -> Result<&'a str, Fault> {
    fields.get(at).copied().ok_or_else(torn)
}

fn number(fields: &[&str], at: usize) -> Result<Option<u32>, Fault> {
    field(fields, at)?.parse().map(Some).map_err(|_| torn())
}

fn group(fields: &[&str]) -> Result<Group, Fault> {
    let members = field(fields, 3)?.split(',').filter(|name| !name.is_empty());
    Ok(Group { gid: number(fields, 2)?, members: members.map(str::to_owned).collect() })
}

fn user(fields: &[&str]) -> Result<User, Fault> {
    Ok(User {
        uid: number(fields, 2)?,
        primary: Primary::Number(number(fields, 3)?.ok_or_else(torn)?),
        comment: field(fields, 4)?.to_owned(),
        home: field(fields, 5)?.to_owned(),
        shell: Some(field(fields, 6)?.to_owned()),
    })
}
