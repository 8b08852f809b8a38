//! Cases of the resources of the cluster: what is in the cluster, what is wished for, what must be planned, and that it holds true
//! afterwards. The same contract as for host resources, field by field.

use std::path::Path;

use indexmap::IndexMap;
use lions::model::{After, Field, Halt, Map, Secret, Shown, Value, Verdict};
use lions::resources::{Planned, Step, decode};
use lions::targets::cluster::{ClusterPlace, Step as ClusterStep};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::api::Api;
use super::{fresh, imitate, perform, plan};
use crate::lab_cluster;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Why a real API cannot show this.
    only_fake: Option<String>,
    /// Why it cannot be applied here.
    only_plan: Option<String>,
    #[serde(default)]
    given: Given,
    when: IndexMap<String, Json>,
    then: Then,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Given {
    /// Tasks that an earlier run applied.
    applied: Vec<IndexMap<String, Json>>,
    /// What others did afterwards: manager and object.
    others: Vec<(String, Json)>,
    /// Tasks planned above this one.
    planned: Vec<IndexMap<String, Json>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    right: Option<String>,
    change: Option<String>,
    fault: Option<String>,
    help: Option<String>,
    later: Option<String>,
    misfit: Option<String>,
    /// Name: [before, after].
    fields: Option<IndexMap<String, (Json, Json)>>,
    /// What the look may cost: reads, dry runs.
    requests: Option<(u64, u64)>,
    things: Option<Vec<String>>,
    /// What the cluster must hold after apply: an object, in part, or null for nothing there.
    left: Option<IndexMap<String, Json>>,
}

/// `$secret: x`, `$unknown: task` (with `value`, what it is at apply), `$file: text` (with `shown`).
fn value(json: &Json, apply: bool) -> Value {
    let Json::Object(map) = json else {
        return match json {
            Json::Array(items) => Value::List(items.iter().map(|item| value(item, apply)).collect()),
            other => Value::from(other.clone()),
        };
    };
    let shown = map.get("shown").and_then(Json::as_str);
    if let Some(secret) = map.get("$secret") {
        let secret = value(secret, apply);
        return Value::Secret(
            shown.map_or_else(|| Secret::new(secret.clone()), |shown| Secret::partly(secret.clone(), shown)),
        );
    }
    if let Some(text) = map.get("$file").and_then(Json::as_str) {
        return Value::Content(match shown {
            Some(shown) => lions::model::Content::sealed(text.as_bytes(), shown),
            None => lions::model::Content::open(text.as_bytes()),
        });
    }
    match (map.get("$unknown").and_then(Json::as_str), map.get("value")) {
        (Some(_), Some(known)) if apply => value(known, apply),
        (Some(task), _) => Value::Unknown(After::new(task)),
        _ => Value::Map(map.iter().map(|(key, item)| (key.clone(), value(item, apply))).collect::<Map>()),
    }
}

fn task(
    api: &Api,
    task: &IndexMap<String, Json>,
    apply: bool,
) -> Result<Box<dyn Planned>, lions::model::decode::Misfit> {
    let (name, params) = task.first().unwrap();
    let mut params = params.clone();
    if let Some(params) = params.as_object_mut() {
        params.entry("namespace").or_insert_with(|| api.namespace().into());
    }
    decode(name, &value(&params, apply))
}

fn shown(shown: &Shown) -> Json {
    match shown {
        Shown::Absent => Json::Null,
        Shown::Present => json!({ "present": true }),
        Shown::Value(text) => Json::from(text.as_str()),
        Shown::Text(text) => json!({ "text": text }),
        Shown::Secret { masked, .. } => json!({ "secret": masked }),
        Shown::Binary { size, .. } => json!({ "binary": size }),
        Shown::Unknown(after) => json!({ "unknown": after.0.as_ref() }),
    }
}

fn fields(all: &[Field]) -> IndexMap<String, (Json, Json)> {
    all.iter().map(|field| (field.name.to_string(), (shown(&field.before), shown(&field.after)))).collect()
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, got: &T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("{what}\n  wanted {wanted:?}\n  got    {got:?}")) }
}

fn holds(what: &str, part: Option<&String>, text: &str) -> Result<(), String> {
    match part {
        Some(part) if !text.contains(part) => Err(format!("{what}\n  wanted {part:?} in\n  got    {text:?}")),
        _ => Ok(()),
    }
}

