//! What the API says, as HTTP: an object, or a `Status` with the words of a real server.

use http::Response;
use kube::client::Body;
use serde_json::{Value as Json, json};

/// A code and a body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Json,
}

impl Answer {
    pub(super) fn ok(body: Json) -> Self {
        Self { code: 200, body }
    }

    pub(super) fn refuse(code: u16, reason: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Self { code, body }
    }

    pub(super) fn details(mut self, details: Json) -> Self {
        self.body["details"] = details;
        self
    }

    pub(super) fn not_found(plural: &str, name: &str) -> Self {
        Self::refuse(404, "NotFound", format!("{plural} \"{name}\" not found"))
            .details(json!({ "kind": plural, "name": name }))
    }

    pub(super) fn invalid(kind: &str, name: &str, field: &str, why: &str) -> Self {
        Self::refuse(422, "Invalid", format!("{kind} \"{name}\" is invalid: {field}: {why}")).details(json!({
            "kind": kind, "name": name, "causes": [{ "reason": "FieldValueInvalid", "message": why, "field": field }],
        }))
    }

    pub(super) fn response(&self) -> Result<Response<Body>, http::Error> {
        let body = Body::from(self.body.to_string().into_bytes());
        Response::builder().status(self.code).header("content-type", "application/json").body(body)
    }
}
