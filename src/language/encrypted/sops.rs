//! SOPS: YAML whose names are in clear and whose values are encrypted one by one. Reads it; writes none.

use std::fmt::Display;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{AesGcm, Nonce, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::Regex;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::age::{Why, unlock};
use super::{Identities, Opened};
use crate::language::input::plain;
use crate::model::{After, Map, Secret, Value};
use crate::source::{Node, Problem, Problems, Severity, Tree};

/// Why there is no key.
struct Closed {
    problem: Problem,
    /// No key at hand fits: nothing is wrong with the file itself.
    no_key: bool,
}

impl From<Problem> for Closed {
    fn from(problem: Problem) -> Self {
        Self { problem, no_key: false }
    }
}

type Cipher = AesGcm<Aes256, U32>;

const PREFIX: &str = "ENC[AES256_GCM,";

/// Does the tree say that SOPS wrote it?
pub(in super::super) fn is_sops(node: &Node) -> bool {
    let said = |key: &str| node.get("sops").is_some_and(|sops| sops.get(key).is_some());
    ["mac", "lastmodified", "age", "key_groups", "version"].into_iter().any(said)
}

/// A value that SOPS encrypted in a file that does not say how: it would be used as it is.
pub(in super::super) fn stray(node: &Node) -> Option<&Node> {
    match &node.tree {
        Tree::Text(text, _) if text.starts_with(PREFIX) => Some(node),
        Tree::List(items) => items.iter().find_map(stray),
        Tree::Map(entries) => entries.iter().find_map(|(_, node)| stray(node)),
        _ => None,
    }
}

/// Opens the tree of the file that people know as `shown`. Its names are known whatever is wrong: what cannot be opened is
/// unknown, and a problem says why. That no key is at hand is only worth a warning where `names_only` are of interest.
pub(in super::super) fn open(
    node: &Node,
    shown: &dyn Display,
    identities: &Identities,
    names_only: bool,
    problems: &mut Problems,
) -> Opened {
    let meta = node.get("sops").unwrap_or(node);
    let before = problems.len();
    let rules = Rules::read(meta, problems);
    let cipher = match data_key(meta, shown, identities) {
        Ok(cipher) => Some(cipher),
        Err(Closed { mut problem, no_key }) => {
            if no_key && names_only {
                problem.severity = Severity::Warning;
                problem = problem.help("its names were checked, its values were not");
            }
            problems.push(problem);
            None
        }
    };
    let mut sum = Sha512::new();
    if rules.mac_only_encrypted {
        sum.update(Sha256::digest("sops"));
    }
    let mut walk = Walk { cipher: cipher.as_ref(), rules: &rules, shown, sum, path: Vec::new(), problems };
    let own = node.as_map().into_iter().flatten().filter(|(key, _)| key.name != "sops").cloned().collect();
    let node = Node { span: node.span, tree: Tree::Map(own) };
    let values = walk.value(&node);
    let sum = format!("{:X}", walk.sum.finalize());
    if let Some(cipher) = cipher.filter(|_| problems.len() == before)
        && let Err(problem) = check_mac(meta, &cipher, &sum, shown)
    {
        problems.push(problem);
    }
    Opened { node, values }
}

/// Which values are encrypted: what the file itself says of that.
struct Rules {
    unencrypted_suffix: Option<String>,
    encrypted_suffix: Option<String>,
    unencrypted: Option<Regex>,
    encrypted: Option<Regex>,
    /// Comments decide, which are not read: then the value itself tells.
    by_comment: bool,
    mac_only_encrypted: bool,
}

impl Rules {
    fn read(meta: &Node, problems: &mut Problems) -> Self {
        let before = problems.len();
        let text = |name: &str| meta.get(name).and_then(Node::as_text).filter(|text| !text.is_empty());
        let mut regex = |name: &str| {
            let node = meta.get(name)?;
            Regex::new(text(name)?)
                .map_err(|_| {
                    problems.push(
                        Problem::error(node.span, format!("`{name}` is no regular expression that is understood"))
                            .label("wrong here"),
                    );
                })
                .ok()
        };
        let rules = Self {
            unencrypted: regex("unencrypted_regex"),
            encrypted: regex("encrypted_regex"),
            unencrypted_suffix: text("unencrypted_suffix").map(str::to_owned),
            encrypted_suffix: text("encrypted_suffix").map(str::to_owned),
            by_comment: text("unencrypted_comment_regex").or(text("encrypted_comment_regex")).is_some(),
            mac_only_encrypted: meta.get("mac_only_encrypted").is_some_and(|node| node.tree == Tree::Bool(true)),
        };
        // A rule that is not understood must not make every value one that stands in clear.
        Self { by_comment: rules.by_comment || problems.len() > before, ..rules.or_default() }
    }

    /// What SOPS does where nothing is said.
    fn or_default(mut self) -> Self {
        let suffix = self.unencrypted_suffix.is_some() || self.encrypted_suffix.is_some();
        if !(suffix || self.unencrypted.is_some() || self.encrypted.is_some() || self.by_comment) {
            self.unencrypted_suffix = Some("_unencrypted".to_owned());
        }
        self
    }

    fn encrypts(&self, path: &[String]) -> bool {
        let any = |holds: &dyn Fn(&str) -> bool| path.iter().any(|name| holds(name));
        let mut encrypted = true;
        if let Some(suffix) = &self.unencrypted_suffix {
            encrypted &= !any(&|name| name.ends_with(suffix));
        }
        if let Some(suffix) = &self.encrypted_suffix {
            encrypted = any(&|name| name.ends_with(suffix));
        }
        if let Some(regex) = &self.unencrypted {
            encrypted &= !any(&|name| regex.is_match(name));
        }
        if let Some(regex) = &self.encrypted {
            encrypted = any(&|name| regex.is_match(name));
        }
        encrypted
    }
}

/// One pass over all values, in the order of the text.
struct Walk<'w> {
    /// None: only names are read.
    cipher: Option<&'w Cipher>,
    rules: &'w Rules,
    shown: &'w dyn Display,
    sum: Sha512,
    path: Vec<String>,
    problems: &'w mut Problems,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node) -> Value {
        match &node.tree {
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    self.path.push(key.name.clone());
                    map.insert(key.name.clone(), self.value(node));
                    self.path.pop();
                }
                Value::Map(map)
            }
            // The place in a list is no part of the path.
            Tree::List(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            Tree::Null => Value::Null,
            _ => self.leaf(node),
        }
    }

    fn leaf(&mut self, node: &Node) -> Value {
        let looks = node.as_text().is_some_and(|text| text.starts_with(PREFIX));
        let encrypted = if self.rules.by_comment { looks } else { self.rules.encrypts(&self.path) };
        if !encrypted {
            if !self.rules.mac_only_encrypted {
                self.sum.update(plain_bytes(node));
            }
            return plain(node);
        }
        let Some(text) = node.as_text().filter(|text| text.is_empty() || looks) else {
            // Without a place: an excerpt would show it.
            let problem = Problem::nowhere(format!("`{}` stands in clear in `{}`", self.path.join("."), self.shown));
            self.problems.push(problem.help("write it anew with `sops edit`; others may know it by now"));
            return self.unknown();
        };
        if text.is_empty() {
            return Value::text("");
        }
        let Some(cipher) = self.cipher else {
            return self.unknown();
        };
        let path = format!("{}:", self.path.join(":"));
        let made = decrypt(cipher, text, &path).and_then(|(bytes, kind)| {
            let value = typed(&bytes, kind)?;
            self.sum.update(match &value {
                Value::Bool(true) => b"True",
                Value::Bool(false) => b"False".as_slice(),
                _ => &bytes,
            });
            Ok(value)
        });
        made.map_or_else(
            |why| {
                let what = format!("`{}` cannot be decrypted: {why}", self.path.join("."));
                self.problems.push(Problem::error(node.span, what).label("not what was once encrypted").help(BACK));
                self.unknown()
            },
            |value| Value::Secret(Secret::new(value)),
        )
    }

    fn unknown(&self) -> Value {
        Value::Unknown(After::new(format!("a key that opens {}", self.shown)))
    }
}

