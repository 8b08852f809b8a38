//! The objects of the API in memory, and what requests do to them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::super::builtin::BUILT_IN;
use super::Seen;
use super::answer::Answer;
use super::merge::{Path, fields_v1, get, leaves, named, remove, set};
use super::paths::decode;
use super::{defaults, merge};

#[derive(Clone)]
struct Owner {
    applied: bool,
    fields: BTreeSet<Path>,
}

#[derive(Clone)]
struct Kept {
    object: Json,
    owners: BTreeMap<String, Owner>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    api_version: String,
    plural: String,
    namespace: Option<String>,
    name: String,
}

/// All objects.
pub(super) struct Store {
    /// (group version, plural) to kind and scope.
    kinds: BTreeMap<(String, String), (String, bool)>,
    objects: BTreeMap<Key, Kept>,
    version: u64,
    /// How often a new definition must be read before its kinds can be used.
    pub(super) slow: u32,
    /// What is left of that.
    waiting: BTreeMap<Key, u32>,
}

impl Default for Store {
    fn default() -> Self {
        let kind = |&(version, kind, plural, namespaced): &(&str, &str, &str, bool)| {
            ((version.to_owned(), plural.to_owned()), (kind.to_owned(), namespaced))
        };
        let kinds = BUILT_IN.iter().map(kind).collect();
        let mut store = Self { kinds, objects: BTreeMap::new(), version: 100, slow: 0, waiting: BTreeMap::new() };
        for name in ["default", "kube-system"] {
            let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            store.update("kube-apiserver", &object);
        }
        store
    }
}

