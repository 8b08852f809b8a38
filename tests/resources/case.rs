//! One case: what is there, what is wished for, what must be planned, and that it holds true afterwards.
//!
//! Beside `then`, each case proves the contract: plan writes nothing; what the steps leave on the shadow is right;
//! apply, looking afresh, finds what was planned, field by field; after it the same task is right; and the shadow
//! foresaw what is there then.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use lions::model::{After, Field, Halt, Map, PlaceName, Secret, Shown, Value, Verdict};
use lions::resources::{Planned, Probe, Step, decode};
use lions::targets::host::memory::{MemoryHost, Offer, output};
use lions::targets::host::probe::{HostPlace, Street};
use lions::targets::host::{self, CommandLine, Privilege};
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    given: Given,
    when: IndexMap<String, Json>,
    then: Then,
    /// `right` (the default) or, for what has no state to return to, `same`.
    #[serde(default)]
    after: AfterWards,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AfterWards {
    #[default]
    Right,
    Same,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Given {
    files: IndexMap<String, File>,
    directories: IndexMap<String, Attributes>,
    links: IndexMap<String, String>,
    users: IndexMap<String, u32>,
    facts: IndexMap<String, Json>,
    commands: IndexMap<String, Said>,
    /// What it can fetch, by URL.
    web: IndexMap<String, String>,
    /// Name: number, and members.
    groups: IndexMap<String, (u32, Vec<String>)>,
    /// What stands in the place of passwords.
    passwords: IndexMap<String, String>,
    /// Name: version; with `!` half installed, with `-` only its configuration, with `=` on hold.
    packages: IndexMap<String, String>,
    /// Packages that can be got.
    offers: IndexMap<String, OfferGiven>,
    /// How old the lists are.
    lists: Option<u64>,
    /// Name: what it does, and whether it is enabled; `passing` for one that ends by itself.
    units: IndexMap<String, (String, String)>,
    /// Other hosts of the environment.
    neighbours: IndexMap<String, Given>,
    /// Tasks planned above this one.
    planned: Vec<IndexMap<String, Json>>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Attributes {
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Text(String),
    Full {
        #[serde(default)]
        content: String,
        mode: Option<String>,
        owner: Option<String>,
        group: Option<String>,
    },
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, default)]
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
    /// Files that it writes.
    writes: IndexMap<String, String>,
    /// For `validate`: it fails unless its input holds this.
    input: Option<String>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct OfferGiven {
    version: String,
    depends: Vec<String>,
    files: IndexMap<String, String>,
    units: Vec<String>,
    users: IndexMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
struct Then {
    right: Option<String>,
    change: Option<String>,
    fault: Option<String>,
    help: Option<String>,
    later: Option<String>,
    misfit: Option<String>,
    /// Name: [before, after].
    fields: Option<IndexMap<String, (Json, Json)>>,
    steps: Option<Vec<String>>,
    /// What it is not ready for, although nothing differs.
    unready: Option<String>,
    /// What it registers, in part.
    yields: Option<IndexMap<String, Json>>,
    /// Round trips that the look may cost.
    trips: Option<usize>,
    /// What the host must hold after apply: text of a file, or null for nothing there.
    left: Option<IndexMap<String, Option<String>>>,
}

/// A value of a case: `$secret: x`, `$unknown: task` (with `value`, what it is at apply), `$file: text`.
fn value(json: &Json, apply: bool) -> Value {
    let Json::Object(map) = json else {
        return match json {
            Json::Array(items) => Value::List(items.iter().map(|item| value(item, apply)).collect()),
            other => Value::from(other.clone()),
        };
    };
    if let Some(secret) = map.get("$secret") {
        let secret_value = value(secret, apply);
        return Value::Secret(match map.get("shown").and_then(Json::as_str) {
            Some(shown) => Secret::partly(secret_value, shown.to_owned()),
            None => Secret::new(secret_value),
        });
    }
    if let Some(text) = map.get("$file").and_then(Json::as_str) {
        let bytes = text.as_bytes();
        return Value::Content(match map.get("shown").and_then(Json::as_str) {
            Some(shown) => lions::model::Content::sealed(bytes, shown),
            None => lions::model::Content::open(bytes),
        });
    }
    if let Some(bytes) = map.get("$bytes").and_then(Json::as_array) {
        let bytes: Vec<u8> = bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect();
        return Value::Content(lions::model::Content::open(bytes));
    }
    if let Some(task) = map.get("$unknown").and_then(Json::as_str) {
        return match map.get("value") {
            Some(known) if apply => value(known, apply),
            _ => Value::Unknown(After::new(task)),
        };
    }
    Value::Map(map.iter().map(|(key, item)| (key.clone(), value(item, apply))).collect::<Map>())
}

fn task(task: &IndexMap<String, Json>, apply: bool) -> Result<Box<dyn Planned>, lions::model::decode::Misfit> {
    assert_eq!(task.len(), 1, "a task is one resource");
    let (name, params) = task.first().unwrap();
    decode(name, &value(params, apply))
}

fn mode(text: Option<&String>, default: u32) -> u32 {
    text.map_or(default, |text| u32::from_str_radix(text, 8).unwrap())
}

fn host(given: &Given) -> MemoryHost {
    let mut host = MemoryHost::new();
    for (name, number) in &given.users {
        host = host.user(name, *number, name);
    }
    for (path, attributes) in &given.directories {
        host = host.directory(path);
        let Attributes { mode: bits, owner, group } = attributes;
        let (owner, group) = (owner.as_deref().unwrap_or("root"), group.as_deref().unwrap_or("root"));
        host = host.attributes(path, owner, group, mode(bits.as_ref(), 0o755));
    }
    for (path, file) in &given.files {
        host = match file {
            File::Text(text) => host.file(path, text),
            File::Full { content, mode: bits, owner, group } => host.file(path, content).attributes(
                path,
                owner.as_deref().unwrap_or("root"),
                group.as_deref().unwrap_or("root"),
                mode(bits.as_ref(), 0o644),
            ),
        };
    }
    for (path, target) in &given.links {
        host = host.symlink(path, target);
    }
    for (url, content) in &given.web {
        host = host.web(url, content);
    }
    for (line, said) in &given.commands {
        let said = said.clone();
        host = host.command(line, move |machine, command| {
            let input = String::from_utf8_lossy(command.stdin.as_deref().unwrap_or_default()).into_owned();
            if said.input.as_ref().is_some_and(|wanted| !input.contains(wanted)) {
                return host::Output { stderr: b"syntax error".to_vec(), ..output(1, "") };
            }
            said.writes.iter().for_each(|(path, text)| machine.put(path, text));
            host::Output { stderr: said.stderr.clone().into_bytes(), ..output(said.status, &said.stdout) }
        });
    }
    let host = system(host, given);
    host.facts(given.facts.iter().map(|(name, fact)| (name.clone(), Value::from(fact.clone()))).collect())
}

/// Packages, units, groups and passwords.
fn system(mut host: MemoryHost, given: &Given) -> MemoryHost {
    use host::{Active, PackageState};
    for (name, (number, members)) in &given.groups {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        host = host.group(name, *number, &members);
    }
    for (name, field) in &given.passwords {
        host = host.password(name, field);
    }
    for (name, offer) in &given.offers {
        let OfferGiven { version, depends, files, units, users } = offer.clone();
        let (files, users) = (files.into_iter().collect(), users.into_iter().collect());
        host = host.offer(name, Offer { version, depends, files, units, users });
    }
    for (name, version) in &given.packages {
        let (state, held) = match version.chars().last() {
            Some('!') => (PackageState::Broken, false),
            Some('-') => (PackageState::Removed, false),
            Some('=') => (PackageState::Installed, true),
            _ => (PackageState::Installed, false),
        };
        host = host.package_state(name, version.trim_end_matches(['!', '-', '=']), state, held);
    }
    if given.lists.is_some() {
        host = host.lists(given.lists);
    }
    for (name, (active, enabled)) in &given.units {
        host = match active.as_str() {
            "passing" => host.passing_unit(name),
            "active" => host.unit(name, Active::Active, enabled),
            "failed" => host.unit(name, Active::Failed, enabled),
            _ => host.unit(name, Active::Inactive, enabled),
        };
    }
    host
}

fn shown(shown: &Shown) -> Json {
    match shown {
        Shown::Absent => Json::Null,
        Shown::Present => serde_json::json!({ "present": true }),
        Shown::Value(text) | Shown::Text(text) => Json::from(text.as_str()),
        Shown::Secret { masked, .. } => serde_json::json!({ "secret": masked }),
        Shown::Binary { size, .. } => serde_json::json!({ "binary": size }),
        Shown::Unknown(after) => serde_json::json!({ "unknown": after.0.as_ref() }),
    }
}

fn fields(all: &[Field]) -> IndexMap<String, (Json, Json)> {
    all.iter().map(|field| (field.name.to_string(), (shown(&field.before), shown(&field.after)))).collect()
}

fn step(step: &Step) -> String {
    let Step::Host(step) = step else { return "a step of the cluster".to_owned() };
    match step {
        host::Step::Write { path, .. } => format!("write {path}"),
        host::Step::Promise { path, .. } => format!("promise {path}"),
        host::Step::Attributes { path, .. } => format!("attributes {path}"),
        host::Step::Unpack(unpack) => format!("unpack {} to {}", unpack.src, unpack.dest),
        host::Step::Ruleset { path } => format!("rules {}", path.as_deref().unwrap_or("away")),
        host::Step::Reboot { limit } => format!("reboot within {} s", limit.as_secs()),
        host::Step::Download(download) => format!("download {} to {}", download.shown, download.path),
        host::Step::Directory { path, .. } => format!("directory {path}"),
        host::Step::Link { path, target, hard: false, .. } => format!("link {path} -> {target}"),
        host::Step::Link { path, target, hard: true, .. } => format!("hard link {path} -> {target}"),
        host::Step::Remove { path, .. } => format!("remove {path}"),
        host::Step::Tune { path, value, .. } => format!("tune {path} = {value}"),
        host::Step::Run { command, .. } | host::Step::Act { command, .. } => match &command.line {
            CommandLine::Words(words) if words.len() > 3 && words[1] == "-c" => format!("run {}", words[3..].join(" ")),
            CommandLine::Words(words) => format!("run {}", words.join(" ")),
            CommandLine::Shell(line) => format!("shell {line}"),
        },
        host::Step::Packages(packages) => transaction(packages),
        host::Step::Unit { name, action } => format!("{} {name}", action.word()),
        host::Step::DaemonReload => "daemon-reload".to_owned(),
        host::Step::User(user) => format!("{} {}", if user.create { "useradd" } else { "usermod" }, user.name),
        host::Step::NoUser(user) => format!("userdel {}", user.name),
        host::Step::Group(group) => format!("{} {}", if group.create { "groupadd" } else { "groupmod" }, group.name),
        host::Step::NoGroup(name) => format!("groupdel {name}"),
    }
}

fn transaction(packages: &host::Packages) -> String {
    let mut words = Vec::new();
    if packages.update {
        words.push("update".to_owned());
    }
    for name in &packages.remove {
        words.push(format!("{} {name}", if packages.purge { "purge" } else { "remove" }));
    }
    for host::Install { name, version, downgrade } in &packages.install {
        let version = version.as_ref().map_or(String::new(), |version| format!("={version}"));
        words.push(format!("install {name}{version}{}", if *downgrade { " downgrade" } else { "" }));
    }
    words.join(", ")
}

pub(super) fn place(host: &MemoryHost) -> HostPlace {
    HostPlace::new(PlaceName::new("host"), [(Privilege::Login, host.link(&Privilege::Login))])
}

pub(super) async fn plan(place: &HostPlace, task: &dyn Planned) -> Result<Verdict<Step>, Halt> {
    let probe = place.probe(&Privilege::Login);
    place.drive([task.judge(Probe::Host(&probe))]).await.pop().unwrap()
}

pub(super) async fn fresh(place: &HostPlace, task: &dyn Planned) -> Result<Verdict<Step>, Halt> {
    let probe = place.fresh(&Privilege::Login);
    probe.look(task.judge(Probe::Host(&probe))).await
}

pub(super) fn imitate(place: &HostPlace, verdict: &Verdict<Step>, after: &str) {
    let Verdict::Change(change) = verdict else { return };
    for step in &change.steps {
        let Step::Host(step) = step else { continue };
        place.imitate(step, &After::new(after));
    }
}

pub(super) async fn perform(host: &MemoryHost, verdict: &Verdict<Step>) -> Result<(), String> {
    let Verdict::Change(change) = verdict else { return Ok(()) };
    let link: Arc<dyn host::Link> = host.link(&Privilege::Login);
    for step in &change.steps {
        let Step::Host(step) = step else { continue };
        link.perform(step, &|_, _| {}).await.map_err(|fault| format!("apply: {step:?}: {fault}"))?;
    }
    Ok(())
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, got: &T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("{what}\n  wanted {wanted:?}\n  got    {got:?}")) }
}