const BACK: &str = "take the file from version control again, or write the value anew with `sops edit`";

/// What SOPS sums up of a value that stands in clear.
fn plain_bytes(node: &Node) -> Vec<u8> {
    match &node.tree {
        Tree::Bool(true) => b"True".to_vec(),
        Tree::Bool(false) => b"False".to_vec(),
        Tree::Int(number) => number.to_string().into_bytes(),
        Tree::Float(number) => number.to_string().into_bytes(),
        Tree::Text(text, _) => text.clone().into_bytes(),
        Tree::Null | Tree::List(_) | Tree::Map(_) => Vec::new(),
    }
}

/// The plain bytes of `ENC[...]`, and the type that it names.
fn decrypt<'t>(cipher: &Cipher, text: &'t str, path: &str) -> Result<(Zeroizing<Vec<u8>>, &'t str), String> {
    let inner = text.strip_prefix(PREFIX).and_then(|rest| rest.trim_end().strip_suffix(']'));
    let parts: Vec<_> = inner.into_iter().flat_map(|inner| inner.split(',')).collect();
    let [data, iv, tag, kind] = parts.as_slice() else { return Err("it was cut".to_owned()) };
    let part = |part: &str, name: &str| {
        let text = part.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).ok_or("it was cut")?;
        BASE64.decode(text).map_err(|_| format!("its `{name}` is not base64"))
    };
    let (mut sealed, iv, tag) = (part(data, "data")?, part(iv, "iv")?, part(tag, "tag")?);
    let kind = kind.strip_prefix("type:").ok_or("it was cut")?;
    if iv.len() != 32 || tag.len() != 16 {
        return Err("its `iv` or `tag` has another length than SOPS gives it".to_owned());
    }
    sealed.extend(tag);
    let payload = Payload { msg: &sealed, aad: path.as_bytes() };
    let opened = cipher.decrypt(Nonce::<U32>::from_slice(&iv), payload);
    let bytes = opened.map_err(|_| "it was changed, or moved here from another name".to_owned())?;
    Ok((Zeroizing::new(bytes), kind))
}

