//! A cluster that is not there yet: the plan that brings it up goes on into it. On fakes; the lab does the same with k3s.

use lions::engine::{Context, ToCluster};
use lions::model::{Decision, Fault, FaultKind, Plan};
use lions::targets::cluster::Absent;
use lions::targets::cluster::fake::{Failure, FakeApi};
use lions::targets::host::Active;
use lions::targets::host::memory::MemoryHost;
use serde_json::json;

use super::stage::{Stage, assert_refines, assert_settled, plan_lines, report_lines, runs_k3s};

const SERVER: &str = "
- name: servers
  hosts: all
  tasks:
    - name: k3s
      service: { name: k3s, state: started, enabled: true }
";
const PLATFORM: &str = "
- name: platform
  tasks:
    - name: space
      manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: shop } } }
    - name: every cluster has it
      manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: default, labels: { tier: none } } } }
    - name: kinds
      manifest:
        definition:
          apiVersion: apiextensions.k8s.io/v1
          kind: CustomResourceDefinition
          metadata: { name: ponds.example.dev }
          spec: { group: example.dev, scope: Namespaced, names: { kind: Pond, plural: ponds }, versions: [{ name: v1, served: true, storage: true }] }
    - name: pond
      manifest: { namespace: shop, definition: { apiVersion: example.dev/v1, kind: Pond, metadata: { name: north }, spec: { depth: 3 } } }
    - name: password
      secret: { name: key, namespace: shop, generate: { password: { length: 40 } } }
      register: key
    - name: copy of it
      secret: { name: copy, namespace: shop, data: { url: \"db://app:{{ key.data.password }}@db\" } }
    - name: chart
      manifest: { wait: false, definition: { apiVersion: helm.cattle.io/v1, kind: HelmChart, metadata: { name: web, namespace: kube-system }, spec: { chart: web } } }
    - name: not there anyway
      manifest: { state: absent, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: old } } }
    - name: web
      manifest:
        wait: false
        namespace: shop
        definition:
          apiVersion: apps/v1
          kind: Deployment
          metadata: { name: web }
          spec:
            replicas: 2
            selector: { matchLabels: { app: web } }
            template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: web }] } }
    - name: more of it
      scale: { kind: Deployment, name: web, namespace: shop, replicas: 3 }
      when: false
";

fn host() -> MemoryHost {
    MemoryHost::new().unit("k3s.service", Active::Inactive, "disabled")
}

fn refused(fault: &str) -> Fault {
    Fault::new(FaultKind::Unreachable, fault).cause("`h1`: there is no kubeconfig").help("install it before")
}

/// No server holds anything of it.
fn empty(api: &FakeApi) -> ToCluster {
    let api = api.clone();
    let open = move || -> lions::targets::cluster::Opening { Box::pin(std::future::ready(Ok(api.client()))) };
    ToCluster::Absent(Absent::new(refused("no cluster"), true, open), vec![0])
}

/// It was there once.
fn down(api: &FakeApi) -> ToCluster {
    let api = api.clone();
    let open = move || -> lions::targets::cluster::Opening { Box::pin(std::future::ready(Ok(api.client()))) };
    ToCluster::Absent(Absent::new(refused("no cluster"), false, open), vec![0])
}

/// Its kubeconfig is there, and nobody answers.
fn silent(api: &FakeApi) -> ToCluster {
    ToCluster::Through(api.client(), vec![0])
}

/// Refuses connections until the unit runs.
fn api_of(host: &MemoryHost) -> FakeApi {
    let api = FakeApi::new();
    let host = host.clone();
    api.fail(move |_, _| (!runs_k3s(&host)).then_some(Failure::Refused));
    api
}

fn stage(host: &MemoryHost, api: &FakeApi, playbook: &str, way: fn(&FakeApi) -> ToCluster) -> Stage {
    Stage::playbook(1, playbook).host("h1", host.clone()).coming(api.clone(), way).owned()
}

fn in_cluster(plan: &Plan) -> Vec<String> {
    plan_lines(plan).into_iter().filter(|line| line.contains("@cluster ")).collect()
}