impl Then {
    fn judge(&self, verdict: &Result<Verdict<Step>, Halt>) -> Result<(), String> {
        match verdict {
            Ok(Verdict::Right { why, .. }) if self.right.is_some() => {
                expect("why it is right", self.right.as_ref().unwrap(), &why.to_string())
            }
            Ok(Verdict::Change(change)) if self.change.is_some() => {
                expect("the action", self.change.as_ref().unwrap(), &change.action.to_string())?;
                self.fields.as_ref().map_or(Ok(()), |wanted| expect("the fields", wanted, &fields(&change.fields)))
            }
            Err(Halt::Fault(fault)) if self.fault.is_some() => {
                holds("the fault", self.fault.as_ref(), &fault.to_string())?;
                holds("the help", self.help.as_ref(), fault.help.as_deref().unwrap_or_default())
            }
            Err(Halt::Later(after)) if self.later.is_some() => {
                expect("after what it is known", self.later.as_ref().unwrap(), &after.0.to_string())
            }
            Ok(Verdict::Change(change)) => Err(format!("got a change: {:#?}", fields(&change.fields))),
            other => Err(format!("another verdict was wanted, got {other:?}")),
        }
    }
}

/// Every value that the plan knew is the same at apply; nothing is there that was not listed.
fn refines(planned: &[Field], applied: &[Field]) -> Result<(), String> {
    for field in applied {
        let Some(before) = planned.iter().find(|planned| planned.name == field.name) else {
            return Err(format!("apply changes `{}`, which was not planned", field.name));
        };
        for (planned, applied) in [(&before.before, &field.before), (&before.after, &field.after)] {
            if !matches!(planned, Shown::Unknown(_) | Shown::Present) {
                expect(&format!("`{}` at apply", field.name), planned, applied)?;
            }
        }
    }
    for field in planned.iter().filter(|field| !matches!(field.after, Shown::Unknown(_))) {
        if !applied.iter().any(|applied| applied.name == field.name) {
            return Err(format!("apply does not change `{}`, which was planned", field.name));
        }
    }
    Ok(())
}

fn open(verdict: &Verdict<Step>) -> bool {
    let unknown = |field: &Field| matches!(field.after, Shown::Unknown(_));
    matches!(verdict, Verdict::Change(change) if change.fields.iter().any(unknown))
}

async fn apply(api: &Api, place: &ClusterPlace, params: &IndexMap<String, Json>) -> Result<(), String> {
    let task = task(api, params, true).map_err(|misfit| misfit.to_string())?;
    let verdict = fresh(place, &*task).await.map_err(|halt| format!("{halt:?}"))?;
    perform(place, &verdict).await.map_err(|fault| fault.to_string())
}

/// Is all of `part` in `whole`?
fn within(part: &Json, whole: &Json) -> bool {
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => {
            part.iter().all(|(key, part)| within(part, whole.get(key).unwrap_or(&Json::Null)))
        }
        (part, whole) => part == whole,
    }
}

