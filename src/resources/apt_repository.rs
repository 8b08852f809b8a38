//! `apt_repository`: where packages come from, and by whose key they are signed.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::openpgp;
use super::owned::{HEADER, Held, Owned, together};
use super::path::HostPath;
use super::{copy, named};
use crate::model::decode::Misfit;
use crate::model::{
    Action, After, Arg, Change, Content, Digest, Doc, Fault, FileText, Halt, Resource, Shown, Thing, Undo, Verdict,
};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Host, Leaves, Step};

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYS: &str = "/etc/apt/keyrings";

/// Where packages come from, and by whose key they are signed. It lands only when its lists can be fetched and the
/// signature is right.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AptRepository {
    /// The file in `/etc/apt/sources.list.d`, without `.sources`.
    name: String,
    /// Where it is.
    #[serde(default)]
    uris: Vec<String>,
    /// Which releases: `bookworm`; one that ends with `/` is a folder without components.
    #[serde(default)]
    suites: Vec<String>,
    /// Which parts: `main`.
    #[serde(default)]
    components: Vec<String>,
    /// `deb` for packages, `deb-src` for their sources.
    #[serde(default = "binary")]
    types: Vec<Type>,
    /// For which machines; without it, for the host's own.
    #[serde(default)]
    architectures: Vec<String>,
    /// The public key, as text (`-----BEGIN PGP PUBLIC KEY BLOCK-----`). Either this, `key_src` or `signed_by`.
    key: Option<Arg<String>>,
    /// The public key as a file in `files/`, as text or not.
    key_src: Option<Arg<FileText>>,
    /// A file of the host that holds the key already.
    signed_by: Option<HostPath>,
    /// `present`: packages come from there. `absent`: they do not, and its key goes away; what is installed stays.
    #[serde(default)]
    state: State,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum Type {
    #[serde(rename = "deb")]
    Deb,
    #[serde(rename = "deb-src")]
    Source,
}

fn binary() -> Vec<Type> {
    vec![Type::Deb]
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    keys: Vec<Held>,
    sources: Held,
}

/// Fetches the lists of one repository and leaves all others alone; it fails unless every one is there and rightly signed.
const FETCH: &str = r#"d=$(mktemp -d) || exit; trap 'rm -rf "$d"' EXIT; trap 'exit 143' HUP INT TERM
cat >"$d/lions.sources" && chmod 755 "$d" || exit
i=0
while :; do
  said=$(apt-get -q update -o Dir::Etc::SourceList="$d/lions.sources" -o Dir::Etc::SourceParts=/dev/null \
    -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any -o Acquire::Retries=2 2>&1) && exit
  r=$?
  case $said in *'Could not get lock'*) [ $i -lt 60 ] || break ;; *) break ;; esac
  i=$((i + 1)); sleep 5
done
printf '%s\n' "$said" | grep '^[EW]:' >&2 || printf '%s\n' "$said" >&2
exit $r"#;

impl AptRepository {
    /// The key, where this task brings it.
    fn key(&self) -> Option<Result<Content, After>> {
        match (&self.key, &self.key_src) {
            (Some(key), _) => Some(copy::content_of(key)),
            (None, Some(file)) => Some(file.value().map(|file| file.0.clone())),
            (None, None) => None,
        }
    }

    fn armoured(&self) -> bool {
        match self.key() {
            Some(Ok(key)) => openpgp::read(key.bytes()).is_ok_and(|keys| keys.armoured),
            _ => true,
        }
    }

    fn keyring(&self, armoured: bool) -> String {
        format!("{KEYS}/{}.{}", self.name, if armoured { "asc" } else { "gpg" })
    }

    /// The key's file as text and the one as bytes: `apt` goes by the name's end.
    fn keyrings(&self) -> Vec<Owned> {
        let armoured = self.armoured();
        let content = |kind: bool| self.key().filter(|_| self.state == State::Present && kind == armoured);
        // What is written comes before what goes.
        let mut both = [true, false].map(|kind| Owned {
            content: content(kind),
            folder: true,
            ..Owned::new(self.keyring(kind), None)
        });
        both.sort_by_key(|owned| owned.content.is_none());
        both.into()
    }

    fn text(&self) -> String {
        let types: Vec<&str> = self
            .types
            .iter()
            .map(|each| match each {
                Type::Deb => "deb",
                Type::Source => "deb-src",
            })
            .collect();
        let signed_by = self.signed_by.as_ref().map_or_else(|| self.keyring(self.armoured()), ToString::to_string);
        let mut text = format!(
            "{HEADER}Types: {}\nURIs: {}\nSuites: {}\n",
            types.join(" "),
            self.uris.join(" "),
            self.suites.join(" ")
        );
        for (name, words) in [("Components", &self.components), ("Architectures", &self.architectures)] {
            if !words.is_empty() {
                let _ = writeln!(text, "{name}: {}", words.join(" "));
            }
        }
        let _ = writeln!(text, "Signed-By: {signed_by}");
        text
    }

    fn sources(&self) -> Owned {
        let text = (self.state == State::Present).then(|| self.text());
        Owned::new(format!("{SOURCES}/{}.sources", self.name), text)
    }

