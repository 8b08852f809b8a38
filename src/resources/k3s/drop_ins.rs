//! `config.yaml.d`: more files of settings, of which later ones win. Where the task names any, the folder is its own.

use super::flags;
use super::parts::FOLDER;
use super::{K3s, text};
use crate::model::{Halt, Map, Value};
use crate::resources::owned::{HEADER, Owned};
use crate::targets::host::Question;
use crate::targets::host::probe::HostProbe;

/// Where they are.
pub(super) const DROP_INS: &str = "/etc/rancher/k3s/config.yaml.d";

/// Settings, those that nobody may see as secrets, however they were given.
pub(super) fn sealed(settings: &Value) -> Map {
    let Value::Map(settings) = settings else { return Map::new() };
    let seal = |(key, value): (&String, &Value)| (key.clone(), flags::seal(key, value.clone()));
    settings.iter().map(seal).collect()
}

impl K3s {
    /// The files that the task names.
    pub(super) fn drop_ins(&self) -> impl Iterator<Item = Owned> {
        self.config_d.iter().flatten().map(|(name, settings)| {
            let content = match settings.0.unknown() {
                Some(after) => Err(after.clone()),
                None => text::file(HEADER, &Value::Map(sealed(&settings.0))),
            };
            Owned { content: Some(content), mode: 0o600, ..Owned::new(format!("{DROP_INS}/{name}.yaml"), None) }
        })
    }

    /// The folder that all files of settings need.
    pub(super) fn ground(&self) -> &'static str {
        if self.config_d.as_ref().is_some_and(|all| !all.is_empty()) { DROP_INS } else { FOLDER }
    }

    /// Files there that the task does not name: k3s would read them all the same.
    pub(super) async fn strays(&self, probe: &HostProbe) -> Result<Vec<String>, Halt> {
        let Some(named) = &self.config_d else { return Ok(Vec::new()) };
        probe.soon([Question::Tree(DROP_INS.to_owned())]);
        let all = match probe.tree(DROP_INS).await {
            // A package planned above brings none.
            Err(Halt::Later(_)) if probe.coming(DROP_INS).await?.is_some() => return Ok(Vec::new()),
            all => all?,
        };
        let paths = all.into_iter().map(|(path, _)| path);
        let stray = |path: &String| {
            let name = path.strip_prefix(DROP_INS).and_then(|rest| rest.strip_prefix('/'));
            let stem = name.and_then(|name| name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")));
            stem.is_some_and(|stem| !(stem.contains('/') || named.contains_key(stem) && path.ends_with(".yaml")))
        };
        Ok(paths.filter(stray).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{sealed, text};
    use crate::model::Value;

    /// Whoever forgot that a setting holds a password: it is not shown.
    #[test]
    fn passwords_in_settings_are_secrets() {
        let all =
            json!({ "tls-san": ["a"], "datastore-endpoint": "mysql://u:pw@tcp(db:3306)/k", "agent-token": "open" });
        let content = text::file("", &Value::Map(sealed(&Value::from(all)))).unwrap();
        assert_eq!(content.shown(), "tls-san:\n  - a\ndatastore-endpoint: ***\nagent-token: ***\n");
        assert!(String::from_utf8_lossy(content.bytes()).contains("mysql://u:pw@"));
    }
}
