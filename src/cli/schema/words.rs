//! The words of the language as schema: plays, tasks, roles, environments, inputs. What a key means is said once
//! here for editors; `language` decides what is right.

use serde_json::{Map, Value as Json, json};

/// The key that is a resource (a mapping) or a block of tasks (a list).
pub(super) const BLOCK: &str = "block";

/// What a block of tasks can say.
pub(super) const BLOCK_KEYS: [&str; 10] =
    ["name", "hosts", "needs", "tags", "become", "become_user", "when", "block", "rescue", "always"];

/// What only a play has.
pub(super) fn looks_like_a_play() -> Json {
    json!({
        "type": "object",
        "anyOf": [
            { "required": ["roles"] }, { "required": ["tasks"] }, { "required": ["handlers"] },
            { "required": ["rollout"] }, { "required": ["max_failures"] },
        ],
    })
}

/// What only an environment has: inputs are all mappings with a `type` or `doc`.
pub(super) fn looks_like_an_environment() -> Json {
    json!({
        "type": "object",
        "anyOf": [{ "required": ["hosts"] }, { "required": ["cluster"] }, { "required": ["vars"] }],
    })
}

/// The tasks of a block.
pub(super) fn block_tasks() -> Json {
    json!({
        "description": "tasks that are tried together: where one fails, `rescue` runs; `always` runs in any case",
        "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/task" },
    })
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

/// What plays, roles, blocks and tasks can all say.
fn common(what: &str) -> Map<String, Json> {
    object(json!({
        "name": { "type": "string", "pattern": "^[^/]+$", "description": format!("the name of the {what}, unique among its siblings") },
        "hosts": { "$ref": "#/$defs/hosts" },
        "needs": { "$ref": "#/$defs/needs" },
        "tags": { "$ref": "#/$defs/names", "description": "for `--tags` and `--skip-tags`" },
        "become": { "type": "boolean", "description": "as another user, through sudo" },
        "become_user": { "type": "string", "description": "the user to become, `root` when not said" },
        "when": { "$ref": "#/$defs/condition", "description": "only where this is true; of a list, all must be" },
    }))
}

/// What a task can say besides its resource.
pub(super) fn task_keys() -> Map<String, Json> {
    let mut keys = common("task");
    keys.extend(object(json!({
        "loop": {
            "description": "once for each item: a list, a mapping, or a template that gives one and is known at load",
            "anyOf": [{ "type": ["array", "object"] }, { "$ref": "#/$defs/template" }],
        },
        "loop_control": {
            "type": "object", "additionalProperties": false,
            "properties": { "loop_var": { "$ref": "#/$defs/identifier", "description": "the name of the item, `item` when not said" } },
        },
        "register": { "$ref": "#/$defs/identifier", "description": "the name under which others see its result" },
        "notify": { "$ref": "#/$defs/names", "description": "handlers to run when this changed something" },
        "retries": { "type": "integer", "minimum": 0, "description": "how often it is tried again after a failure" },
        "delay": { "$ref": "#/$defs/duration", "description": "the pause before the next try, 5 seconds when not said" },
        "timeout": { "$ref": "#/$defs/duration", "description": "how long a try may take" },
        "run_once": { "type": "boolean", "description": "once a play, at its first selected host" },
        "delegate_to": { "type": "string", "description": "the host that does it instead, with the values of the original" },
        "per_host": { "type": "boolean", "description": "a cluster task that runs once a host, with that host's values" },
        "guard": { "const": "connectivity", "description": "the host undoes the change by itself unless one can still get in; handlers that it notifies run at once, inside the guard" },
        "optional": { "type": "boolean", "description": "a failure is reported as degraded and stops nothing" },
        "changed_when": { "$ref": "#/$defs/condition", "description": "decides whether it changed something" },
        "failed_when": { "$ref": "#/$defs/condition", "description": "decides whether it failed" },
        "rescue": { "$ref": "#/$defs/tasks", "description": "runs where the block failed; may not delete" },
        "always": { "$ref": "#/$defs/tasks", "description": "runs after the block in any case" },
    })));
    keys
}

fn with(mut keys: Map<String, Json>, more: Json, required: &[&str]) -> Json {
    keys.extend(object(more));
    json!({ "type": "object", "properties": keys, "additionalProperties": false, "required": required })
}