    fn check_key(&self, misfits: &mut Vec<Misfit>) {
        let given = [self.key.is_some(), self.key_src.is_some(), self.signed_by.is_some()];
        match given.iter().filter(|given| **given).count() {
            1 => {}
            0 => misfits.push(Misfit::new("", "say by whose key it is signed: `key`, `key_src` or `signed_by`")),
            _ => misfits.push(Misfit::new("", "only one of `key`, `key_src` and `signed_by` can say whose key it is")),
        }
        // A file is read for the host that it goes to, not before.
        if let (Some(_), Some(Ok(key))) = (&self.key, self.key())
            && let Err(why) = openpgp::read(key.bytes())
        {
            misfits.push(Misfit::new("key", why));
        }
    }
}

/// Keys are shown by their fingerprints; `bytes` are those of `shown`, where they are known.
fn shown(shown: &Shown, bytes: Option<&[u8]>) -> Shown {
    let bytes = match shown {
        Shown::Text(text) => text.as_bytes(),
        Shown::Binary { .. } => bytes.unwrap_or_default(),
        _ => return shown.clone(),
    };
    let Ok(keys) = openpgp::read(bytes) else { return shown.clone() };
    let digest = Digest::of(bytes).to_string();
    Shown::Value(format!("{} (sha256 of the file {})", keys.fingerprints.join(" "), &digest[..12]))
}

impl Resource for AptRepository {
    const NAME: &'static str = "apt_repository";
    const DOC: Doc = Doc {
        summary: "where packages come from, and by whose key they are signed",
        example: "\
- name: Debian's backports
  apt_repository:
    name: backports
    uris: [http://deb.debian.org/debian]
    suites: [bookworm-backports]
    components: [main]
    signed_by: /usr/share/keyrings/debian-archive-keyring.gpg
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = named::check(&self.name, SOURCES).into_iter().collect();
        if self.state == State::Absent {
            return misfits;
        }
        for (name, words) in [("uris", &self.uris), ("suites", &self.suites)] {
            if words.is_empty() {
                misfits.push(Misfit::new("", format!("the parameter `{name}` is missing")));
            }
        }
        let plain = |word: &String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        let lists = [
            ("uris", &self.uris),
            ("suites", &self.suites),
            ("components", &self.components),
            ("architectures", &self.architectures),
        ];
        for (name, words) in lists {
            for word in words.iter().filter(|word| !plain(word) || word.starts_with(['-', '#'])) {
                misfits.push(Misfit::new(name, format!("`{}` is not one word", word.escape_debug())));
            }
        }
        let schemes = ["https://", "http://", "file:/", "mirror+", "cdrom:", "ftp://", "copy:/"];
        for uri in self.uris.iter().filter(|uri| !schemes.iter().any(|scheme| uri.starts_with(scheme))) {
            misfits.push(Misfit::new("uris", format!("`{}` is not an address like `https://...`", uri.escape_debug())));
        }
        let flat = self.suites.iter().filter(|suite| suite.ends_with('/')).count();
        if flat > 0 && (flat < self.suites.len() || !self.components.is_empty()) {
            misfits.push(Misfit::new("components", "a suite that ends with `/` has none, and stands alone"));
        }
        if flat == 0 && self.components.is_empty() && !self.suites.is_empty() {
            misfits.push(Misfit::new("", "the parameter `components` is missing"));
        }
        if self.types.is_empty() {
            misfits.push(Misfit::new("types", "it is empty"));
        }
        self.check_key(&mut misfits);
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        let keys = self.keyrings().into_iter().map(|owned| Thing::path(&*owned.path));
        [Thing::path(&*self.sources().path)].into_iter().chain(keys).collect()
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent(Self::NAME, "name", &*self.name))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        if let Some(Ok(key)) = self.key()
            && let Err(why) = openpgp::read(key.bytes())
        {
            return Err(Fault::failed("this is not the key of a repository")
                .cause(why)
                .help("give the public key, as its repository offers it")
                .into());
        }
        let (sources, keyrings) = (self.sources(), self.keyrings());
        let keys = futures::future::join_all(keyrings.iter().map(|owned| owned.read(probe)));
        let (sources, keys) = futures::join!(sources.read(probe), keys);
        Ok(Seen { keys: keys.into_iter().collect::<Result<_, _>>()?, sources: sources? })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let key = self.key().and_then(Result::ok);
        let bytes = key.as_ref().map(Content::bytes);
        let mut keys = Vec::new();
        for (owned, held) in self.keyrings().iter().zip(&current.keys) {
            let (name, mut verdict) = owned.plan(held)?;
            if let Verdict::Change(change) = &mut verdict {
                for field in change.fields.iter_mut().filter(|field| field.name == "content" || field.name == name) {
                    (field.before, field.after) = (shown(&field.before, None), shown(&field.after, bytes));
                }
            }
            keys.push((name, verdict));
        }
        let (name, mut sources) = self.sources().plan(&current.sources)?;
        let differs = |verdict: &Verdict<Step>| matches!(verdict, Verdict::Change(_));
        if self.state == State::Present && (differs(&sources) || keys.iter().any(|(_, verdict)| differs(verdict))) {
            // The lists are there before packages are taken from them.
            let command = Command {
                stdin: Some(self.text().into_bytes()),
                ..Command::script("fetch the lists of", FETCH, &[&self.name])
            };
            let fetch = Step::Act { command, leaves: Leaves::default() };
            match &mut sources {
                Verdict::Change(change) => change.steps.insert(0, fetch),
                Verdict::Right { .. } => sources = Verdict::Change(Change::new(Action::Update).step(fetch)),
            }
        }
        if self.state == State::Absent {
            keys.insert(0, (name, sources));
            return Ok(together(keys));
        }
        Ok(together(keys.into_iter().chain([(name, sources)])))
    }
}
