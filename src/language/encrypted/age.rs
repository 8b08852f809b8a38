//! age: opens a whole text, binary or armored, and reads an opened file of values. The plain text does not stay.

use std::io::Read as _;
use std::path::Path;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, Identity};
use zeroize::Zeroizing;

use super::{Identities, Opened, hollow, secret};
use crate::source::{FileId, Limits, Node, Problem, Sources, Span, Tree, parse};

const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const BINARY: &[u8] = b"age-encryption.org/";

/// Why a text stays closed.
pub(super) enum Why {
    /// It was made for other keys: what kinds of keys, one each.
    NoKey(Vec<String>),
    /// It is locked with a passphrase.
    Passphrase,
    /// It is not what was once encrypted.
    Damaged(String),
}

/// Is it an age file, armored or not?
pub(in super::super) fn is_age(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(ARMOR) || bytes.starts_with(BINARY)
}

/// What `bytes` hold.
pub(super) fn unlock(bytes: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Why> {
    if !is_age(bytes) {
        return Err(Why::Damaged(in_words(&DecryptError::InvalidHeader)));
    }
    let mut binary = Vec::new();
    ArmoredReader::new(bytes.trim_ascii_start())
        .read_to_end(&mut binary)
        .map_err(|_| Why::Damaged("its armor was changed or cut".to_owned()))?;
    let header = Decryptor::new_buffered(binary.as_slice()).map_err(|error| Why::Damaged(in_words(&error)))?;
    if header.is_scrypt() {
        return Err(Why::Passphrase);
    }
    let keys = identities.keys();
    let reader = header.decrypt(keys.keys.iter().map(|key| key as &dyn Identity));
    let mut plain = Zeroizing::new(Vec::with_capacity(binary.len()));
    match reader {
        Ok(mut reader) => match reader.read_to_end(&mut plain) {
            Ok(_) => Ok(plain),
            Err(_) => Err(Why::Damaged("what it holds was changed or cut".to_owned())),
        },
        Err(DecryptError::NoMatchingKeys) => Err(Why::NoKey(kinds(&binary))),
        Err(error) => Err(Why::Damaged(in_words(&error))),
    }
}

fn in_words(error: &DecryptError) -> String {
    match error {
        DecryptError::InvalidHeader => "it does not begin as an age file".to_owned(),
        DecryptError::UnknownFormat => "a newer version of age made it".to_owned(),
        DecryptError::InvalidMac => "its header was changed".to_owned(),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            "what it holds was changed or cut".to_owned()
        }
        DecryptError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => "it was cut".to_owned(),
        other => other.to_string(),
    }
}

/// The kinds of keys that its header names. Which keys they are, an age file does not tell.
fn kinds(binary: &[u8]) -> Vec<String> {
    let lines = binary.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"---"));
    let stanzas = lines.filter_map(|line| line.strip_prefix(b"-> "));
    let words = stanzas.filter_map(|line| line.split(|byte| *byte == b' ').next());
    let words = words.filter_map(|word| std::str::from_utf8(word).ok());
    // age puts nonsense there on purpose, to keep readers honest.
    words.filter(|word| !word.ends_with("-grease")).map(str::to_owned).collect()
}