async fn run(text: &str, api: Api) -> Result<(), String> {
    let case: Case = serde_saphyr::from_str(&api.own(text)).map_err(|error| format!("the case itself: {error}"))?;
    if matches!(api, Api::Real(_)) && case.only_fake.is_some() {
        return Ok(());
    }
    let wish = match (task(&api, &case.when, false), &case.then.misfit) {
        (Err(misfit), Some(part)) => return holds("the misfit", Some(part), &misfit.to_string()),
        (Err(misfit), None) => match (&misfit.unknown, &case.then.later) {
            (Some(after), Some(wanted)) => return expect("after what it is known", wanted, &after.0.to_string()),
            _ => return Err(format!("misfit: {misfit}")),
        },
        (Ok(_), Some(part)) => return Err(format!("a misfit was wanted: {part}")),
        (Ok(wish), None) => wish,
    };
    for params in &case.given.applied {
        apply(&api, &api.place(), params).await.map_err(|why| format!("given: {why}"))?;
    }
    for (manager, object) in &case.given.others {
        api.put(manager, object).await.map_err(|why| format!("given: {why}"))?;
    }
    let before = api.snapshot().await;
    let place = api.place();
    for params in &case.given.planned {
        let above = task(&api, params, false).map_err(|misfit| misfit.to_string())?;
        let verdict = plan(&place, &*above).await.map_err(|halt| format!("a task above: {halt:?}"))?;
        imitate(&place, &verdict, "above");
    }
    let asked = place.requests();
    let verdict = plan(&place, &*wish).await;
    case.then.judge(&verdict)?;
    if let Some(wanted) = case.then.requests {
        let now = place.requests();
        expect("requests", &wanted, &(now.reads - asked.reads, now.dry_runs - asked.dry_runs))?;
    }
    if let Some(wanted) = &case.then.things {
        expect("things", wanted, &wish.things().iter().map(|thing| thing.name.clone()).collect())?;
    }
    expect("plan wrote something", &before, &api.snapshot().await)?;
    expect("writes of the plan", &0, &place.requests().writes)?;
    let planned = match verdict {
        Ok(planned) => Some(planned),
        Err(Halt::Later(_)) => None,
        Err(Halt::Fault(_)) => return Ok(()),
    };
    if let Some(planned) = &planned {
        imitate(&place, planned, "this");
        match plan(&place, &*wish).await {
            Ok(Verdict::Right { .. }) => {}
            Ok(again) if runs_again(&again) && runs_again(planned) => {}
            // What will be there is not known: that it is right cannot be known either.
            Ok(again) if open(&again) && open(planned) => {}
            Err(Halt::Later(_)) if open(planned) => {}
            other => return Err(format!("on the shadow of its own steps it is not right: {other:?}")),
        }
    }

    if case.only_plan.is_some() {
        return Ok(());
    }
    let place = api.place();
    for params in &case.given.planned {
        apply(&api, &place, params).await.map_err(|why| format!("apply above: {why}"))?;
    }
    let wish = task(&api, &case.when, true).map_err(|misfit| format!("at apply: {misfit}"))?;
    let applied = fresh(&place, &*wish).await.map_err(|halt| format!("at apply: {halt:?}"))?;
    match (&planned, &applied) {
        (Some(Verdict::Change(planned)), Verdict::Change(applied)) => refines(&planned.fields, &applied.fields)?,
        (None, _) | (Some(Verdict::Right { .. }), Verdict::Right { .. }) => {}
        (Some(planned), Verdict::Right { .. }) if open(planned) => {}
        (planned, applied) => return Err(format!("planned {planned:?}\n  apply finds {applied:?}")),
    }
    perform(&place, &applied).await.map_err(|fault| format!("apply: {fault}"))?;
    for (what, place) in [("at once", place), ("by another run", api.place())] {
        let probe_now = fresh(&place, &*wish).await;
        let again = matches!(&probe_now, Ok(again) if runs_again(again) && runs_again(&applied));
        if !(again || matches!(probe_now, Ok(Verdict::Right { .. }))) {
            return Err(format!("after apply, looked at {what}, it is not right: {probe_now:?}"));
        }
    }
    for (id, wanted) in case.then.left.iter().flatten() {
        let got = api.object(id).await.unwrap_or(Json::Null);
        if !(within(wanted, &got) && wanted.is_null() == got.is_null()) {
            return Err(format!("what is left of {id}\n  wanted {wanted}\n  got    {got}"));
        }
    }
    Ok(())
}

/// Is it something without a state to return to?
fn runs_again(verdict: &Verdict<Step>) -> bool {
    let runs = |step: &Step| matches!(step, Step::Cluster(ClusterStep::Restart { .. } | ClusterStep::Exec(_)));
    matches!(verdict, Verdict::Change(change) if change.steps.iter().all(runs))
}

/// Every case of a resource of the cluster; `LIONS_CASE=part/of/name` for some.
async fn all(api: impl AsyncFn() -> Option<Api>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let wanted = std::env::var("LIONS_CASE").unwrap_or_default();
    let mut files = Vec::new();
    for kind in lions::resources::catalogue().iter().filter(|kind| kind.sort == lions::model::Sort::Cluster) {
        let cases = std::fs::read_dir(folder.join(kind.name)).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        files.extend(cases.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    let mut failed = Vec::new();
    let mut count = 0;
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        if !name.contains(&wanted) {
            continue;
        }
        count += 1;
        let Some(api) = api().await else { return };
        if let Err(why) = run(&std::fs::read_to_string(&file).unwrap(), api).await {
            failed.push(format!("{name}: {why}"));
        }
    }
    assert!(count > 0, "no case was run");
    assert!(failed.is_empty(), "{} of {count} cases failed\n\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test]
async fn cases_of_cluster_resources() {
    all(async || Some(Api::fake())).await;
}

/// The same on a real API: what the fake says there is what a real one says.
#[tokio::test]
async fn cases_of_cluster_resources_on_a_real_cluster() {
    all(async || lab_cluster::bare().await.map(Api::Real)).await;
}
