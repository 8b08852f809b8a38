//! The cases of a runbook: what one calls them, and what one does then. Words only.

/// Which sort of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// A container ends again and again.
    CrashLoop,
    /// The image of a container does not come.
    ImagePull,
    /// No node has room.
    Pending,
    /// It runs, and a probe says that it does not work.
    Probe,
    /// A volume is not there.
    Volume,
    /// It is there, and does not come to the pod.
    Mount,
    /// A container cannot be made as declared.
    Config,
    /// The cluster does not let its pods be made.
    Refused,
    /// What should run to its end failed.
    Failed,
    /// What should go away is held.
    Held,
    /// It is told not to go on.
    Paused,
    /// Its controller says no.
    Controller,
    /// Something under the pods: the node, its network.
    Node,
}

impl Case {
    /// Its name in the runbook.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CrashLoop => "crash loop",
            Self::ImagePull => "image pull",
            Self::Pending => "pending for resources",
            Self::Probe => "failing probe",
            Self::Volume => "unbound volume",
            Self::Mount => "volume cannot be mounted",
            Self::Config => "container cannot be made",
            Self::Refused => "pods refused",
            Self::Failed => "run failed",
            Self::Held => "held by a finalizer",
            Self::Paused => "paused",
            Self::Controller => "its controller gave up",
            Self::Node => "trouble of the node",
        }
    }

    /// The way out.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::CrashLoop => {
                "its last lines tell: a setting, a Secret or a service that it needs may be wrong or missing; mend that, or apply the version before"
            }
            Self::ImagePull => {
                "check the name and the tag of the image, that the registry answers, and that the node may read it (`imagePullSecrets`, or `registries.yaml` on the node)"
            }
            Self::Pending => {
                "ask for less (`resources.requests`, `nodeSelector`, affinity), free room, or add a node: `kubectl describe nodes` shows what is taken"
            }
            Self::Probe => "does it listen where the probe asks? If it is only slow to start, give it a `startupProbe`",
            Self::Volume => {
                "look at the claim: its storage class must exist and have room, or a volume must fit it: `kubectl describe pvc`"
            }
            Self::Mount => {
                "another node may still hold it, or what it is made of is missing there: `kubectl describe pvc`, `kubectl get volumeattachments`"
            }
            Self::Config => {
                "declare what it names (a ConfigMap, a Secret, a key, a command) before it, or mend the name"
            }
            Self::Refused => {
                "change what is complained of, or the rule: a quota, a policy, a webhook, a missing ServiceAccount"
            }
            Self::Failed => {
                "its last lines tell; when that is mended, a new run needs a new Job: delete the failed one"
            }
            Self::Held => "the controller that set the finalizer must let go of it: is it still running?",
            Self::Paused => "take `spec.paused` away",
            Self::Controller => "look at what its controller says: `kubectl describe` it",
            Self::Node => "look at the node: `kubectl describe node`, and the log of `k3s` there",
        }
    }
}
