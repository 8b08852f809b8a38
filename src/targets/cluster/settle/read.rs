//! Reading objects as the API gives them: fields by path, conditions, events. It judges nothing.

use serde_json::Value as Json;

/// The text at `pointer`.
pub(super) fn text<'a>(object: &'a Json, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Json::as_str)
}

/// The whole number at `pointer`.
pub(super) fn number(object: &Json, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Json::as_i64)
}

/// The items of the list at `pointer`.
pub(super) fn list<'a>(object: &'a Json, pointer: &str) -> impl Iterator<Item = &'a Json> + use<'a> {
    object.pointer(pointer).and_then(Json::as_array).into_iter().flatten()
}

/// The name of an object.
pub(super) fn name(object: &Json) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// Does `child` belong to `owner`?
pub(super) fn is_of(child: &Json, owner: &Json) -> bool {
    let uid = text(owner, "/metadata/uid");
    uid.is_some() && list(child, "/metadata/ownerReferences").any(|reference| text(reference, "/uid") == uid)
}

/// The value of a label.
pub(super) fn label<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(name)?.as_str()
}

/// The value of an annotation.
pub(super) fn annotation<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// One entry of `status.conditions`.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a>(&'a Json);

impl Condition<'_> {
    /// Is its status `True`?
    pub(super) fn holds(self) -> bool {
        text(self.0, "/status") == Some("True")
    }

    /// Is its status `False` (not `Unknown`)?
    pub(super) fn fails(self) -> bool {
        text(self.0, "/status") == Some("False")
    }

    /// Its reason, one word.
    pub(super) fn reason(&self) -> &str {
        text(self.0, "/reason").unwrap_or_default()
    }

    /// Its message on one line, its reason when it has none, else `otherwise`.
    pub(super) fn says(self, otherwise: &str) -> String {
        let message = text(self.0, "/message").map(line).filter(|message| !message.is_empty());
        let reason = Some(self.reason()).filter(|reason| !reason.is_empty()).map(str::to_owned);
        message.or(reason).unwrap_or_else(|| otherwise.to_owned())
    }

    /// Was it said of an earlier state of the object? Some conditions carry the generation that they are about.
    pub(super) fn is_older_than(self, object: &Json) -> bool {
        let about = number(self.0, "/observedGeneration");
        about.is_some() && about != number(object, "/metadata/generation")
    }
}

/// The condition of that type.
pub(super) fn condition<'a>(object: &'a Json, kind: &str) -> Option<Condition<'a>> {
    list(object, "/status/conditions").find(|condition| text(condition, "/type") == Some(kind)).map(Condition)
}

/// `text` on one line.
pub(super) fn line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches(['.', ':']).to_owned()
}

/// When an event was last seen: RFC 3339, so that later ones sort behind.
pub(super) fn when(event: &Json) -> &str {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| text(event, pointer)).unwrap_or_default()
}

/// Is the event about `object`?
pub(super) fn is_about(event: &Json, object: &Json) -> bool {
    let same = |event_field: &str, field: &str| text(event, event_field) == text(object, field);
    match text(event, "/involvedObject/uid") {
        Some(uid) if text(object, "/metadata/uid").is_some() => Some(uid) == text(object, "/metadata/uid"),
        _ => same("/involvedObject/kind", "/kind") && same("/involvedObject/name", "/metadata/name"),
    }
}

/// The last event about `object` with one of these reasons.
pub(super) fn last_event<'a>(events: &'a [Json], object: &Json, reasons: &[&str]) -> Option<&'a Json> {
    last_event_that(events, object, reasons, |_| true)
}

/// The last of those whose message is as wanted.
pub(super) fn last_event_that<'a>(
    events: &'a [Json],
    object: &Json,
    reasons: &[&str],
    says: impl Fn(&str) -> bool,
) -> Option<&'a Json> {
    let found = events.iter().filter(|event| is_about(event, object));
    let found = found.filter(|event| text(event, "/reason").is_some_and(|reason| reasons.contains(&reason)));
    found.filter(|event| says(text(event, "/message").unwrap_or_default())).max_by_key(|event| when(event))
}

/// What an event says, on one line.
pub(super) fn message(event: &Json) -> String {
    line(text(event, "/message").unwrap_or_default())
}

/// `1 pod`, `2 pods`.
pub(super) fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