/// The file of values at `path`. Its text is kept with every value blotted out, so that problems can point into it.
pub(in super::super) fn open(
    path: &Path,
    bytes: &[u8],
    identities: &Identities,
    sources: &mut Sources,
) -> Result<Opened, Problem> {
    let shown = path.display();
    let text = unlock(bytes, identities).map_err(|why| match why {
        Why::NoKey(kinds) => no_key(&shown, &kinds, identities),
        Why::Passphrase => Problem::nowhere(format!("`{shown}` is locked with a passphrase"))
            .help("nobody is asked for one while a plan is made: encrypt it for a key, `age -r age1...`"),
        Why::Damaged(why) => {
            Problem::nowhere(format!("`{shown}` cannot be decrypted: {why}")).help("take it from version control again")
        }
    })?;
    let Ok(text) = std::str::from_utf8(&text) else {
        return Err(
            Problem::nowhere(format!("`{shown}` holds no UTF-8 text")).help("encrypt a file of values, `name: value`")
        );
    };
    // What the parser would say may quote the text: only where it stopped is said.
    let place = Sources::default().add(path, "");
    let parsed = parse(place, text, Limits::default());
    let node = match parsed {
        Ok(mut documents) if documents.len() < 2 => documents.pop(),
        Ok(documents) => {
            let file = sources.add(path, blotted(text, None));
            let span = documents.get(1).map_or(Span::new(file, 0, 0), |second| Span { file, ..second.span });
            return Err(Problem::error(span, "a second document in one file").label("begins here"));
        }
        Err(problems) => {
            let file = sources.add(path, blotted(text, None));
            let at = problems.iter().find_map(|problem| problem.span).map_or((0, 0), |span| (span.start, span.end));
            return Err(Problem::error(Span::new(file, at.0, at.1), format!("`{shown}` holds no right YAML"))
                .label("wrong here; its text is not shown, it is secret")
                .help("decrypt it with `age -d` and hold the text against `lions validate`"));
        }
    };
    let file = sources.add(path, blotted(text, node.as_ref()));
    let mut node = node.unwrap_or(Node { span: Span::new(file, 0, 0), tree: Tree::Null });
    settle(&mut node, file);
    Ok(Opened { values: secret(&node), node: hollow(&node) })
}

/// Moves every place into `file`.
fn settle(node: &mut Node, file: FileId) {
    node.span.file = file;
    match &mut node.tree {
        Tree::List(items) => items.iter_mut().for_each(|item| settle(item, file)),
        Tree::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
            key.span.file = file;
            settle(node, file);
        }),
        _ => {}
    }
}

/// `text`, byte for byte, with `*` for all but lines, spaces and the names of `node`.
fn blotted(text: &str, node: Option<&Node>) -> String {
    let mut bytes: Vec<u8> = text.bytes().map(|byte| if matches!(byte, b'\n' | b' ') { byte } else { b'*' }).collect();
    if let Some(node) = node {
        name(node, text, &mut bytes);
    }
    // Names are put back whole, so that it is text; were it not, nothing of it is shown.
    String::from_utf8(bytes).unwrap_or_default()
}

fn name(node: &Node, text: &str, bytes: &mut [u8]) {
    match &node.tree {
        Tree::List(items) => items.iter().for_each(|item| name(item, text, bytes)),
        Tree::Map(entries) => {
            for (key, node) in entries {
                let range = key.span.start as usize..key.span.end as usize;
                // Only what is the name itself: an alias has its place elsewhere.
                if text.get(range.clone()) == Some(key.name.as_str())
                    && let Some(place) = bytes.get_mut(range)
                {
                    place.copy_from_slice(key.name.as_bytes());
                }
                name(node, text, bytes);
            }
        }
        _ => {}
    }
}

fn no_key(shown: &dyn std::fmt::Display, kinds: &[String], identities: &Identities) -> Problem {
    let others: Vec<_> = kinds.iter().filter(|kind| *kind != "X25519").map(|kind| format!("`{kind}`")).collect();
    let ours = kinds.len() - others.len();
    let made_for = match (ours, others.join(", ")) {
        (_, others) if others.is_empty() => format!("{ours} age key{}", if ours == 1 { "" } else { "s" }),
        (0, others) => format!("{others}, which are not read"),
        (ours, others) => format!("{ours} age key{}, and {others}", if ours == 1 { "" } else { "s" }),
    };
    let mut problem = Problem::nowhere(format!("no key at hand opens `{shown}`"))
        .help(format!("it is encrypted for {made_for}; which ones, age does not tell"));
    problem.help.extend(identities.keys().looked);
    problem
}