impl Store {
    pub(super) fn handle(&mut self, seen: &Seen, query: &str, body: &[u8], merge: bool) -> Answer {
        let segments: Vec<String> = seen.path.split('/').skip(1).map(decode).collect();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (api_version, rest) = match words.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return Answer::refuse(404, "NotFound", "the server could not find the requested resource"),
        };
        let (namespace, plural, name) = match rest {
            [] => return self.kinds_of(&api_version),
            ["namespaces", namespace, plural] if seen.verb == "GET" => {
                return self.list(&api_version, Some(namespace), plural, query);
            }
            [plural] if seen.verb == "GET" => return self.list(&api_version, None, plural, query),
            // Of the part that scales only the number of pods is known here: it is that of the object.
            ["namespaces", namespace, plural, name] | ["namespaces", namespace, plural, name, "scale"] => {
                (Some((*namespace).to_owned()), *plural, *name)
            }
            [plural, name] => (None, *plural, *name),
            _ => return Answer::refuse(405, "MethodNotAllowed", "the server does not allow this method here"),
        };
        let key = Key { api_version, plural: plural.to_owned(), namespace, name: name.to_owned() };
        let known = self.kinds.get(&(key.api_version.clone(), key.plural.clone()));
        if known.is_none_or(|(_, namespaced)| *namespaced != key.namespace.is_some()) {
            return Answer::refuse(404, "NotFound", "the server could not find the requested resource");
        }
        let body: Json = serde_json::from_slice(body).unwrap_or_default();
        if seen.verb == "GET" {
            self.establish(&key);
        }
        match seen.verb.as_str() {
            "GET" => {
                self.objects.get(&key).map_or_else(|| Answer::not_found(plural, name), |kept| Answer::ok(kept.json()))
            }
            "PATCH" if merge => {
                let manager = query.split('&').find_map(|part| part.strip_prefix("fieldManager=")).unwrap_or_default();
                self.merge(&key, manager, body)
            }
            "PATCH" => {
                let manager = query.split('&').find_map(|part| part.strip_prefix("fieldManager=")).unwrap_or_default();
                self.apply(&key, manager, &body, query.contains("force=true"), seen.dry_run)
            }
            "DELETE" => self.delete(&key, &body),
            _ => Answer::refuse(405, "MethodNotAllowed", "the server does not allow this method here"),
        }
    }

    fn kinds_of(&self, api_version: &str) -> Answer {
        let of = self.kinds.iter().filter(|((version, _), _)| version == api_version);
        let resources: Vec<Json> = of
            .map(|((_, plural), (kind, namespaced))| json!({ "name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get", "patch", "delete"] }))
            .collect();
        if resources.is_empty() {
            return Answer::refuse(404, "NotFound", "the server could not find the requested resource");
        }
        Answer::ok(json!({ "kind": "APIResourceList", "groupVersion": api_version, "resources": resources }))
    }

    /// Objects of one kind by name, as many as asked for at once.
    fn list(&self, api_version: &str, namespace: Option<&str>, plural: &str, query: &str) -> Answer {
        let parameter = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let from = parameter("continue").unwrap_or_default();
        let labels = parameter("labelSelector").map(decode).unwrap_or_default();
        let labelled = |key: &Key| {
            let has = |wanted: &str| {
                let (name, value) = wanted.split_once('=').unwrap_or((wanted, ""));
                let labels = self.objects.get(key).and_then(|kept| kept.object.pointer("/metadata/labels"));
                labels.and_then(|labels| labels.get(name)).and_then(Json::as_str) == Some(value)
            };
            labels.is_empty() || labels.split(',').all(has)
        };
        let here = |key: &&Key| {
            let there = key.api_version == api_version && key.plural == plural;
            there && key.namespace.as_deref() == namespace && labelled(key)
        };
        let mut rest: Vec<_> = self.objects.keys().filter(here).filter(|key| key.name.as_str() > from).collect();
        let more = rest.split_off(limit.min(rest.len()));
        let items: Vec<Json> = rest.iter().filter_map(|key| self.objects.get(key)).map(Kept::json).collect();
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if let (false, Some(last)) = (more.is_empty(), rest.last()) {
            metadata["continue"] = last.name.clone().into();
            metadata["remainingItemCount"] = more.len().into();
        }
        Answer::ok(json!({ "kind": "List", "apiVersion": api_version, "metadata": metadata, "items": items }))
    }

    /// Server-side apply.
    fn apply(&mut self, key: &Key, manager: &str, declared: &Json, force: bool, dry_run: bool) -> Answer {
        if declared["metadata"].get("managedFields").is_some() {
            return Answer::refuse(400, "BadRequest", "metadata.managedFields must be nil");
        }
        if let Some(answer) = defaults::strict(declared).or_else(|| self.namespace_missing(key)) {
            return answer;
        }
        let old = self.objects.get(key).cloned();
        let uid = declared.pointer("/metadata/uid").and_then(Json::as_str);
        let old_uid = old.as_ref().and_then(|kept| kept.object.pointer("/metadata/uid")).and_then(Json::as_str);
        if uid.is_some() && uid != old_uid {
            let message = format!(
                "Operation cannot be fulfilled on {} \"{}\": uid mismatch: the provided object specified uid {}, and {}",
                key.plural,
                key.name,
                uid.unwrap_or_default(),
                old_uid
                    .map_or("no existing object was found".to_owned(), |old| format!("the existing object has {old}")),
            );
            return Answer::refuse(409, "Conflict", message);
        }
        let mut new = old.clone().unwrap_or_else(|| self.fresh(key));
        let fields = leaves(declared);
        let mut canonical = declared.clone();
        defaults::canonical(&mut canonical);
        let conflicts = new.conflicts(manager, &fields, &canonical);
        if !conflicts.is_empty() && !force {
            return conflicted(&conflicts);
        }
        for (owner, path) in &conflicts {
            if let Some(owner) = new.owners.get_mut(owner) {
                owner.fields.remove(path);
            }
        }
        new.take(manager, true, fields, &canonical);
        self.keep(key, old.as_ref(), new, dry_run)
    }

    /// A merge patch: an ordinary update of the fields that it holds.
    fn merge(&mut self, key: &Key, manager: &str, mut body: Json) -> Answer {
        let Some(kept) = self.objects.get(key) else { return Answer::not_found(&key.plural, &key.name) };
        let uid = kept.object.pointer("/metadata/uid").and_then(Json::as_str);
        let wanted = body.pointer("/metadata/uid").and_then(Json::as_str);
        if wanted.is_some() && wanted != uid {
            let message = format!("Precondition failed: UID in precondition: {wanted:?}, UID in object meta: {uid:?}");
            return Answer::refuse(409, "Conflict", message);
        }
        body["apiVersion"] = kept.object["apiVersion"].clone();
        body["kind"] = kept.object["kind"].clone();
        body["metadata"] = json!({ "name": key.name, "namespace": key.namespace });
        self.update(manager, &body)
    }

    /// An ordinary update of some fields by another manager.
    pub(super) fn update(&mut self, manager: &str, object: &Json) -> Answer {
        let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
        let (Some(api_version), Some(kind), Some(name)) = (text("/apiVersion"), text("/kind"), text("/metadata/name"))
        else {
            return Answer::refuse(400, "BadRequest", "the object has no identity");
        };
        let found = self.kinds.iter().find(|((version, _), (of, _))| *version == api_version && *of == kind);
        let Some(((_, plural), (_, namespaced))) = found else {
            return Answer::refuse(404, "NotFound", "the server could not find the requested resource");
        };
        let namespace = namespaced.then(|| text("/metadata/namespace").unwrap_or_else(|| "default".to_owned()));
        let key = Key { api_version, plural: plural.clone(), namespace, name };
        if let Some(answer) = self.namespace_missing(&key) {
            return answer;
        }
        let old = self.objects.get(&key).cloned();
        let mut new = old.clone().unwrap_or_else(|| self.fresh(&key));
        let mut fields = leaves(object);
        for owner in new.owners.values_mut() {
            // Who updates a field takes it from those who had another value there.
            owner.fields.retain(|path| !fields.contains(path) || get(&new.object, path) == get(object, path));
        }
        let before = new.owners.get(manager).map(|owner| owner.fields.clone()).unwrap_or_default();
        fields.extend(before);
        new.take(manager, false, fields, object);
        self.keep(&key, old.as_ref(), new, false)
    }

    fn keep(&mut self, key: &Key, old: Option<&Kept>, mut new: Kept, dry_run: bool) -> Answer {
        defaults::canonical(&mut new.object);
        defaults::fill(&mut new.object, self.version);
        if let Some(answer) = old.and_then(|old| defaults::immutable(&old.object, &new.object)) {
            return answer;
        }
        new.owners.retain(|_, owner| !owner.fields.is_empty());
        let spec_changed = old.is_some_and(|old| old.object.get("spec") != new.object.get("spec"));
        if old.is_some_and(|old| old.object == new.object && old.fields() == new.fields()) {
            return Answer::ok(new.json());
        }
        if spec_changed {
            let generation = new.object["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
            new.object["metadata"]["generation"] = generation.into();
        }
        new.object["metadata"]["resourceVersion"] = (self.version + 1).to_string().into();
        let code = if old.is_some() { 200 } else { 201 };
        let mut body = new.json();
        if !dry_run {
            self.version += 1;
            if self.slow > 0 && old.is_none() && key.plural == "customresourcedefinitions" {
                new.object["status"] = json!({ "conditions": [{ "type": "Established", "status": "False" }] });
                self.waiting.insert(key.clone(), self.slow);
                body = new.json();
            } else {
                self.define(&new.object);
            }
            self.objects.insert(key.clone(), new);
        }
        Answer { code, body }
    }

    /// A definition was read once more.
    fn establish(&mut self, key: &Key) {
        let Some(left) = self.waiting.get_mut(key) else { return };
        *left -= 1;
        if *left > 0 {
            return;
        }
        self.waiting.remove(key);
        if let Some(mut kept) = self.objects.remove(key) {
            if let Some(object) = kept.object.as_object_mut() {
                object.remove("status");
            }
            defaults::fill(&mut kept.object, self.version);
            self.define(&kept.object);
            self.objects.insert(key.clone(), kept);
        }
    }

    /// A definition brings its kinds.
    fn define(&mut self, object: &Json) {
        let spec = &object["spec"];
        if object["kind"] != "CustomResourceDefinition" {
            return;
        }
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        for version in spec["versions"].as_array().into_iter().flatten() {
            let key = (format!("{}/{}", text(&spec["group"]), text(&version["name"])), text(&spec["names"]["plural"]));
            self.kinds.insert(key, (text(&spec["names"]["kind"]), spec["scope"] == "Namespaced"));
        }
    }

    fn delete(&mut self, key: &Key, options: &Json) -> Answer {
        let Some(kept) = self.objects.get(key) else { return Answer::not_found(&key.plural, &key.name) };
        let wanted = options.pointer("/preconditions/uid").and_then(Json::as_str);
        let uid = kept.object.pointer("/metadata/uid").and_then(Json::as_str);
        if wanted.is_some() && wanted != uid {
            let message = format!("Precondition failed: UID in precondition: {wanted:?}, UID in object meta: {uid:?}");
            return Answer::refuse(409, "Conflict", message);
        }
        self.objects.remove(key);
        if key.plural == "namespaces" {
            self.objects.retain(|other, _| other.namespace.as_deref() != Some(&key.name));
        }
        Answer::ok(json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }))
    }

    fn namespace_missing(&self, key: &Key) -> Option<Answer> {
        let name = key.namespace.clone()?;
        let namespace =
            Key { api_version: "v1".into(), plural: "namespaces".into(), namespace: None, name: name.clone() };
        (!self.objects.contains_key(&namespace)).then(|| Answer::not_found("namespaces", &name))
    }

    fn fresh(&self, key: &Key) -> Kept {
        let kind = self.kinds.get(&(key.api_version.clone(), key.plural.clone())).map(|(kind, _)| kind.clone());
        let number = self.version + 1;
        let mut object = json!({ "apiVersion": key.api_version, "kind": kind, "metadata": {
            "name": key.name, "uid": format!("00000000-0000-4000-8000-{number:012}"), "generation": 1,
            "creationTimestamp": "2026-11-22T00:00:00Z",
        } });
        if let Some(namespace) = &key.namespace {
            object["metadata"]["namespace"] = namespace.as_str().into();
        }
        Kept { object, owners: BTreeMap::new() }
    }

    fn key(&self, id: &str) -> Option<Key> {
        let id = super::super::ObjectId::parse(id)?;
        let found = self.kinds.iter().find(|((version, _), (kind, _))| *version == id.api_version && *kind == id.kind);
        let ((_, plural), _) = found?;
        Some(Key { api_version: id.api_version, plural: plural.clone(), namespace: id.namespace, name: id.name })
    }

    pub(super) fn object(&self, id: &str) -> Option<Json> {
        self.key(id).and_then(|key| self.objects.get(&key)).map(Kept::json)
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(key) = self.key(id) {
            self.delete(&key, &Json::Null);
        }
    }

    pub(super) fn snapshot(&self) -> Vec<(String, Json)> {
        let entry = |(key, kept): (&Key, &Kept)| {
            let mut object = kept.json();
            for counted in ["uid", "resourceVersion", "generation", "creationTimestamp"] {
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.remove(counted);
                }
            }
            let namespace = key.namespace.as_ref().map_or(String::new(), |namespace| format!("{namespace}/"));
            (format!("{}/{}/{namespace}{}", key.api_version, key.plural, key.name), object)
        };
        self.objects.iter().map(entry).collect()
    }
}