#[test]
fn on_a_bare_host_all_is_planned_and_then_made() {
    let host = host();
    let api = api_of(&host);
    let site = format!("{SERVER}{PLATFORM}");
    let bare = stage(&host, &api, &site, empty);
    let context: Context = bare.context();
    let plan = bare.plan_in(&context);
    assert!(api.seen().is_empty(), "nobody is there to be asked: {:?}", api.seen());
    assert!(!runs_k3s(&host), "a plan starts nothing");
    let lines = in_cluster(&plan);
    let expected = ["space", "kinds", "pond", "password", "copy of it", "chart", "web"];
    for name in expected {
        assert!(lines.contains(&format!("{name}@cluster create")), "{name}: {lines:#?}");
    }
    assert!(lines.contains(&"every cluster has it@cluster change".to_owned()), "{lines:#?}");
    // Besides: one that is skipped, and one that is gone already and waits for what may bring it.
    assert_eq!(lines.len(), expected.len() + 3, "{lines:#?}");
    let report = bare.apply_in(&context, &plan);
    assert_refines(&plan, &report);
    assert_eq!(api.object("example.dev/v1/Pond/shop/north").unwrap()["spec"], json!({ "depth": 3 }));
    assert!(!api.object("v1/Secret/shop/copy").unwrap()["data"]["url"].is_null());
    let again = stage(&host, &api, &site, empty).plan();
    assert_settled(&again);
    assert!(again.is_empty(), "{:#?}", plan_lines(&again));
}

/// What was made meanwhile by others is not taken for what was planned.
#[test]
fn what_others_made_in_it_meanwhile_is_told() {
    let host = host();
    let api = FakeApi::new();
    let site = format!("{SERVER}{PLATFORM}");
    let bare = stage(&host, &api, &site, empty);
    let context = bare.context();
    let plan = bare.plan_in(&context);
    for object in [
        // As k3s brings things along: no business of ours.
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "local-path", "namespace": "kube-system" } }),
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "others": "own" } } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" }, "spec": { "replicas": 9 } }),
    ] {
        api.put("somebody", &object).unwrap();
    }
    let report = bare.apply_in(&context, &plan);
    let lines = report_lines(&report);
    let of = |name: &str| lines.iter().find(|line| line.starts_with(&format!("{name}@"))).cloned().unwrap_or_default();
    assert!(of("web").contains("`somebody` has set `spec.replicas`"), "{lines:#?}");
    assert_eq!(api.object("apps/v1/Deployment/shop/web").unwrap()["spec"]["replicas"], 9);
}

#[test]
fn without_a_task_that_brings_it_up_there_is_no_plan_of_it() {
    let host = host();
    let api = api_of(&host);
    for (site, way) in [
        (PLATFORM.to_owned(), empty as fn(&FakeApi) -> ToCluster),
        (PLATFORM.to_owned(), down),
        (PLATFORM.to_owned(), silent),
        // What comes after it does not bring it up before.
        (format!("{PLATFORM}{SERVER}"), empty),
    ] {
        let plan = stage(&host, &api, &site, way).plan();
        let first = plan.rows.iter().find(|row| plan.places[row.place as usize].as_str() == "cluster").unwrap();
        let Decision::Failed(fault) = &first.decision else { panic!("{:?}", first.decision) };
        assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    }
}

#[test]
fn one_that_is_down_is_later_where_the_plan_starts_it() {
    for way in [down as fn(&FakeApi) -> ToCluster, silent] {
        let host = host();
        let api = api_of(&host);
        let site = format!("{SERVER}{PLATFORM}");
        let stopped = stage(&host, &api, &site, way);
        let context = stopped.context();
        let plan = stopped.plan_in(&context);
        let lines = in_cluster(&plan);
        assert_eq!(plan.tally().failed, 0, "{lines:#?}");
        assert!(
            lines.contains(&"space@cluster later (known after: `k3s.service` runs on `h1`)".to_owned()),
            "{lines:#?}"
        );
        let report = stopped.apply_in(&context, &plan);
        assert_refines(&plan, &report);
        let again = stage(&host, &api, &site, way).plan();
        assert!(again.is_empty(), "{:#?}", plan_lines(&again));
    }
}

/// A server that does not come up: nothing of the cluster is tried.
#[test]
fn nothing_is_done_in_it_when_it_does_not_come_up() {
    let host = host();
    let api = api_of(&host);
    let bare = stage(&host, &api, &format!("{SERVER}{PLATFORM}"), empty);
    let context = bare.context();
    let plan = bare.plan_in(&context);
    host.fail_step(1);
    let report = bare.apply_in(&context, &plan);
    let lines = report_lines(&report);
    assert!(
        lines.iter().filter(|line| line.contains("@cluster")).all(|line| line.contains("blocked by")),
        "{lines:#?}"
    );
    assert!(api.seen().is_empty());
}
