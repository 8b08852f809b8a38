//! What scales and guards workloads.

use serde_json::Value as Json;

use super::Settled;
use super::read::{annotation, condition, text};

/// Ready when it can measure and scale. One that is switched off (its workload has no pods) does what it should.
pub(super) fn autoscaler(autoscaler: &Json) -> Settled {
    // `autoscaling/v1` keeps its conditions in an annotation.
    let kept = annotation(autoscaler, "autoscaling.alpha.kubernetes.io/conditions");
    let kept = kept.and_then(|text| serde_json::from_str::<Json>(text).ok());
    let unpacked = kept.map(|conditions| serde_json::json!({ "status": { "conditions": conditions } }));
    let told = unpacked.as_ref().unwrap_or(autoscaler);
    let Some(able) = condition(told, "AbleToScale") else {
        return Settled::Waiting("it has not looked at its workload yet".to_owned());
    };
    if !able.holds() {
        return Settled::Waiting(able.says("it cannot scale its workload"));
    }
    match condition(told, "ScalingActive") {
        Some(active) if active.holds() || active.reason() == "ScalingDisabled" => Settled::Ready,
        Some(active) => Settled::Waiting(active.says("it has no measure yet")),
        None => {
            let target = text(autoscaler, "/spec/scaleTargetRef/name").unwrap_or_default();
            Settled::Waiting(format!("it has not measured `{target}` yet"))
        }
    }
}
