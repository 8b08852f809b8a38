//! Who else keeps an object as it is declared somewhere else: Argo CD, Flux, Helm, the add-ons of k3s. Reads what they
//! write on it; what that means for a task is for its resource to say.

use std::fmt;

use super::Live;
use super::managed::Manager;
use crate::model::Value;

/// What turns an object back to what it was told elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// `Argo CD`.
    pub tool: &'static str,
    /// What it is a part of there: its sort and its name.
    pub part_of: (&'static str, String),
}

impl fmt::Display for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (its {} `{}`)", self.tool, self.part_of.0, self.part_of.1)
    }
}

/// Labels and annotations of one object.
struct Marks<'a> {
    live: &'a Live,
}

impl<'a> Marks<'a> {
    /// A mark, unless it is we who declare it: a manifest that was written for another tool may bear its marks.
    fn read(&self, sort: &str, key: &str) -> Option<&'a str> {
        let text = self.live.value.get("metadata")?.get(sort)?.get(key)?.as_text()?;
        let path = ["f:metadata".to_owned(), format!("f:{sort}"), format!("f:{key}")];
        let by = |manager: &&Manager| manager.fields.owns(&path);
        let mut owners = self.live.managers.iter().filter(by).peekable();
        let ours = owners.peek().is_some() && owners.all(Manager::is_ours);
        (!ours && !text.is_empty()).then_some(text)
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        self.read("labels", key)
    }

    fn annotation(&self, key: &str) -> Option<&'a str> {
        self.read("annotations", key)
    }
}

impl Live {
    /// Who else keeps it.
    #[must_use]
    pub fn keeper(&self) -> Option<Keeper> {
        let marks = Marks { live: self };
        let keeper = |tool, sort, name: &str| {
            Some(Keeper { tool, part_of: (sort, name.to_owned()) }).filter(|_| !name.is_empty())
        };
        if let Some(application) = self.application(&marks) {
            return keeper("Argo CD", "application", application);
        }
        let left_alone = marks.annotation("kustomize.toolkit.fluxcd.io/reconcile") == Some("disabled")
            || matches!(marks.annotation("kustomize.toolkit.fluxcd.io/ssa"), Some("Ignore" | "IfNotPresent"));
        if let Some(name) = marks.label("kustomize.toolkit.fluxcd.io/name").filter(|_| !left_alone) {
            return keeper("Flux", "Kustomization", name);
        }
        if let Some(name) = marks.label("helm.toolkit.fluxcd.io/name") {
            return keeper("Flux", "HelmRelease", name);
        }
        // Many a manifest has that label without Helm ever having seen it; only Helm names a release.
        let by_helm = marks.label("app.kubernetes.io/managed-by") == Some("Helm");
        if let Some(release) = marks.annotation("meta.helm.sh/release-name").filter(|_| by_helm) {
            return keeper("Helm", "release", release);
        }
        let add_on = marks.annotation("objectset.rio.cattle.io/owner-gvk") == Some("k3s.cattle.io/v1, Kind=Addon");
        let name = marks.annotation("objectset.rio.cattle.io/owner-name").filter(|_| add_on)?;
        keeper("k3s", "add-on", name)
    }

    /// The application of Argo CD. Its mark names the object: one that was copied from another object means nothing.
    fn application<'a>(&self, marks: &Marks<'a>) -> Option<&'a str> {
        if let Some((application, object)) =
            marks.annotation("argocd.argoproj.io/tracking-id").and_then(|mark| mark.split_once(':'))
        {
            let text = |value: Option<&Value>| value.and_then(Value::as_text).unwrap_or_default().to_owned();
            let metadata = |key: &str| text(self.value.get("metadata").and_then(|metadata| metadata.get(key)));
            let version = text(self.value.get("apiVersion"));
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let kind = format!("{group}/{}", text(self.value.get("kind")));
            let (namespace, name) = (metadata("namespace"), metadata("name"));
            let is_it = object.split_once(':').is_some_and(|(its_kind, its_name)| {
                let (its_namespace, its_name) = its_name.split_once('/').unwrap_or(("", its_name));
                its_kind == kind && its_name == name && (namespace.is_empty() || its_namespace == namespace)
            });
            return Some(application).filter(|_| is_it);
        }
        let by_argo = self.managers.iter().any(|manager| manager.name.starts_with("argocd-"));
        marks.label("app.kubernetes.io/instance").filter(|_| by_argo)
    }
}