fn play() -> Json {
    let mut play = with(
        common("play"),
        json!({
            "roles": {
                "description": "roles, in order", "type": "array",
                "items": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/role" }] },
            },
            "tasks": { "$ref": "#/$defs/tasks", "description": "tasks after the roles" },
            "handlers": { "$ref": "#/$defs/tasks", "description": "tasks that run only when notified" },
            "rollout": {
                "description": "a batch of hosts after the other, each through all tasks",
                "type": "object", "additionalProperties": false,
                "properties": {
                    "batch": {
                        "description": "hosts at a time: a number, a share such as `25%`, or a list of both",
                        "anyOf": [{ "$ref": "#/$defs/batch" }, { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/batch" } }],
                    },
                    "max_failures": { "type": "integer", "minimum": 0, "description": "hosts that may fail" },
                    "between": { "$ref": "#/$defs/tasks", "description": "tasks after each batch" },
                },
            },
            "max_failures": { "type": "integer", "minimum": 0, "description": "hosts that may fail and the play still be fulfilled" },
        }),
        &[],
    );
    play["anyOf"] = json!([{ "required": ["roles"] }, { "required": ["tasks"] }]);
    play
}

fn environment() -> Json {
    let vars = json!({ "type": "object", "description": "vars by name, inputs of a role under the role's name" });
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "hosts": {
                "type": ["object", "null"], "description": "every host once, by name",
                "additionalProperties": {
                    "type": ["object", "null"], "additionalProperties": false,
                    "properties": {
                        "address": { "type": "string", "description": "address, or alias of the ssh configuration" },
                        "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
                        "user": { "type": "string", "description": "the user to log in as" },
                        "connection": { "enum": ["local", "ssh"], "description": "`local`: this machine, without ssh" },
                        "groups": { "$ref": "#/$defs/names" },
                        "vars": vars,
                    },
                },
            },
            "groups": {
                "type": ["object", "null"], "description": "values for the hosts of a group",
                "additionalProperties": { "type": ["object", "null"], "additionalProperties": false, "properties": { "vars": vars } },
            },
            "become": { "type": "boolean", "description": "`become` for tasks that do not say" },
            "ssh": {
                "type": "object", "additionalProperties": false,
                "properties": { "config": { "type": "string", "description": "an OpenSSH configuration to use instead of the user's own" } },
            },
            "cluster": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "kubeconfig_from": { "type": "string", "description": "a group or host that it is fetched from" },
                    "kubeconfig": { "type": "string", "description": "a file" },
                    "context": { "type": "string", "description": "a context of that file" },
                    "kubeconfig_path": { "type": "string", "description": "where it lies on the host that it is fetched from; k3s writes `/etc/rancher/k3s/k3s.yaml`" },
                    "in_cluster": { "const": true, "description": "the cluster that `lions` runs in, as the service account of its pod" },
                    "lock_namespace": { "type": "string", "description": "where the Lease lies that keeps two runs apart; `kube-system` if nothing is said" },
                    "allow_delete": { "type": "array", "items": { "type": "string" }, "description": "kinds (`Namespace`) and objects (`Secret/shop/db`) that may be taken away when nothing declares them any more, although something is lost with them" },
                },
                "oneOf": [{ "required": ["kubeconfig_from"] }, { "required": ["kubeconfig"] }, { "required": ["in_cluster"] }],
            },
            "vars": vars,
        },
    })
}

fn inputs() -> Json {
    json!({
        "type": ["object", "null"],
        "propertyNames": { "$ref": "#/$defs/identifier" },
        "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["doc"],
            "properties": {
                "type": { "enum": ["text", "int", "number", "bool", "list", "map", "path", "secret"] },
                "choices": { "type": "array", "minItems": 1, "description": "the only values it takes" },
                "default": { "description": "its value when nothing sets it" },
                "required": { "type": "boolean", "description": "something must set it" },
                "doc": { "type": "string", "minLength": 1, "description": "one line: what it is for" },
            },
            "anyOf": [{ "required": ["type"] }, { "required": ["choices"] }],
            "oneOf": [{ "required": ["default"] }, { "required": ["required"] }],
        },
    })
}

/// Everything but tasks and resources.
pub(super) fn definitions() -> Map<String, Json> {
    let role = with(
        common("role"),
        json!({
            "role": { "type": "string", "description": "its folder in `roles/`" },
            "with": { "type": "object", "description": "its inputs" },
        }),
        &["role"],
    );
    object(json!({
        "playbook": { "type": "array", "description": "plays, in order", "items": { "$ref": "#/$defs/play" } },
        "tasks": { "type": ["array", "null"], "items": { "$ref": "#/$defs/task" } },
        "play": play(),
        "role": role,
        "environment": environment(),
        "inputs": inputs(),
        "template": { "type": "string", "pattern": "\\{[{%]", "description": "`{{ ... }}`" },
        "identifier": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
        "names": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "uniqueItems": true }] },
        "hosts": {
            "description": "`all`, hosts, groups; `a:b` both, `a:!b` without, `a:&b` in both",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        },
        "needs": {
            "description": "after exactly these (siblings, or `play/role/task`); `[]`: at once; not said: after the one above",
            "type": "array", "items": { "type": "string" }, "uniqueItems": true,
        },
        "condition": {
            "anyOf": [
                { "type": ["string", "boolean"] },
                { "type": "array", "items": { "type": ["string", "boolean"] } },
            ],
        },
        "duration": {
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+ *[a-z]*$" }],
        },
        "batch": {
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+ *%$" }],
        },
    }))
}