impl Kept {
    /// Leaves that others own with another value.
    fn conflicts(&self, manager: &str, fields: &BTreeSet<Path>, declared: &Json) -> Vec<(String, Path)> {
        let others = self.owners.iter().filter(|(name, _)| *name != manager);
        let pairs = others
            .flat_map(|(name, owner)| owner.fields.intersection(fields).map(move |path| (name.clone(), path.clone())));
        // An item that is there is the same item; its fields are judged for themselves.
        let differs = |path: &Path| {
            !path.last().is_some_and(|last| last.starts_with("k:")) && get(&self.object, path) != get(declared, path)
        };
        pairs.filter(|(_, path)| differs(path)).collect()
    }

    /// Sets `fields` as declared; what `manager` had applied before and does not declare now goes, unless others have it.
    fn take(&mut self, manager: &str, applied: bool, fields: BTreeSet<Path>, declared: &Json) {
        let before = self.owners.get(manager).filter(|owner| owner.applied).map(|owner| owner.fields.clone());
        for path in before.unwrap_or_default().difference(&fields) {
            let others = self.owners.iter().filter(|(name, _)| *name != manager);
            // An item comes before its fields, and goes with all of them.
            if !others.into_iter().any(|(_, owner)| owner.fields.iter().any(|field| field.starts_with(path))) {
                remove(&mut self.object, path);
            }
        }
        for path in &fields {
            if let Some(value) = get(declared, path) {
                set(&mut self.object, path, value.clone());
            }
        }
        self.owners.insert(manager.to_owned(), Owner { applied, fields });
    }

