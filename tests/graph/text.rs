//! Programs for tests, from a few words a line:
//!
//! ```text
//! play site on=h1,h2 batch=1
//!   role base needs=other
//!     task one register=r loop=a,b
//!     cluster two reads=r
//!     block b
//!       task three notify=four
//!       rescue
//!         task mend
//!     handler four
//!   between
//!     task check
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use lions::language::program::{
    Block, Connection, Environment, Host, HostId, Item, Items, Needed, Part, Play, Program, Role, Rollout, Task, TaskId,
};
use lions::model::{Sort, Value};
use lions::source::{FileId, Node, Sources, Span, Tree};

pub(super) struct Parsed {
    pub program: Program,
    pub sources: Sources,
}

struct Line<'t> {
    kind: &'t str,
    name: &'t str,
    words: Vec<&'t str>,
    at: usize,
    len: usize,
    below: Vec<Line<'t>>,
}

impl<'t> Line<'t> {
    fn get(&self, key: &str) -> Option<&'t str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
    fn has(&self, key: &str) -> bool {
        self.words.contains(&key)
    }
    fn list(&self, key: &str) -> Vec<&'t str> {
        self.get(key).map(|text| text.split(',').filter(|word| !word.is_empty()).collect()).unwrap_or_default()
    }
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut sources = Sources::default();
    let file = sources.add("site.yml", text);
    let mut at = 0;
    let mut flat: Vec<(usize, Line<'_>)> = Vec::new();
    for line in text.split('\n') {
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start().len();
        let start = at + indent;
        at += line.len() + 1;
        if trimmed.is_empty() {
            continue;
        }
        let mut words = trimmed.split_whitespace();
        let kind = words.next().unwrap();
        let name = words.next().unwrap_or("");
        let line = Line { kind, name, words: words.collect(), at: start, len: trimmed.len(), below: Vec::new() };
        flat.push((indent, line));
    }
    let roots = nest(&mut flat.into_iter().peekable(), None);
    let mut hosts: Vec<&str> = Vec::new();
    for play in &roots {
        for host in play.list("on") {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts.sort_unstable();
    let mut maker = Maker { file, hosts, tasks: Vec::new() };
    let plays = roots.iter().map(|line| maker.play(line)).collect();
    let environment = Environment {
        name: "test".into(),
        hosts: maker
            .hosts
            .iter()
            .map(|name| Host {
                name: (*name).into(),
                span: Span::new(file, 0, 0),
                connection: Connection::Local,
                groups: vec!["all".into(), format!("group_{}", &name[..1])],
            })
            .collect(),
        groups: groups(&maker.hosts),
        cluster: None,
        becomes: false,
        ssh_config: None,
    };
    Parsed { program: program(environment, plays, maker.tasks), sources }
}

fn program(environment: Environment, plays: Vec<Play>, tasks: Vec<Task>) -> Program {
    Program { environment, plays, tasks, values: lions::language::Values::default() }
}

fn groups(hosts: &[&str]) -> BTreeMap<String, Vec<HostId>> {
    let mut groups: BTreeMap<String, Vec<HostId>> = BTreeMap::new();
    for (id, name) in hosts.iter().enumerate() {
        groups.entry("all".into()).or_default().push(u32::try_from(id).unwrap());
        groups.entry(format!("group_{}", &name[..1])).or_default().push(u32::try_from(id).unwrap());
    }
    groups
}

fn nest<'t>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, Line<'t>)>>,
    outer: Option<usize>,
) -> Vec<Line<'t>> {
    let mut out = Vec::new();
    while let Some((indent, _)) = lines.peek() {
        if outer.is_some_and(|outer| *indent <= outer) {
            break;
        }
        let (indent, mut line) = lines.next().unwrap();
        line.below = nest(lines, Some(indent));
        out.push(line);
    }
    out
}

struct Maker<'t> {
    file: FileId,
    hosts: Vec<&'t str>,
    tasks: Vec<Task>,
}

#[derive(Clone, Default)]
struct Outer {
    hosts: Vec<HostId>,
    tags: Vec<String>,
}

