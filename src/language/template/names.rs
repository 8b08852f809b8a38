//! What a template may ask its caller for. Holds no value itself.

use std::sync::Arc;

use crate::model::Value;

use super::fault::TemplateFault;

/// The names that a template sees. Asked once a name and evaluation; a name in a branch that is not taken may
/// be asked for too, but its fault and its secrets count only when the template reads it.
pub trait Names {
    /// What is under `path`: one name; more only inside a [`Named::Folder`] that was given before.
    ///
    /// # Errors
    /// A value that is there and cannot be made (its own template is at fault).
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault>;

    /// All names, to say which one was meant.
    fn known(&self) -> Vec<String>;

    /// The text of a file of the role, for `lookup('file', path)`.
    ///
    /// # Errors
    /// Why there is none.
    fn file(&self, path: &str) -> Result<Arc<str>, TemplateFault> {
        Err(TemplateFault::new(format!("no file can be read here: `{path}`")))
    }
}

/// What is under a name.
#[derive(Clone, Debug)]
pub enum Named {
    /// A value.
    Value(Arc<Value>),
    /// A mapping with these keys, whose entries are asked for one by one (`hostvars`: making all of it is dear).
    Folder(Vec<Arc<str>>),
}

impl From<Value> for Named {
    fn from(value: Value) -> Self {
        Self::Value(Arc::new(value))
    }
}

impl Names for crate::model::Map {
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault> {
        Ok(match path {
            [name] => self.get(*name).cloned().map(Named::from),
            _ => None,
        })
    }
    fn known(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}
