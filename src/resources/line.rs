//! `line`: one line of a file.

use regex::Captures;
use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::copy::check_validate;
use super::editing::{Anchor, Edit, Edited, Editing, Pattern, after_anchor, before_anchor, position};
use super::path::HostPath;
use super::text::Text;
use crate::model::decode::Misfit;
use crate::model::{After, Arg, Doc, Fault, Halt, Resource, Sealed, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// One line of a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "parameters bear Ansible's names")]
pub(super) struct Line {
    /// Absolute path of the file on the host; a link is followed.
    #[serde(alias = "dest")]
    #[schemars(extend("x-lions-aliases" = ["dest"]))]
    path: HostPath,
    /// The line, without its end. With `backrefs`, `\1` or `\g<name>` stand for what groups of `regexp` matched.
    #[serde(alias = "value")]
    #[schemars(extend("x-lions-aliases" = ["value"]))]
    line: Option<Arg<String>>,
    /// The last line that it matches is replaced by `line`; with `state: absent`, every line that it matches goes away.
    #[serde(alias = "regex")]
    #[schemars(extend("x-lions-aliases" = ["regex"]))]
    regexp: Option<Pattern>,
    /// `present`: the line is there. `absent`: no such line is there.
    #[serde(default)]
    state: State,
    /// Where a new line goes: after the last line that this expression matches, or `EOF` (the default).
    #[serde(default, deserialize_with = "after_anchor")]
    #[schemars(with = "Option<String>")]
    insertafter: Option<Anchor>,
    /// Where a new line goes: before the last line that this expression matches, or `BOF`.
    #[serde(default, deserialize_with = "before_anchor")]
    #[schemars(with = "Option<String>")]
    insertbefore: Option<Anchor>,
    /// Make the file if it is not there?
    #[serde(default)]
    create: bool,
    /// Put what groups of `regexp` matched into `line`? Then a file that it does not match is left alone.
    #[serde(default)]
    backrefs: bool,
    /// Permissions, quoted: "0644".
    mode: Option<Mode>,
    /// The user the file belongs to, by name or number.
    owner: Option<String>,
    /// The group the file belongs to, by name or number.
    group: Option<String>,
    /// A command that checks the new content before it is put into place; `%s` stands for a temporary file.
    validate: Option<String>,
}

/// Is it to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It is there.
    #[default]
    Present,
    /// It is not.
    Absent,
}

impl Line {
    fn editing(&self) -> Editing<'_> {
        Editing {
            path: &self.path,
            wanted: Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref()),
            validate: self.validate.as_deref(),
            create: self.create,
            edit: self,
        }
    }

    /// The line and what may be shown of it, where that differs.
    fn wished(&self) -> (&str, Option<&str>) {
        let (line, shown) = match &self.line {
            Some(Arg::Known(line)) => (line.as_str(), None),
            Some(Arg::Secret(Sealed { value, shown })) => (value.as_str(), Some(shown.as_str())),
            Some(Arg::Unknown(_)) | None => ("", None),
        };
        let trim = |text| str::strip_suffix(text, '\n').unwrap_or(text);
        (trim(line), shown.map(trim))
    }

    fn present(&self, text: &mut Text) -> Result<(), Fault> {
        let (line, shown) = self.wished();
        let found = self.regexp.as_ref().and_then(|pattern| {
            text.lines().iter().rposition(|line| pattern.is_match(&line.body)).map(|at| (at, pattern))
        });
        if self.backrefs {
            return match found {
                Some((at, pattern)) => self.refer(text, at, pattern),
                None => Ok(()),
            };
        }
        // A line that its own expression does not match would be written again on every run: being there is enough.
        let finds_itself = self.regexp.as_ref().is_some_and(|pattern| pattern.is_match(line));
        if !finds_itself && text.lines().iter().any(|there| there.body == line) {
            return Ok(());
        }
        if let Some((at, _)) = found {
            text.replace(at, line, shown);
        } else {
            let at = position(text, self.insertafter.as_ref(), self.insertbefore.as_ref());
            text.insert(at, line, shown);
        }
        Ok(())
    }

    fn refer(&self, text: &mut Text, at: usize, pattern: &Pattern) -> Result<(), Fault> {
        let there = text.lines()[at].clone();
        let (line, shown) = self.wished();
        let Some(new) = pattern.0.captures(&there.body).map(|groups| expand(line, &groups)) else { return Ok(()) };
        if let Some(again) = pattern.0.captures(&new).map(|groups| expand(line, &groups))
            && again != new
        {
            return Err(Fault::failed(format!("`line` would change `{}` again on every run", self.path))
                .help("write `regexp` so that it does not match the new line, or matches it to the same result"));
        }
        // What the groups took from a secret line is a secret.
        let shown = match (&there.shown, shown) {
            (None, None) => None,
            (None, Some(shown)) => pattern.0.captures(&there.body).map(|groups| expand(shown, &groups)),
            (Some(_), _) => Some(crate::model::Secret::MASK.to_owned()),
        };
        text.replace(at, &new, shown.as_deref());
        Ok(())
    }
}

/// `line` with `\1`, `\g<1>` and `\g<name>` replaced by what the groups matched, as in Python.
fn expand(line: &str, groups: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (group, used) = match rest.as_bytes() {
            [digit @ b'0'..=b'9', ..] => (groups.get(usize::from(digit - b'0')), 1),
            [b'g', b'<', ..] => match rest.find('>') {
                Some(end) => {
                    let name = &rest[2..end];
                    (name.parse().map_or_else(|_| groups.name(name), |number| groups.get(number)), end + 1)
                }
                None => (None, 0),
            },
            [b'\\', ..] => {
                out.push('\\');
                (None, 1)
            }
            _ => {
                out.push('\\');
                (None, 0)
            }
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

impl Edit for Line {
    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        if self.state == State::Present {
            return self.present(text);
        }
        match &self.regexp {
            Some(pattern) => text.retain(|line| !pattern.is_match(line)),
            None => text.retain(|line| line != self.wished().0),
        }
        Ok(())
    }

    fn open(&self) -> Option<After> {
        match &self.line {
            Some(Arg::Unknown(after)) => Some(after.clone()),
            _ => None,
        }
    }

    fn takes_away(&self) -> bool {
        self.state == State::Absent || self.backrefs
    }
}

impl Resource for Line {
    const NAME: &'static str = "line";
    const DOC: Doc = Doc {
        summary: "one line of a file",
        example: "\
- name: no root over ssh
  line:
    path: /etc/ssh/sshd_config
    regexp: '^#?PermitRootLogin'
    line: PermitRootLogin no
    create: true
",
    };
    type Target = Host;
    type State = Edited;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = check_validate(self.validate.as_ref()).into_iter().collect();
        if self.wished().0.contains('\n') {
            misfits.push(Misfit::new("line", "it holds several lines: use `block` for these"));
        }
        match (self.state, &self.line, &self.regexp) {
            (State::Present, None, _) => misfits.push(Misfit::new("", "the parameter `line` is missing")),
            (State::Absent, None, None) => misfits.push(Misfit::new("", "say which lines go away: `line` or `regexp`")),
            _ => {}
        }
        if self.backrefs && self.regexp.is_none() {
            misfits.push(Misfit::new("backrefs", "there is no `regexp` whose groups it could mean"));
        }
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            misfits.push(Misfit::new("insertbefore", "either `insertafter` or `insertbefore`, not both"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.path)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Edited, Halt> {
        self.editing().read(probe).await
    }

    fn plan(&self, current: &Edited) -> Result<Verdict<Step>, Halt> {
        self.editing().plan(current)
    }
}
