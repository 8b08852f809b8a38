//! Objects from a definition or from the text of a file: what each is, and all that is wrong with it.

use crate::model::decode::Misfit;
use crate::model::{After, Map, NamedText, Secret, Value};
use crate::source::{Limits, Node, Sources, Tree, parse};
use crate::targets::cluster::{Object, ObjectId, PART_OF};

/// Kinds that live beside namespaces. Of others only the cluster knows; then the namespace given here is dropped.
const BESIDE: &[&str] = &[
    "Namespace",
    "Node",
    "PersistentVolume",
    "CustomResourceDefinition",
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "StorageClass",
    "CSIDriver",
    "IngressClass",
    "GatewayClass",
    "PriorityClass",
    "RuntimeClass",
    "ClusterIssuer",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// The objects of `definition`, which stands at the parameter `name`.
pub(super) fn from_value(name: &str, definition: &Value, namespace: &str) -> Result<Vec<Object>, Vec<Misfit>> {
    let mut all = Gathered::default();
    all.take(definition, namespace, &|path, below, why| at(&[&[name.to_owned()], path].concat(), below, why));
    all.end()
}

/// The objects of the files that the parameter `name` stands for. Where the text of one holds secrets, so do the leaves
/// that its masked text shows otherwise.
pub(super) fn from_files(name: &str, files: &[NamedText], namespace: &str) -> Result<Vec<Object>, Vec<Misfit>> {
    let mut all = Gathered::default();
    for NamedText { path, content } in files {
        let file = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
        let wrong = |why: String| Misfit::new(name, why);
        if path.rsplit('/').next().is_some_and(|last| last.starts_with("kustomization.")) {
            all.misfits.push(wrong(format!("{file} is a kustomization: name its folder with `kustomize`")));
            continue;
        }
        let content = match content {
            Ok(content) => content,
            Err(after) => {
                all.misfits.push(not_known(name, &file, after));
                continue;
            }
        };
        let read = std::str::from_utf8(content.bytes()).map_err(|_| format!("{file} is no text")).and_then(|text| {
            documents(text).map_err(|why| (why, content.is_secret())).map_err(|(why, secret)| {
                // A complaint about the text may quote it.
                if secret {
                    format!("{file}, which holds a secret, is no YAML")
                } else {
                    format!("{file} is no YAML: {why}")
                }
            })
        });
        let (sources, nodes) = match read {
            Ok(read) => read,
            Err(why) => {
                all.misfits.push(wrong(why));
                continue;
            }
        };
        let shown =
            content.is_secret().then(|| documents(&content.shown()).map(|(_, nodes)| nodes).unwrap_or_default());
        for (at, node) in nodes.iter().enumerate() {
            let document = match &shown {
                Some(shown) => seal_differing(&plain(node), shown.get(at).map(plain).as_ref()),
                None => plain(node),
            };
            all.take(&document, namespace, &|path, below, why| {
                let path: Vec<&str> = path.iter().map(String::as_str).chain(below.iter().copied()).collect();
                let (line, _) = sources.line_column(node.span_at(&path));
                wrong(format!("{file}, line {line}: {why}"))
            });
        }
    }
    all.end()
}

/// Makes a misfit of where it is, and what is wrong below that.
type Wrongly<'w> = &'w dyn Fn(&[String], &[&str], String) -> Misfit;

/// Objects, and all that is wrong.
#[derive(Default)]
struct Gathered {
    objects: Vec<Object>,
    misfits: Vec<Misfit>,
}

impl Gathered {
    /// All of `definition`. `wrong` makes a misfit of where it is and why.
    fn take(&mut self, definition: &Value, namespace: &str, wrong: Wrongly<'_>) {
        collect(&push_down(definition), &[], &mut |value, path| match object(value, namespace) {
            Ok(object) if self.objects.iter().any(|other| other.id == object.id) => {
                self.misfits.push(wrong(path, &[], format!("`{}` is declared twice", object.id)));
            }
            Ok(object) => self.objects.push(object),
            Err((below, why, unknown)) => self.misfits.push(Misfit { unknown, ..wrong(path, below, why) }),
        });
    }

    /// What others live in, or are of, comes before them.
    fn end(mut self) -> Result<Vec<Object>, Vec<Misfit>> {
        self.objects.sort_by_key(|object| match &object.id {
            id if *id == ObjectId::of_namespace(&id.name) => 0,
            id if id.defines_kinds() => 1,
            _ => 2,
        });
        if self.misfits.is_empty() { Ok(self.objects) } else { Err(self.misfits) }
    }
}

/// A misfit of something whose value comes too late to tell one object from another.
pub(super) fn not_known(name: &str, what: &str, after: &After) -> Misfit {
    Misfit { unknown: Some(after.clone()), ..Misfit::new(name, format!("{what} is not known yet {after}")) }
}

fn at(path: &[String], below: &[&str], why: impl Into<String>) -> Misfit {
    let path = path.iter().cloned().chain(below.iter().map(|&segment| segment.to_owned())).collect();
    Misfit { path, ..Misfit::new("", why) }
}

/// The documents of a text, empty ones left out.
fn documents(text: &str) -> Result<(Sources, Vec<Node>), String> {
    let mut sources = Sources::default();
    let file = sources.add("src", text);
    match parse(file, text, Limits::default()) {
        Ok(mut nodes) => {
            nodes.retain(|node| node.tree != Tree::Null);
            Ok((sources, nodes))
        }
        Err(problems) => {
            let said = problems.iter().map(|problem| match problem.span.map(|span| sources.line_column(span)) {
                Some((line, column)) => format!("line {line}, column {column}: {}", problem.summary),
                None => problem.summary.clone(),
            });
            Err(said.collect::<Vec<_>>().join("; "))
        }
    }
}

fn plain(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(*truth),
        Tree::Int(number) => Value::Int(*number),
        Tree::Float(number) => Value::Float(*number),
        Tree::Text(text, _) => Value::text(text.as_str()),
        Tree::List(items) => Value::List(items.iter().map(plain).collect()),
        Tree::Map(entries) => Value::Map(entries.iter().map(|(key, value)| (key.name.clone(), plain(value))).collect()),
    }
}