fn holds(what: &str, part: &str, text: &str) -> Result<(), String> {
    if text.contains(part) { Ok(()) } else { Err(format!("{what}\n  wanted {part:?} in\n  got    {text:?}")) }
}

impl Then {
    /// Is `verdict` what is wanted?
    fn judge(&self, verdict: &Result<Verdict<Step>, Halt>) -> Result<(), String> {
        let sort = match verdict {
            Ok(Verdict::Right { why, .. }) => match &self.right {
                Some(wanted) => return expect("why it is right", wanted, &why.to_string()),
                None => format!("right: {why}"),
            },
            Ok(Verdict::Change(change)) => match &self.change {
                Some(action) => {
                    expect("the action", action, &change.action.to_string())?;
                    if let Some(wanted) = &self.fields {
                        expect("the fields", wanted, &fields(&change.fields))?;
                    }
                    if let Some(wanted) = &self.steps {
                        expect("the steps", wanted, &change.steps.iter().map(step).collect())?;
                    }
                    return Ok(());
                }
                None => format!("change: {} {:?}", change.action, fields(&change.fields)),
            },
            Err(Halt::Fault(fault)) => match &self.fault {
                Some(part) => {
                    holds("the fault", part, &fault.to_string())?;
                    let help = fault.help.clone().unwrap_or_default();
                    return holds("the help", self.help.as_deref().unwrap_or_default(), &help);
                }
                None => format!("fault: {fault}"),
            },
            Err(Halt::Later(after)) => match &self.later {
                Some(task) => return expect("after what it is known", task, &after.0.to_string()),
                None => format!("later: {}", after.0),
            },
        };
        Err(format!("another verdict was wanted, got {sort}"))
    }
}

