//! Which hosts: `all`, names, groups, globs, `a:b`, `!x`, `&x`, as Ansible users write them.

use std::collections::BTreeSet;

use crate::source::{Node, Problem, Problems, Span};

use super::keys;
use super::program::{Environment, HostId};

const HELP: &str = "write `all`, a group, a host, `a:b`, `a:!b`, `a:&b` or a name with `*`";

/// A pattern as written.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    terms: Vec<Term>,
    /// The whole of it.
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
struct Term {
    sign: Sign,
    name: String,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    With,
    And,
    Without,
}

impl Pattern {
    /// The pattern in `node`: text, or a list of texts.
    pub(super) fn parse(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut terms = Vec::new();
        let before = problems.len();
        for (text, span) in keys::words(node, "`hosts`", problems) {
            if text.contains(['[', ']']) {
                problems.push(
                    Problem::error(span, format!("`{text}` in `hosts` holds a range, which is not known here"))
                        .help(HELP),
                );
                continue;
            }
            for raw in text.split([':', ',']) {
                let raw = raw.trim();
                let (sign, name) = match raw.chars().next() {
                    Some('!') => (Sign::Without, raw[1..].trim()),
                    Some('&') => (Sign::And, raw[1..].trim()),
                    _ => (Sign::With, raw),
                };
                let why = if name.is_empty() {
                    "names nothing"
                } else if name.starts_with('~') {
                    "is a regular expression, which `hosts` does not take"
                } else {
                    terms.push(Term { sign, name: name.to_owned(), span });
                    continue;
                };
                problems.push(Problem::error(span, format!("`{raw}` in `hosts` {why}")).help(HELP));
            }
        }
        if terms.is_empty() && before == problems.len() {
            problems.push(
                Problem::error(node.span, "`hosts` names no host")
                    .help("leave `hosts` out for a play of cluster tasks"),
            );
        }
        (!terms.is_empty()).then_some(Self { terms, span: node.span })
    }

    /// The hosts of `environment` that are meant, in the order of the inventory; unknown names are problems.
    pub(super) fn resolve(&self, environment: &Environment, problems: &mut Problems) -> Vec<HostId> {
        let all = || (0..u32::try_from(environment.hosts.len()).unwrap_or(u32::MAX)).collect::<BTreeSet<_>>();
        // As in Ansible: unions first, then intersections, then exclusions, wherever they stand.
        let of = |sign| self.terms.iter().filter(move |term| term.sign == sign);
        let mut chosen = BTreeSet::new();
        for term in of(Sign::With) {
            chosen.extend(term.hosts(environment, problems));
        }
        if of(Sign::With).next().is_none() {
            chosen = all();
        }
        for term in of(Sign::And) {
            let other: BTreeSet<_> = term.hosts(environment, problems).into_iter().collect();
            chosen.retain(|host| other.contains(host));
        }
        for term in of(Sign::Without) {
            for host in term.hosts(environment, problems) {
                chosen.remove(&host);
            }
        }
        chosen.into_iter().collect()
    }

    /// The groups it names that have no host: what makes an empty play excusable.
    pub(super) fn empty_groups<'e>(&self, environment: &'e Environment) -> Vec<&'e str> {
        let mut names = Vec::new();
        for term in &self.terms {
            if let Some((name, hosts)) = environment.groups.get_key_value(&term.name)
                && hosts.is_empty()
            {
                names.push(name.as_str());
            }
        }
        names
    }
}

impl Term {
    fn hosts(&self, environment: &Environment, problems: &mut Problems) -> Vec<HostId> {
        let ids = || (0u32..).zip(&environment.hosts);
        if self.name == "all" || self.name == "*" {
            return ids().map(|(id, _)| id).collect();
        }
        if let Some(hosts) = environment.groups.get(&self.name) {
            return hosts.clone();
        }
        if self.name.contains(['*', '?']) {
            let mut hosts: Vec<_> = ids().filter(|(_, host)| glob(&self.name, &host.name)).map(|(id, _)| id).collect();
            let groups: Vec<_> = environment.groups.iter().filter(|(name, _)| glob(&self.name, name)).collect();
            if hosts.is_empty() && groups.is_empty() {
                problems.push(
                    Problem::error(self.span, format!("no host or group is like `{}`", self.name))
                        .label(format!("nothing in `{}` has such a name", environment.name)),
                );
            }
            hosts.extend(groups.into_iter().flat_map(|(_, hosts)| hosts.iter().copied()));
            return hosts;
        }
        if let Some((id, _)) = ids().find(|(_, host)| *host.name == *self.name) {
            return vec![id];
        }
        let known: Vec<&str> = environment
            .hosts
            .iter()
            .map(|host| &*host.name)
            .chain(environment.groups.keys().map(String::as_str))
            .chain(["all"])
            .collect();
        let mut problem = Problem::error(self.span, format!("unknown host or group `{}`", self.name))
            .label(format!("not in the environment `{}`", environment.name))
            .did_you_mean(&self.name, known);
        if self.name == "localhost" {
            problem = problem.help("write this machine into `environment.yml`: `localhost: { connection: local }`");
        } else if problem.help.is_empty() {
            problem = problem.help(format!(
                "a group that may be empty here is declared in `environment.yml`: `groups: {{ {}: {{}} }}`",
                self.name
            ));
        }
        problems.push(problem);
        Vec::new()
    }
}

/// Does `name` fit `pattern`, in which `*` is any text and `?` any character?
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match &mut star {
                // The last star takes one character more.
                Some((star_at, taken)) => {
                    *taken += 1;
                    at = *star_at + 1;
                    in_name = *taken;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        assert!(glob("web*", "web-1"));
        assert!(glob("*", ""));
        assert!(glob("a*b*c", "a-b-b-c"));
        assert!(glob("vps-?", "vps-1"));
        assert!(!glob("vps-?", "vps-12"));
        assert!(!glob("web*x", "web-1"));
    }
}