fn seal_differing(value: &Value, shown: Option<&Value>) -> Value {
    match (value, shown) {
        (value, Some(shown)) if value == shown => value.clone(),
        (Value::Map(map), shown) => {
            let below = |key: &str| shown.and_then(|shown| shown.get(key));
            Value::Map(map.iter().map(|(key, value)| (key.clone(), seal_differing(value, below(key)))).collect())
        }
        (Value::List(items), shown) => {
            let below = |at: usize| match shown {
                Some(Value::List(shown)) => shown.get(at),
                _ => None,
            };
            Value::List(items.iter().enumerate().map(|(at, item)| seal_differing(item, below(at))).collect())
        }
        (Value::Text(_), Some(Value::Text(shown))) => Value::Secret(Secret::partly(value.clone(), shown.clone())),
        (value, _) => Value::Secret(Secret::new(value.clone())),
    }
}

/// A secret mapping or list as one of secrets: its shape must be seen to tell objects and fields apart.
fn push_down(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => match secret.reveal() {
            Value::Map(_) | Value::List(_) => seal_leaves(secret.reveal()),
            _ => value.clone(),
        },
        Value::List(items) => Value::List(items.iter().map(push_down).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), push_down(value))).collect()),
        other => other.clone(),
    }
}

fn seal_leaves(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(seal_leaves).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), seal_leaves(value))).collect()),
        Value::Secret(_) | Value::Unknown(_) => value.clone(),
        leaf => Value::Secret(Secret::new(leaf.clone())),
    }
}