    fn fields(&self) -> BTreeMap<&str, (&BTreeSet<Path>, bool)> {
        self.owners.iter().map(|(name, owner)| (name.as_str(), (&owner.fields, owner.applied))).collect()
    }

    fn json(&self) -> Json {
        let mut object = self.object.clone();
        let entry = |(name, owner): (&String, &Owner)| {
            json!({
                "manager": name, "operation": if owner.applied { "Apply" } else { "Update" },
                "apiVersion": object["apiVersion"], "time": "2026-11-22T00:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": fields_v1(&owner.fields),
            })
        };
        let entries: Vec<Json> = self.owners.iter().map(entry).collect();
        object["metadata"]["managedFields"] = entries.into();
        object
    }
}

fn conflicted(conflicts: &[(String, Path)]) -> Answer {
    let causes: Vec<Json> = conflicts
        .iter()
        .map(|(owner, path)| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with \"{owner}\""), "field": merge::named(path) })
        })
        .collect();
    let count = conflicts.len();
    let list: Vec<String> =
        conflicts.iter().map(|(owner, path)| format!("conflict with \"{owner}\": {}", named(path))).collect();
    let message =
        format!("Apply failed with {count} conflict{}: {}", if count == 1 { "" } else { "s" }, list.join("\n"));
    Answer::refuse(409, "Conflict", message).details(json!({ "causes": causes }))
}