fn open(field: &Field) -> bool {
    [&field.before, &field.after].into_iter().any(|shown| matches!(shown, Shown::Unknown(_)))
}

/// Every value that the plan knew is the same at apply; nothing is there that was not listed.
pub(super) fn refines(planned: &[Field], applied: &[Field]) -> Result<(), String> {
    for field in applied {
        // `data` was not known: now there is `data.a`.
        let inside = |planned: &&Field| {
            matches!(planned.after, Shown::Unknown(_)) && field.name.starts_with(&format!("{}.", planned.name))
        };
        let Some(before) = planned.iter().find(|planned| planned.name == field.name) else {
            if planned.iter().any(|planned| inside(&planned)) {
                continue;
            }
            return Err(format!("apply changes `{}`, which was not planned", field.name));
        };
        for (planned, applied) in [(&before.before, &field.before), (&before.after, &field.after)] {
            if !matches!(planned, Shown::Unknown(_) | Shown::Present) {
                expect(&format!("`{}` at apply", field.name), planned, applied)?;
            }
        }
    }
    for field in planned.iter().filter(|field| !open(field)) {
        if !applied.iter().any(|applied| applied.name == field.name) {
            return Err(format!("apply does not change `{}`, which was planned", field.name));
        }
    }
    Ok(())
}

