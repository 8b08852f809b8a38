//! What leaves a playbook is taken away in the cluster, and never anything else: against a fake API.

use lions::engine::Events;
use lions::model::{Event, Plan};
use lions::targets::cluster::fake::{Failure, FakeApi};
use serde_json::{Value as Json, json};

use super::stage::{Stage, assert_refines, plan_lines, report_lines};

const ALL: &str = "
- name: space
  manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: shop } } }
- name: one
  manifest: { namespace: shop, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: one }, data: { a: \"1\" } } }
- name: two
  manifest: { namespace: shop, definition: { apiVersion: v1, kind: Service, metadata: { name: two }, spec: { ports: [{ port: 80 }] } } }
- name: key
  secret: { name: key, namespace: shop, data: { a: \"1\" } }
- name: there before
  manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: before }, data: { a: new } } }
";
const FEW: &str = "
- name: other
  manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: other }, data: { a: \"1\" } } }
";

fn site(tasks: &str) -> String {
    format!("- name: site\n  tasks:\n    {}\n", tasks.trim().replace('\n', "\n    "))
}

fn api() -> FakeApi {
    let api = FakeApi::new();
    let before = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "before", "namespace": "default" }, "data": { "b": "old" } });
    api.put("kubectl-create", &before).unwrap();
    api
}

fn stage(api: &FakeApi, tasks: &str) -> Stage {
    Stage::playbook(0, &site(tasks)).cluster(api.clone()).owned()
}

/// With words of the environment's cluster.
fn allowing(api: &FakeApi, tasks: &str, words: &str) -> Stage {
    let environment = format!("cluster: {{ kubeconfig: /nowhere, allow_delete: [{words}] }}\n");
    stage(api, tasks).file("inventories/test/environment.yml", &environment)
}

/// The plan, and what was warned of while it was made.
fn warned(stage: &Stage) -> (Plan, Vec<String>) {
    let mut context = stage.context();
    let (events, mut heard) = Events::channel();
    context.events = events;
    let plan = stage.plan_in(&context);
    let mut warnings = Vec::new();
    while let Ok(event) = heard.try_recv() {
        if let Event::Warning { what } = event {
            warnings.push(what);
        }
    }
    (plan, warnings)
}

/// What the plan takes away.
fn gone(plan: &Plan) -> Vec<String> {
    let lines = plan_lines(plan);
    let gone = lines.iter().filter_map(|line| line.strip_suffix(" is no longer declared@cluster delete"));
    gone.map(|what| what.trim_start_matches("object ").to_owned()).collect()
}

fn parent(api: &FakeApi) -> Option<Json> {
    let mut all = api.snapshot().into_iter();
    all.find_map(|(name, object)| name.contains("kube-system/lions-test-site-").then_some(object))
}

fn part_of(api: &FakeApi, id: &str) -> Json {
    api.object(id).unwrap()["metadata"]["labels"]["applyset.kubernetes.io/part-of"].clone()
}

#[test]
fn what_leaves_the_playbook_is_shown_as_deletes_and_taken_away_last() {
    let api = api();
    let before = api.seen().len();
    stage(&api, ALL).converge();
    // The parent is there before its first member, and says what is in the set.
    let writes: Vec<String> =
        api.seen()[before..].iter().filter(|seen| seen.writes()).map(|seen| seen.path.clone()).collect();
    assert!(writes[0].contains("/namespaces/kube-system/configmaps/lions-test-site-"), "{writes:?}");
    assert_eq!(writes.iter().filter(|path| path.contains("lions-test-site-")).count(), 1, "{writes:?}");
    let set = parent(&api).unwrap();
    let annotations = &set["metadata"]["annotations"];
    assert_eq!(annotations["applyset.kubernetes.io/contains-group-kinds"], "ConfigMap,Namespace,Secret,Service");
    assert_eq!(annotations["applyset.kubernetes.io/additional-namespaces"], "shop");
    assert!(annotations["applyset.kubernetes.io/tooling"].as_str().unwrap().starts_with("lions/v"));
    let id = &set["metadata"]["labels"]["applyset.kubernetes.io/id"];
    for member in ["v1/Namespace/shop", "v1/ConfigMap/shop/one", "v1/Service/shop/two", "v1/Secret/shop/key"] {
        assert_eq!(part_of(&api, member), *id, "{member}");
    }
    assert_eq!(part_of(&api, "v1/ConfigMap/default/before"), Json::Null, "it was there before");
    assert!(stage(&api, ALL).plan().is_empty());

    let few = stage(&api, FEW);
    let snapshot = api.snapshot();
    let (plan, warnings) = warned(&few);
    assert_eq!(api.snapshot(), snapshot, "plan changes nothing");
    assert_eq!(gone(&plan), ["v1/Service/shop/two", "v1/ConfigMap/shop/one"]);
    let kept = |kind: &str| {
        let warning = warnings.iter().find(|warning| warning.contains(kind)).unwrap();
        assert!(warning.contains("stays on `cluster`") && warning.contains("allow_delete: ["), "{warning}");
    };
    kept("Secret/shop/key");
    kept("Namespace/shop");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let report = few.apply(&plan);
    assert_refines(&plan, &report);
    assert!(api.object("v1/ConfigMap/shop/one").is_none() && api.object("v1/Service/shop/two").is_none());
    assert!(api.object("v1/Secret/shop/key").is_some() && api.object("v1/ConfigMap/default/before").is_some());
    let annotations = parent(&api).unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations["applyset.kubernetes.io/contains-group-kinds"], "ConfigMap,Namespace,Secret");
    assert!(stage(&api, FEW).plan().is_empty());

    // What is spoken of goes as well, the namespace last.
    let stage = allowing(&api, FEW, "Secret/shop/key, Namespace");
    let (plan, report) = stage.converge();
    assert_eq!(gone(&plan), ["v1/Secret/shop/key", "v1/Namespace/shop"]);
    assert_refines(&plan, &report);
    assert!(allowing(&api, FEW, "Secret/shop/key, Namespace").plan().is_empty());
}

