//! Services and Ingresses: a Service can be used when it has an address; what is behind it is the business of the
//! workload. kstatus stops at the cluster's own address; one of a load balancer is waited for here, as `k3s` gives it.

use serde_json::Value as Json;

use super::pod::{self, Look};
use super::read::{last_event, list, message, text};
use super::{Case, Scene, Settled, Trouble};

pub(super) fn service(scene: &Scene) -> Settled {
    let service = &scene.object;
    let kind = text(service, "/spec/type").unwrap_or("ClusterIP");
    if kind == "ExternalName" {
        return Settled::Ready;
    }
    if text(service, "/spec/clusterIP").is_none_or(str::is_empty) {
        return Settled::Waiting("it has no address in the cluster yet".to_owned());
    }
    if kind != "LoadBalancer" || list(service, "/status/loadBalancer/ingress").next().is_some() {
        return Settled::Ready;
    }
    // `k3s` answers with a DaemonSet of its own, whose pods take the ports on the nodes.
    let pods: Vec<&Json> = scene.pods.iter().collect();
    match pod::worst(&pods, scene) {
        Some(Look { trouble: Some(trouble), .. }) => {
            let why = format!("no load balancer has given it an address: {}", trouble.why);
            return Settled::Stuck(Trouble { why, ..trouble });
        }
        Some(Look { says, .. }) => return Settled::Waiting(says),
        None => {}
    }
    if let Some(event) = last_event(&scene.events, service, &["SyncLoadBalancerFailed", "AllocationFailed"]) {
        return Settled::Stuck(Trouble::new(Case::Controller, message(event)).lasting(20));
    }
    Settled::Waiting("no load balancer has given it an address yet".to_owned())
}

pub(super) fn ingress(ingress: &Json) -> Settled {
    if list(ingress, "/status/loadBalancer/ingress").next().is_some() {
        return Settled::Ready;
    }
    let class = text(ingress, "/spec/ingressClassName").map_or(String::new(), |class| format!(" of class `{class}`"));
    Settled::Waiting(format!("no ingress controller{class} has given it an address yet"))
}
