//! The secrets of a program: what to search for in texts that come from elsewhere, and where one stands in clear.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::model::{Map, Masker};

use super::evaluate::Frame;
use super::input::InputKind;
use super::program::{HostId, Program};
use super::setting::Origin;
use super::values::{Binding, Scope};
use super::view::View;

/// The secrets of a program.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Finds them in any text.
    pub masker: Masker,
    /// Files of the project in which one stands in clear: a plan file keeps no copy of these.
    pub files: BTreeSet<PathBuf>,
    /// What `--set` gives in clear: a plan file must not keep that either.
    pub set: BTreeSet<String>,
}

impl Program {
    /// Its secrets, as every host and the cluster see them.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for binding in self.values.vars.values() {
            self.gather(binding, None, &mut secrets);
        }
        for scope in &self.values.scopes {
            for binding in scope.inputs.values() {
                self.gather(binding, Some(scope), &mut secrets);
            }
        }
        secrets
    }

    fn gather(&self, binding: &Binding, scope: Option<&Scope>, secrets: &mut Secrets) {
        let declared = binding.input.as_ref().is_some_and(|input| input.kind == InputKind::Secret);
        let mut layers = binding.layers_anywhere();
        if !declared && !layers.any(|layer| layer.given.as_ref().is_some_and(crate::model::Value::has_secret)) {
            return;
        }
        for layer in binding.layers_anywhere().filter(|layer| declared && (layer.given.is_none() || layer.typed)) {
            if layer.origin == Origin::Set {
                secrets.set.insert(binding.name.clone());
            } else {
                secrets.files.insert(self.values.sources.path(layer.key.file).to_owned());
            }
        }
        let count = HostId::try_from(self.environment.hosts.len()).unwrap_or(HostId::MAX);
        for host in std::iter::once(None).chain((0..count).map(Some)) {
            let (registers, making) = (Map::new(), RefCell::default());
            let view =
                View::of_value(self, Frame { host, item: None, registers: &registers, facts: &[] }, scope, &making);
            // A secret that cannot be made at a place is not used there either.
            if let Ok(Some(made)) = view.make(binding, scope) {
                secrets.masker.learn_from(&made.value);
            }
        }
    }
}