#[test]
fn only_all_of_the_same_playbook_takes_away_and_never_what_may_still_be_declared() {
    let api = api();
    stage(&api, ALL).converge();
    let mut part = stage(&api, FEW);
    part.whole = false;
    assert_eq!(gone(&part.plan()), Vec::<String>::new());
    let mut other = stage(&api, FEW);
    other.owner.as_mut().unwrap().playbook = "playbooks/other.yml".to_owned();
    assert_eq!(gone(&other.plan()), Vec::<String>::new());
    // A task that is skipped, and one of which it is not known what it declares.
    let skipped = format!(
        "{FEW}- name: one\n  manifest: {{ namespace: shop, definition: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: one }} }} }}\n  when: false\n"
    );
    assert_eq!(gone(&stage(&api, &skipped).plan()), ["v1/Service/shop/two"]);
    // Another version of its kind is the same object.
    let failing = format!(
        "{FEW}- name: wrong\n  manifest: {{ definition: {{ apiVersion: v1, kind: Nothing, metadata: {{ name: x }} }} }}\n"
    );
    assert_eq!(gone(&stage(&api, &failing).plan()), Vec::<String>::new());
    // A namespace in which something is declared stays, whatever is allowed.
    let inside = "
- name: one
  manifest: { namespace: shop, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: one }, data: { a: \"1\" } } }
";
    let (plan, warnings) = warned(&allowing(&api, inside, "Namespace, Secret"));
    assert_eq!(gone(&plan), ["v1/Service/shop/two", "v1/Secret/shop/key"]);
    assert!(
        warnings.iter().any(|text| text.contains("`v1/ConfigMap/shop/one`, which is declared, lives in it")),
        "{warnings:?}"
    );
}

#[test]
fn what_others_took_over_stays() {
    let api = api();
    let configs = |names: &[&str]| -> String {
        let task = |name: &&str| {
            format!(
                "- name: {name}\n  manifest: {{ definition: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: {name} }}, data: {{ a: b }} }} }}\n"
            )
        };
        names.iter().map(task).collect()
    };
    let all = ["relabelled", "unlabelled", "owned", "charted", "anew", "ours"];
    stage(&api, &format!("{FEW}{}", configs(&all))).converge();
    let edit = |name: &str, metadata: Json| {
        let mut object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "default".into();
        api.put("argocd-controller", &object).unwrap();
    };
    edit("relabelled", json!({ "labels": { "applyset.kubernetes.io/part-of": "applyset-theirs-v1" } }));
    edit("unlabelled", json!({ "labels": { "applyset.kubernetes.io/part-of": null } }));
    let release = json!({ "meta.helm.sh/release-name": "shop" });
    edit("charted", json!({ "annotations": release, "labels": { "app.kubernetes.io/managed-by": "Helm" } }));
    edit("owned", json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "boss", "uid": "1" }] }));
    // The same again, by somebody who copied it, label and all.
    let mut copy = api.object("v1/ConfigMap/default/anew").unwrap();
    copy["metadata"].as_object_mut().unwrap().retain(|key, _| ["name", "namespace", "labels"].contains(&key.as_str()));
    api.remove("v1/ConfigMap/default/anew");
    api.put("kubectl-client-side-apply", &copy).unwrap();
    let (plan, warnings) = warned(&stage(&api, FEW));
    let gone = gone(&plan);
    assert!(gone.contains(&"v1/ConfigMap/default/ours".to_owned()), "{gone:?}");
    for name in ["relabelled", "unlabelled", "owned", "charted", "anew"] {
        assert!(!gone.iter().any(|line| line.ends_with(name)), "{gone:?}");
        assert!(
            warnings.iter().any(|text| text.contains(&format!("default/{name}` is no longer declared, and stays"))),
            "{warnings:?}"
        );
    }
}

