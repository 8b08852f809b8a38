//! Random objects: a plan after apply is empty, the shadow of the steps is right, and what a plan shows is what differs.

use lions::model::{Shown, Verdict};
use lions::targets::cluster::fake::FakeApi;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::{change, fresh, imitate, manifest, perform, plan};

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        (-8i32..8).prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        "[ -~]{0,8}".prop_map(Json::from),
        "(a|b|\n){0,5}".prop_map(Json::from),
        "\\PC{0,4}".prop_map(Json::from),
        Just(json!({})),
        Just(json!([])),
    ]
}

fn tree() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(3, 24, 4, |below| {
        let keys = prop_oneof![Just("a"), Just("b"), Just("app.kubernetes.io/name"), Just("x y"), Just("\"")];
        let items = prop::collection::btree_map("[a-c]", below.clone(), 0..3).prop_map(|items| {
            let item = |(name, value)| json!({ "name": name, "value": value });
            json!({ "containers": items.into_iter().map(item).collect::<Vec<_>>() })
        });
        prop_oneof![
            prop::collection::btree_map(keys, below.clone(), 0..4).prop_map(|map| {
                Json::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }),
            prop::collection::vec(below, 0..4).prop_map(Json::from),
            items,
        ]
    })
}

/// An object of a kind that takes anything.
fn sea(spec: &Json) -> Json {
    json!({ "definition": { "apiVersion": "example.dev/v1", "kind": "Sea", "metadata": { "name": "north" }, "spec": { "it": spec } } })
}

fn kinds() -> Json {
    json!({ "definition": {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "seas.example.dev" },
        "spec": {
            "group": "example.dev", "scope": "Cluster", "names": { "kind": "Sea", "plural": "seas" },
            "versions": [{ "name": "v1", "served": true, "storage": true }],
        },
    } })
}

/// The same with items that have names in the order of these: their order is no part of what is declared.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Array(items) => {
            let mut items: Vec<Json> = items.iter().map(sorted).collect();
            if items.iter().all(|item| item.get("name").is_some()) {
                items.sort_by_key(|item| item["name"].to_string());
            }
            Json::from(items)
        }
        Json::Object(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect()),
        leaf => leaf.clone(),
    }
}

async fn converge(specs: &[Json]) -> Result<(), TestCaseError> {
    let api = FakeApi::new();
    let place = api.place();
    perform(&place, &fresh(&place, &*manifest(kinds())).await.unwrap()).await.unwrap();
    for (at, spec) in specs.iter().enumerate() {
        let task = manifest(sea(spec));
        let place = api.place();
        let planned = plan(&place, &*task).await.unwrap();
        let same = at > 0 && specs[at - 1] == *spec;
        prop_assert_eq!(matches!(planned, Verdict::Right { .. }), same);
        imitate(&place, &planned, "this");
        prop_assert!(matches!(plan(&place, &*task).await.unwrap(), Verdict::Right { .. }), "not right on the shadow");
        let applied = fresh(&place, &*task).await.unwrap();
        if !same {
            prop_assert_eq!(&change(&applied).fields, &change(&planned).fields);
            let names: Vec<_> = change(&planned).fields.iter().map(|field| &field.name).collect();
            let mut unique = names.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), names.len(), "two leaves of one name: {:?}", names);
            for field in &change(&planned).fields {
                prop_assert!(field.before != field.after || field.before == Shown::Present, "{:?}", field);
            }
        }
        perform(&place, &applied).await.unwrap();
        prop_assert_eq!(sorted(&api.object("example.dev/v1/Sea/north").unwrap()["spec"]["it"]), sorted(spec));
        prop_assert!(
            matches!(plan(&api.place(), &*task).await.unwrap(), Verdict::Right { .. }),
            "not right after apply"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::rounds::rounds(96))]
    #[test]
    fn random_objects_converge(first in tree(), second in tree()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(converge(&[first.clone(), second, first]))?;
    }
}