impl Maker<'_> {
    fn span(&self, line: &Line<'_>) -> Span {
        Span::new(self.file, u32::try_from(line.at).unwrap(), u32::try_from(line.at + line.len).unwrap())
    }
    fn ids(&self, names: &[&str]) -> Vec<HostId> {
        let id = |name: &&str| self.hosts.iter().position(|host| host == name).expect("a host of a play");
        names.iter().map(|name| u32::try_from(id(name)).unwrap()).collect()
    }
    fn needs(&self, line: &Line<'_>) -> Option<Vec<Needed>> {
        line.get("needs")?;
        let span = self.span(line);
        Some(line.list("needs").into_iter().map(|name| Needed { name: name.replace('~', " "), span }).collect())
    }
    fn inner(&self, line: &Line<'_>, outer: &Outer) -> Outer {
        let mut inner = outer.clone();
        if line.get("hosts").is_some() {
            inner.hosts = self.ids(&line.list("hosts"));
        }
        inner.tags.extend(line.list("tags").into_iter().map(String::from));
        inner
    }

    fn play(&mut self, line: &Line<'_>) -> Play {
        let hosts = self.ids(&line.list("on"));
        let outer = self.inner(line, &Outer { hosts: hosts.clone(), tags: Vec::new() });
        let rollout = line.get("batch").map(|size| {
            let size: usize = size.parse().unwrap();
            let between = line.below.iter().find(|line| line.kind == "between");
            Rollout {
                batches: hosts.chunks(size).map(<[_]>::to_vec).collect(),
                between: between.map(|line| self.leaves(&line.below, &outer)).unwrap_or_default(),
                span: self.span(line),
            }
        });
        let own_hosts = if line.has("nohosts") { Vec::new() } else { hosts };
        Play {
            name: line.name.into(),
            span: self.span(line),
            hosts: own_hosts,
            needs: self.needs(line),
            tags: outer.tags.clone(),
            rollout,
            max_failures: line.get("max_failures").map_or(0, |count| count.parse().unwrap()),
            body: self.body(&line.below, &outer),
            handlers: self.handlers(&line.below, &outer),
        }
    }

    fn body(&mut self, lines: &[Line<'_>], outer: &Outer) -> Vec<Part> {
        let mut parts = Vec::new();
        for line in lines {
            let inner = self.inner(line, outer);
            match line.kind {
                "task" | "cluster" => parts.push(Part::Task(self.task(line, &inner, false))),
                "role" => parts.push(Part::Role(Role {
                    name: line.name.into(),
                    span: self.span(line),
                    needs: self.needs(line),
                    tags: inner.tags.clone(),
                    body: self.body(&line.below, &inner),
                    handlers: self.handlers(&line.below, &inner),
                })),
                "block" => {
                    let section = |kind: &str| line.below.iter().find(|below| below.kind == kind);
                    let (rescue, always) = (section("rescue"), section("always"));
                    parts.push(Part::Block(Block {
                        name: line.name.into(),
                        span: self.span(line),
                        needs: self.needs(line),
                        tags: inner.tags.clone(),
                        block: self.body(&line.below, &inner),
                        rescue: rescue.map(|line| self.body(&line.below, &inner)).unwrap_or_default(),
                        always: always.map(|line| self.body(&line.below, &inner)).unwrap_or_default(),
                    }));
                }
                "handler" | "rescue" | "always" | "between" => {}
                other => panic!("what is `{other}`?"),
            }
        }
        parts
    }

    fn handlers(&mut self, lines: &[Line<'_>], outer: &Outer) -> Vec<TaskId> {
        let handlers = lines.iter().filter(|line| matches!(line.kind, "handler" | "cluster_handler"));
        handlers.map(|line| self.task(line, &self.inner(line, outer), true)).collect()
    }

    fn leaves(&mut self, lines: &[Line<'_>], outer: &Outer) -> Vec<TaskId> {
        lines.iter().map(|line| self.task(line, &self.inner(line, outer), false)).collect()
    }

    fn task(&mut self, line: &Line<'_>, outer: &Outer, handler: bool) -> TaskId {
        let span = self.span(line);
        let sort = if line.kind == "cluster" { Sort::Cluster } else { Sort::Host };
        let spanned = |key: &str| line.list(key).into_iter().map(|name| (name.to_owned(), span)).collect();
        let items = line.get("loop").map(|_| Items {
            variable: "item".into(),
            items: line
                .list("loop")
                .into_iter()
                .map(|key| match key.split_once('@') {
                    None => Item { key: key.into(), shared: Some(Value::from(key)), by_host: BTreeMap::new() },
                    Some((key, hosts)) => Item {
                        key: key.into(),
                        shared: None,
                        by_host: self
                            .ids(&hosts.split('+').collect::<Vec<_>>())
                            .into_iter()
                            .map(|host| (host, Value::from(key)))
                            .collect(),
                    },
                })
                .collect(),
        });
        let task = Task {
            name: line.name.replace('~', " "),
            span,
            resource: "copy",
            sort,
            params: Node { span, tree: Tree::Null },
            scope: 0,
            hosts: if sort == Sort::Cluster && !line.has("per_host") { Vec::new() } else { outer.hosts.clone() },
            needs: self.needs(line),
            when: Vec::new(),
            items,
            register: line.get("register").map(String::from),
            reads: spanned("reads"),
            notify: spanned("notify"),
            tags: outer.tags.clone(),
            become_user: None,
            retries: 0,
            delay: Duration::ZERO,
            timeout: None,
            run_once: line.has("run_once"),
            delegate_to: line.get("delegate_to").map(|host| self.ids(&[host])[0]),
            per_host: line.has("per_host"),
            guard: false,
            optional: line.has("optional"),
            changed_when: None,
            failed_when: None,
            handler,
        };
        self.tasks.push(task);
        TaskId::try_from(self.tasks.len() - 1).unwrap()
    }
}