#[test]
fn what_moved_to_another_playbook_is_its_own_there() {
    let api = api();
    stage(&api, ALL).converge();
    let mut other = stage(&api, ALL);
    other.owner.as_mut().unwrap().playbook = "playbooks/other.yml".to_owned();
    let (plan, report) = other.converge();
    assert_eq!(plan_lines(&plan).len(), 4, "{:?}", plan_lines(&plan));
    assert_refines(&plan, &report);
    assert!(other.plan().is_empty());
    // It is no longer the first one's to take.
    assert_eq!(gone(&stage(&api, FEW).plan()), Vec::<String>::new());
    // Within one playbook it is the same set, wherever the task stands.
    let renamed = ALL.replace("name: two\n", "name: two in another place\n");
    other = Stage::playbook(0, &site(&renamed)).cluster(api.clone()).owned();
    other.owner.as_mut().unwrap().playbook = "playbooks/other.yml".to_owned();
    assert!(other.plan().is_empty());
    let few = || {
        let mut few = stage(&api, FEW);
        few.owner.as_mut().unwrap().playbook = "playbooks/other.yml".to_owned();
        few
    };
    assert_eq!(gone(&few().plan()), ["v1/Service/shop/two", "v1/ConfigMap/shop/one"]);
}

/// What ends a run at once.
fn over() -> Failure {
    Failure::Status(401, "Unauthorized", "Unauthorized".to_owned())
}

#[test]
fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    for failure in [Failure::Lost, Failure::LostAnswer] {
        for nth in 1.. {
            let api = api();
            let start = api.seen().len();
            let writes = std::sync::atomic::AtomicUsize::new(0);
            let lost = failure.clone();
            // From the nth write on nothing gets through, and there is nothing to wait for.
            api.fail(move |_, seen| {
                if writes.load(std::sync::atomic::Ordering::SeqCst) >= nth {
                    return Some(over());
                }
                let last = seen.writes() && writes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == nth;
                last.then(|| lost.clone())
            });
            let one = "
- name: one
  manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: one }, data: { a: \"1\" } } }
- name: two
  manifest: { definition: { apiVersion: v1, kind: Service, metadata: { name: two }, spec: { ports: [{ port: 80 }] } } }
";
            let first = stage(&api, one);
            let plan = first.plan();
            first.apply(&plan);
            let done = api.seen()[start..].iter().filter(|seen| seen.writes()).count();
            api.heal();
            // Whatever was made is known, and goes when nothing declares it.
            stage(&api, FEW).converge();
            for id in ["v1/ConfigMap/default/one", "v1/Service/default/two"] {
                assert!(api.object(id).is_none(), "{id} is left after {failure:?} at write {nth}");
            }
            assert!(stage(&api, FEW).plan().is_empty());
            if done < nth {
                break;
            }
        }
    }
}

#[test]
fn taking_away_that_dies_is_finished_by_the_next() {
    let api = api();
    stage(&api, ALL).converge();
    let few = stage(&api, FEW);
    let plan = few.plan();
    // The first is done, and nobody hears of it; then nothing gets through.
    let deletes = std::sync::atomic::AtomicUsize::new(0);
    api.fail(move |_, seen| {
        let first = || deletes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        (seen.verb == "DELETE").then(|| if first() { Failure::LostAnswer } else { over() })
    });
    let report = few.apply(&plan);
    assert!(report_lines(&report).iter().any(|line| line.contains("failed")), "{:?}", report_lines(&report));
    api.heal();
    let (plan, _) = stage(&api, FEW).converge();
    assert_eq!(gone(&plan).len(), 1, "{:?}", plan_lines(&plan));
    assert!(api.object("v1/ConfigMap/shop/one").is_none() && api.object("v1/Service/shop/two").is_none());
    assert!(stage(&api, FEW).plan().is_empty());
}

#[test]
fn nothing_is_known_of_what_is_not_to_be_pruned() {
    let api = api();
    let task = "
- name: kept
  manifest: { prune: false, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: kept }, data: { a: b } } }
";
    stage(&api, task).converge();
    assert_eq!(part_of(&api, "v1/ConfigMap/default/kept"), Json::Null);
    assert!(stage(&api, task).plan().is_empty());
    assert_eq!(gone(&stage(&api, FEW).plan()), Vec::<String>::new());
}

#[test]
fn a_list_that_somebody_else_wrote_is_not_touched() {
    let api = api();
    stage(&api, ALL).converge();
    let mut theirs = parent(&api).unwrap();
    theirs["metadata"]["annotations"]["applyset.kubernetes.io/tooling"] = "kubectl/v1.36".into();
    theirs["metadata"].as_object_mut().unwrap().remove("managedFields");
    api.put("kubectl", &theirs).unwrap();
    let (plan, warnings) = warned(&stage(&api, FEW));
    assert_eq!(gone(&plan), Vec::<String>::new());
    assert!(warnings.iter().any(|text| text.contains("belongs to \"kubectl/v1.36\"")), "{warnings:?}");
    let report = stage(&api, FEW).apply(&plan);
    assert!(report_lines(&report).iter().any(|line| line.contains("failed")), "{:?}", report_lines(&report));
}