pub(super) async fn run(text: &str) -> Result<(), String> {
    let case: Case = serde_saphyr::from_str(text).map_err(|error| format!("the case itself: {error}"))?;
    let host = host(&case.given);
    let before = host.snapshot();
    let street = Arc::new(Street::default());
    let place = place(&host).on(&street);
    for (name, given) in &case.given.neighbours {
        let link: Arc<dyn host::Link> = self::host(given).link(&Privilege::Login);
        let _ = HostPlace::new(PlaceName::new(name.as_str()), [(Privilege::Login, link)]).on(&street);
    }
    let wish = match (task(&case.when, false), &case.then.misfit) {
        (Err(misfit), Some(part)) => return holds("the misfit", part, &misfit.to_string()),
        (Err(misfit), None) => return Err(format!("misfit: {misfit}")),
        (Ok(_), Some(part)) => return Err(format!("a misfit was wanted: {part}")),
        (Ok(wish), None) => wish,
    };
    let above: Vec<Box<dyn Planned>> = case
        .given
        .planned
        .iter()
        .map(|above| task(above, false).map_err(|misfit| misfit.to_string()))
        .collect::<Result<_, _>>()?;
    for above in &above {
        let verdict = plan(&place, &**above).await.map_err(|halt| format!("a task above: {halt:?}"))?;
        imitate(&place, &verdict, "above");
    }
    let trips = place.batches();
    let verdict = plan(&place, &*wish).await;
    case.then.judge(&verdict)?;
    if let Some(wanted) = case.then.trips {
        expect("round trips", &wanted, &(place.batches() - trips))?;
    }
    if let Some(wanted) = &case.then.unready {
        let probe = place.probe(&Privilege::Login);
        let unready = place.drive([wish.unready(Probe::Host(&probe))]).await.pop().unwrap();
        let unready = match unready {
            Err(Halt::Later(after)) => format!("after {}", after.0),
            unready => unready.map_err(|halt| format!("{halt:?}"))?.unwrap_or_default(),
        };
        expect("what it waits for", wanted, &unready)?;
    }
    if let Some(wanted) = &case.then.yields {
        let yields = match &verdict {
            Ok(Verdict::Right { yields, .. }) => yields,
            Ok(Verdict::Change(change)) => &change.yields,
            Err(_) => return Err("nothing is registered".to_owned()),
        };
        for (name, wanted) in wanted {
            let got = yields.get(name).map(Value::to_shown_json).unwrap_or_default();
            expect(&format!("the register's `{name}`"), wanted, &got)?;
        }
    }
    expect("plan wrote something", &before, &host.snapshot())?;
    let planned = match verdict {
        Ok(planned) => planned,
        // A later task has its change at apply only; there it must come to rest as well.
        Err(Halt::Later(_)) => Verdict::right("later"),
        Err(Halt::Fault(_)) => return Ok(()),
    };
    let later = case.then.later.is_some();
    imitate(&place, &planned, "this");
    if case.after == AfterWards::Right && !later {
        match plan(&place, &*wish).await {
            Ok(Verdict::Right { .. }) => {}
            // What a command leaves is not known before it has run.
            Err(Halt::Later(_)) if matches!(&planned, Verdict::Change(change) if change.action == lions::model::Action::Run) =>
                {}
            // What will be written is not known: that it is right cannot be known either.
            Ok(Verdict::Change(change))
                if change.fields.iter().all(|field| matches!(field.after, Shown::Unknown(_))) => {}
            other => return Err(format!("on the shadow of its own steps it is not right: {other:?}")),
        }
    }

    for above in &case.given.planned {
        let above = task(above, true).map_err(|misfit| misfit.to_string())?;
        let verdict = fresh(&place, &*above).await.map_err(|halt| format!("apply above: {halt:?}"))?;
        perform(&host, &verdict).await?;
    }
    let wish = task(&case.when, true).map_err(|misfit| format!("at apply: {misfit}"))?;
    let applied = fresh(&place, &*wish).await.map_err(|halt| format!("at apply: {halt:?}"))?;
    if !later {
        match (&planned, &applied) {
            (Verdict::Change(planned), Verdict::Change(applied)) => refines(&planned.fields, &applied.fields)?,
            (Verdict::Right { .. }, Verdict::Right { .. }) => {}
            // What was not known may turn out to be right already.
            (Verdict::Change(change), Verdict::Right { .. }) if change.fields.iter().any(open) => {}
            (planned, applied) => return Err(format!("planned {planned:?}\n  apply finds {applied:?}")),
        }
    }
    perform(&host, &applied).await?;
    if case.after == AfterWards::Right {
        match fresh(&place, &*wish).await {
            Ok(Verdict::Right { .. }) => {}
            other => return Err(format!("after apply it is not right: {other:?}")),
        }
    }
    if let Some(left) = &case.then.left {
        for (path, wanted) in left {
            expect(&format!("what is left at {path}"), wanted, &host.machine().read(path))?;
        }
    }
    foreseen(&place, &host, later).await?;
    if later { Ok(()) } else { census(&place, &host).await }
}