/// Every object of a definition: one, a list, or what `kubectl` writes as a `List`.
fn collect(value: &Value, path: &[String], take: &mut dyn FnMut(&Value, &[String])) {
    let mut each = |items: &[Value], path: &[String]| {
        for (at, item) in items.iter().enumerate() {
            collect(item, &[path, &[at.to_string()]].concat(), take);
        }
    };
    match (value, value.get("items")) {
        (Value::List(items), _) => each(items, path),
        (_, Some(Value::List(items))) if value.get("kind").and_then(Value::as_text) == Some("List") => {
            each(items, &[path, &["items".to_owned()]].concat());
        }
        _ => take(value, path),
    }
}

type Wrong = (&'static [&'static str], String, Option<After>);

fn object(value: &Value, namespace: &str) -> Result<Object, Wrong> {
    let Value::Map(map) = value else {
        return Err((&[], format!("an object is expected, not {}", value.kind()), None));
    };
    let metadata = match map.get("metadata") {
        Some(Value::Map(metadata)) => metadata,
        _ => &Map::new(),
    };
    let api_version = word(map.get("apiVersion"), &["apiVersion"])?;
    let kind = word(map.get("kind"), &["kind"])?;
    if metadata.contains_key("generateName") {
        let why = "a new object at every run cannot be declared: give it a `metadata.name`".to_owned();
        return Err((&["metadata", "generateName"], why, None));
    }
    let name = word(metadata.get("name"), &["metadata", "name"])?;
    for counted in ["managedFields", "resourceVersion", "uid"] {
        if metadata.contains_key(counted) {
            let why = format!("the API writes `metadata.{counted}` itself: leave it out");
            return Err((&["metadata"], why, None));
        }
    }
    if metadata.get("labels").is_some_and(|labels| labels.get(PART_OF).is_some()) {
        let why = format!("`lions` writes the label `{PART_OF}` itself: leave it out");
        return Err((&["metadata", "labels"], why, None));
    }
    let own = metadata.get("namespace").filter(|own| **own != Value::Null);
    let own = own.map(|own| word(Some(own), &["metadata", "namespace"])).transpose()?;
    let beside = BESIDE.contains(&kind.as_str());
    let namespace = if beside { None } else { Some(own.unwrap_or_else(|| namespace.to_owned())) };
    let mut body = map.clone();
    // Written by `kubectl get -o yaml` and by generators; what they say is the API's to say.
    body.shift_remove("status");
    if let Some(Value::Map(metadata)) = body.get_mut("metadata") {
        for counted in ["creationTimestamp", "generation", "selfLink"] {
            metadata.shift_remove(counted);
        }
    }
    Ok(Object::new(ObjectId { api_version, kind, namespace, name }, Value::Map(body)))
}

/// A part of what tells objects apart: plain, known, and a single segment of a path.
fn word(value: Option<&Value>, path: &'static [&'static str]) -> Result<String, Wrong> {
    let name = path.join(".");
    match value {
        Some(Value::Text(text)) => {
            let segments = if name == "apiVersion" { 2 } else { 1 };
            let odd = |segment: &str| {
                matches!(segment, "" | "." | "..")
                    || segment.contains('%')
                    || segment.chars().any(|c| c.is_control() || c.is_whitespace())
            };
            if text.split('/').count() > segments || text.split('/').any(odd) {
                return Err((path, format!("`{name}` cannot be {text:?}"), None));
            }
            Ok(text.to_string())
        }
        None | Some(Value::Null) => Err((&[], format!("`{name}` is missing"), None)),
        Some(Value::Unknown(after)) => Err((path, format!("`{name}` is not known yet {after}"), Some(after.clone()))),
        Some(Value::Secret(_)) => Err((path, format!("`{name}` is shown in plans and may not be a secret"), None)),
        Some(other) => Err((path, format!("`{name}` must be text, not {}", other.kind()), None)),
    }
}