fn typed(bytes: &[u8], kind: &str) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let wrong = || format!("it is not of its type `{kind}`");
    Ok(match kind {
        "str" | "bytes" | "time" => Value::text(text),
        "int" | "int64" => Value::Int(text.parse().map_err(|_| wrong())?),
        "float" => Value::Float(text.parse().map_err(|_| wrong())?),
        "bool" if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        "bool" if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        "bool" => return Err(wrong()),
        other => return Err(format!("its type `{}` is unknown", other.escape_debug())),
    })
}

/// The values are those that were encrypted, and no others: none is missing, none was added.
fn check_mac(meta: &Node, cipher: &Cipher, sum: &str, shown: &dyn Display) -> Result<(), Problem> {
    let Some((node, text)) = meta.get("mac").and_then(|node| Some((node, node.as_text()?))) else {
        return Err(Problem::error(meta.span, format!("`{shown}` has no `mac`"))
            .label("it tells whether the file was changed")
            .help(BACK));
    };
    let time = meta.get("lastmodified").and_then(Node::as_text).unwrap_or_default();
    let (bytes, _) = decrypt(cipher, text, time).map_err(|why| {
        Problem::error(node.span, format!("the `mac` of `{shown}` cannot be decrypted: {why}"))
            .label("not what was once encrypted")
            .help(BACK)
    })?;
    if bytes.eq_ignore_ascii_case(sum.as_bytes()) {
        return Ok(());
    }
    Err(Problem::error(node.span, format!("`{shown}` was changed after it was encrypted"))
        .label("its values do not add up to this")
        .help("a value was changed, added, moved or taken away without `sops`: take the file from version control again")
        .help("a plain date, or a number that begins with 0, reads differently to SOPS: put it in quotes with `sops edit`"))
}

/// The key of all values, from the first recipient whose key is at hand.
#[expect(clippy::result_large_err, reason = "a problem is made once a file, and read at once")]
fn data_key(meta: &Node, shown: &dyn Display, identities: &Identities) -> Result<Cipher, Closed> {
    let groups: Vec<&Node> = meta.get("key_groups").and_then(Node::as_list).into_iter().flatten().collect();
    if groups.len() > 1 {
        return Err(Problem::error(meta.span_at(&["key_groups"]), format!("the key of `{shown}` is in several parts"))
            .label("Shamir's secret sharing is not read")
            .help("encrypt it for one group of keys with an age key among them")
            .into());
    }
    let holders: Vec<&Node> = std::iter::once(meta).chain(groups).collect();
    let others = |name: &str| !matches!(name, "age" | "key_groups");
    let kinds: Vec<_> = holders
        .iter()
        .flat_map(|holder| holder.as_map().into_iter().flatten())
        .filter(|(key, node)| others(&key.name) && node.as_list().is_some_and(|list| !list.is_empty()))
        .map(|(key, _)| format!("`{}`", key.name))
        .collect();
    let entries: Vec<&Node> = holders.iter().filter_map(|holder| holder.get("age")?.as_list()).flatten().collect();
    if entries.is_empty() {
        let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
        return Err(Problem::error(meta.span, format!("`{shown}` is not encrypted for an age key"))
            .label(format!("encrypted for {kinds}"))
            .help("add one: `sops rotate --in-place --add-age age1... FILE`")
            .into());
    }
    let mut recipients = Vec::new();
    let mut damaged = None;
    for entry in entries {
        recipients
            .extend(entry.get("recipient").and_then(Node::as_text).map(|name| format!("`{}`", name.escape_debug())));
        let why = match entry.get("enc").and_then(Node::as_text).map(|enc| unlock(enc.as_bytes(), identities)) {
            Some(Ok(key)) => match Cipher::new_from_slice(&key) {
                Ok(cipher) => return Ok(cipher),
                Err(_) => "the key in it is not 32 bytes long".to_owned(),
            },
            Some(Err(Why::NoKey(_))) => continue,
            Some(Err(Why::Passphrase)) => "it is locked with a passphrase".to_owned(),
            Some(Err(Why::Damaged(why))) => why,
            None => "it has no `enc`".to_owned(),
        };
        damaged.get_or_insert((entry, why));
    }
    if let Some((entry, why)) = damaged {
        return Err(Problem::error(
            entry.span_at(&["enc"]),
            format!("the key in `{shown}` cannot be decrypted: {why}"),
        )
        .label("broken here")
        .help("take the file from version control again, or `sops updatekeys FILE` where it can still be read")
        .into());
    }
    let mut problem = Problem::nowhere(format!("no key at hand opens `{shown}`"))
        .help(format!("it is encrypted for {}", recipients.join(", ")));
    problem.help.extend(identities.keys().looked);
    Err(Closed { problem, no_key: true })
}