/// The shadow says of every user, group, package and unit what is there now.
async fn census(place: &HostPlace, host: &MemoryHost) -> Result<(), String> {
    let probe = place.probe(&Privilege::Login);
    // What is not known before apply says so; what is known must be what came.
    let same = |what: String, foreseen: Result<String, Halt>, now: String| match foreseen {
        Ok(foreseen) if foreseen.contains("None") => Ok(()),
        Ok(foreseen) => expect(&format!("the shadow of {what}"), &now, &foreseen),
        Err(Halt::Later(_)) => Ok(()),
        Err(Halt::Fault(fault)) => Err(format!("the shadow of {what}: {fault}")),
    };
    for (name, package) in host.packages() {
        let foreseen = place.drive([probe.package(&name)]).await.pop().unwrap();
        // What comes along with another package is not foreseen.
        if matches!(foreseen, Ok(None)) {
            continue;
        }
        same(format!("package {name}"), foreseen.map(|seen| format!("{:?}", seen.unwrap())), format!("{package:?}"))?;
    }
    for (name, group) in host.groups() {
        let foreseen = place.drive([probe.group(&name)]).await.pop().unwrap();
        same(format!("group {name}"), foreseen.map(|seen| format!("{seen:?}")), format!("{:?}", Some(group)))?;
    }
    for (name, user) in host.users() {
        let foreseen = place.drive([probe.user(&name)]).await.pop().unwrap();
        let words = |user: &host::User| format!("{:?} {} {:?} {}", user.uid, user.home, user.shell, user.comment);
        let foreseen = foreseen.map(|seen| seen.map_or_else(|| "nobody".to_owned(), |user| words(&user)));
        same(format!("user {name}"), foreseen, words(&user))?;
    }
    for (name, unit) in host.units() {
        let foreseen = place.drive([probe.unit(&name)]).await.pop().unwrap();
        let words = |unit: &host::Unit| format!("{:?} {:?} {}", unit.load, unit.active, unit.enabled);
        let foreseen = foreseen.map(|seen| seen.map_or_else(|| "no unit".to_owned(), |unit| words(&unit)));
        same(format!("unit {name}"), foreseen, words(&unit))?;
    }
    Ok(())
}

