//! The only code that changes a cluster: does one step, exactly.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::api::{Api, Trouble, object_path};
use super::kinds::{Kind, Kinds};
use super::rounds::Rounds;
use super::settle::{Scene, Settled, judge, leaving};
use super::{Live, Object, ObjectId, Recipe, Step, exec, faults, reveal};
use crate::model::{Fault, FaultKind, Map, Secret, Stream, Value};
use crate::targets::Said;

/// Does `step`.
pub(super) async fn perform(
    api: &Api,
    kinds: &Kinds,
    rounds: &Rounds,
    step: &Step,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Option<Said>, Fault> {
    match step {
        Step::Apply { object, uid, force, .. } => apply(api, kinds, rounds, object, uid.as_deref(), *force).await?,
        Step::Generate { object, uid, generate, given, .. } => {
            let (object, made) = generated(object, generate)?;
            apply(api, kinds, rounds, &object, uid.as_deref(), false).await?;
            let data = given.iter().map(|(key, value)| (key.clone(), value.clone())).chain(made);
            return Ok(Some(Said::Values(Map::from([("data".to_owned(), Value::Map(data.collect()))]))));
        }
        Step::Replace { object, uid, .. } => {
            let id = &object.id;
            let kind = kind(api, kinds, id).await?;
            gone(api, &object_path(&kind, id), id, uid).await?;
            apply(api, kinds, rounds, object, None, false).await?;
        }
        Step::Scale { id, uid, replicas, .. } => {
            let part = json!({ "metadata": { "uid": uid }, "spec": { "replicas": replicas } });
            let path = format!("{}/scale", object_path(&kind(api, kinds, id).await?, id));
            api.merge(&path, &part).await.map_err(|trouble| trouble.fault("scale", &format!("`{id}`")))?;
        }
        Step::Restart { id, uid } => {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let template = json!({ "metadata": { "annotations": { RESTARTED: now } } });
            let part = json!({ "metadata": { "uid": uid }, "spec": { "template": template } });
            let path = object_path(&kind(api, kinds, id).await?, id);
            api.merge(&path, &part).await.map_err(|trouble| trouble.fault("restart", &format!("`{id}`")))?;
        }
        Step::Exec(order) => {
            let pod = exec::choose(api, order).await??;
            return exec::run(api, order, &pod, output).await.map(|output| Some(Said::Output(output)));
        }
        Step::Delete { id, uid } => {
            let kind = kind(api, kinds, id).await?;
            match api.delete(&object_path(&kind, id), uid.as_deref()).await {
                // Gone already is what was wanted.
                Err(Trouble::Said(status)) if status.code == 404 => {}
                answer => {
                    answer.map_err(|trouble| trouble.fault("delete", &format!("`{id}`")))?;
                }
            }
            if id.defines_kinds() {
                kinds.forget();
            }
        }
    }
    Ok(None)
}

/// Deletes the object with that `uid`, and waits until it is gone: what is applied before would be lost with it.
async fn gone(api: &Api, path: &str, id: &ObjectId, uid: &str) -> Result<(), Fault> {
    const PAUSE: Duration = Duration::from_millis(100);
    let name = format!("`{id}`");
    match api.delete(path, Some(uid)).await {
        Err(Trouble::Said(status)) if status.code == 404 => return Ok(()),
        answer => answer.map_err(|trouble| trouble.fault("delete", &name))?,
    };
    let mut held = String::new();
    let wait = async {
        loop {
            let left = match api.get(path).await {
                Err(Trouble::Said(status)) if status.code == 404 => return Ok(()),
                Ok(other) if other.pointer("/metadata/uid").and_then(Json::as_str) != Some(uid) => return Ok(()),
                answer => answer.map_err(|trouble| trouble.fault("read", &name))?,
            };
            held = leaving(&left).unwrap_or_default();
            tokio::time::sleep(PAUSE).await;
        }
    };
    let gone = tokio::time::timeout(api.deadline(), wait).await;
    gone.unwrap_or_else(|_| {
        let what = format!("{name} was deleted, and is not gone after {} s", api.deadline().as_secs_f32());
        Err(Fault::new(FaultKind::TimedOut, what)
            .cause(held)
            .help("who holds it has to let it go: is its controller there?"))
    })
}

/// Where `kubectl rollout restart` notes when it was: a template that differs is rolled out.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

async fn apply(
    api: &Api,
    kinds: &Kinds,
    rounds: &Rounds,
    object: &Object,
    uid: Option<&str>,
    force: bool,
) -> Result<(), Fault> {
    let id = &object.id;
    let mut body = reveal(&object.body).map_err(|after| {
        Fault::new(FaultKind::Stale, format!("cannot apply `{id}`: a value of it is still not known {after}"))
            .help("plan again; if it stays, the task that gives the value was skipped")
    })?;
    if let Some(uid) = uid {
        // An object that was deleted meanwhile does not rise again, and another of the same name is not taken.
        body["metadata"]["uid"] = uid.into();
    }
    let kind = kind(api, kinds, id).await?;
    let path = object_path(&kind, id);
    let answer = api.apply(&path, &body, force, false).await;
    let answer = answer.map_err(|trouble| faults::masked(trouble.fault("apply", &format!("`{id}`")), object))?;
    if id.defines_kinds() {
        // What comes next may be an object of these kinds.
        established(api, &path, id, answer).await?;
        kinds.forget();
    } else if let Settled::Waiting(_) = judge(&Scene::alone(answer)) {
        rounds.wrote_raw(id);
    }
    Ok(())
}

/// `object` with values that nobody knew before, and these values.
fn generated(object: &Object, generate: &[(String, Recipe)]) -> Result<(Object, Map), Fault> {
    let Value::Map(mut body) = object.body.clone() else { return Ok((object.clone(), Map::new())) };
    let mut made = Map::new();
    for (key, recipe) in generate {
        let value = Value::text(recipe.make()?);
        made.insert(key.clone(), Value::Secret(Secret::new(value)));
    }
    let mut data = match body.shift_remove("stringData") {
        Some(Value::Map(data)) => data,
        _ => Map::new(),
    };
    data.extend(made.clone());
    body.insert("stringData".to_owned(), Value::Map(data));
    Ok((Object::new(object.id.clone(), Value::Map(body)), made))
}

/// Waits until the kinds of a definition can be used.
async fn established(api: &Api, path: &str, id: &ObjectId, mut definition: Json) -> Result<(), Fault> {
    const PAUSE: Duration = Duration::from_millis(50);
    let wait = async {
        loop {
            match super::established(&Live::new(id, definition).value) {
                Ok(true) => return Ok(()),
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(fault) => return Err(fault),
            }
            definition = api.get(path).await.map_err(|trouble| trouble.fault("read", &format!("`{id}`")))?;
        }
    };
    tokio::time::timeout(api.deadline(), wait).await.unwrap_or_else(|_| {
        let what = format!("the kinds of `{id}` could not be used within {} s", api.deadline().as_secs_f32());
        Err(Fault::new(FaultKind::TimedOut, what)
            .help(format!("look at its conditions: `kubectl get crd {} -o yaml`", id.name)))
    })
}

async fn kind(api: &Api, kinds: &Kinds, id: &ObjectId) -> Result<Kind, Fault> {
    let served = kinds.served(api, id, true).await?;
    served.and_then(|served| served.get(&id.kind).cloned()).ok_or_else(|| {
        Fault::failed(format!("the cluster does not know the kind of `{id}` (any more)"))
            .help("its `CustomResourceDefinition` may not be established yet, or was deleted: run again")
    })
}

impl Recipe {
    /// A value that nobody can guess: each letter as likely as the others.
    fn make(&self) -> Result<String, Fault> {
        let letters = &self.alphabet;
        let count = u32::try_from(letters.len()).unwrap_or(u32::MAX).max(1);
        // What lies past the last whole round would make the first letters likelier.
        let fair = u32::MAX - u32::MAX % count;
        let mut made = String::with_capacity(self.length);
        while made.chars().count() < self.length {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes)
                .map_err(|error| Fault::failed("the system gives no random bytes").cause(error))?;
            let number = u32::from_ne_bytes(bytes);
            if let (true, Some(letter)) = (number < fair, letters.get((number % count) as usize)) {
                made.push(*letter);
            }
        }
        Ok(made)
    }
}