/// The shadow says of every path what is there now.
pub(super) async fn foreseen(place: &HostPlace, host: &MemoryHost, later: bool) -> Result<(), String> {
    if later {
        return Ok(());
    }
    let now = host.snapshot();
    let probe = place.probe(&Privilege::Login);
    let all: BTreeMap<&String, _> = now.iter().collect();
    for (path, (stat, bytes)) in all {
        // The shadow knows what is in these lists, not with which numbers the kernel will write it.
        if ["/proc/self/mountinfo", "/proc/swaps"].contains(&path.as_str()) {
            continue;
        }
        let foreseen = place.drive([probe.stat(path)]).await.pop().unwrap();
        let foreseen = match foreseen {
            // The number of what is made is not foreseen.
            Ok(foreseen) => foreseen.map(|foreseen| host::Stat { node: None, ..foreseen }),
            Err(Halt::Later(_)) => continue,
            Err(Halt::Fault(fault)) => return Err(format!("the shadow at {path}: {fault}")),
        };
        if let Some(host::Stat { kind: host::FileKind::File(None), .. }) = foreseen {
            continue;
        }
        let host::FileKind::File(_) = stat.kind else {
            expect(&format!("the shadow at {path}"), &Some(stat.clone()), &foreseen)?;
            continue;
        };
        let content = place.drive([probe.content(path)]).await.pop().unwrap();
        if let Err(Halt::Later(_)) = content {
            // What will be fetched is known by its digest alone.
            let foreseen = foreseen.map(|foreseen| host::Stat { size: stat.size, ..foreseen });
            expect(&format!("the shadow at {path}"), &Some(stat.clone()), &foreseen)?;
            continue;
        }
        expect(&format!("the shadow at {path}"), &Some(stat.clone()), &foreseen)?;
        // Of a file that lay under another name, asked only now: that name is gone. The digest was compared above.
        let Some(content) = content.map_err(|halt| format!("{halt:?}"))? else { continue };
        expect(
            &format!("the shadow's content of {path}"),
            &String::from_utf8_lossy(bytes),
            &String::from_utf8_lossy(content.bytes()),
        )?;
    }
    Ok(())
}
