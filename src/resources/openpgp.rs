//! Public keys of `OpenPGP`: whether a text or some bytes are such keys, and their fingerprints. Verifies nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Keys as a file holds them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Keys {
    /// As text (`-----BEGIN PGP PUBLIC KEY BLOCK-----`)?
    pub(super) armoured: bool,
    /// Of each key, its subkeys left out.
    pub(super) fingerprints: Vec<String>,
}

/// The keys in `bytes`.
///
/// # Errors
/// Why there are none.
pub(super) fn read(bytes: &[u8]) -> Result<Keys, String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN PGP "));
    let mut fingerprints = Vec::new();
    match text {
        None => packets(bytes, &mut fingerprints)?,
        Some(text) => {
            for block in blocks(text) {
                packets(&block?, &mut fingerprints)?;
            }
        }
    }
    if fingerprints.is_empty() {
        return Err("there is no public key of OpenPGP in it".to_owned());
    }
    Ok(Keys { armoured: text.is_some(), fingerprints })
}

/// The bytes of each block.
fn blocks(text: &str) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    let mut lines = text.lines().map(str::trim);
    std::iter::from_fn(move || {
        let begin = lines.by_ref().find(|line| line.starts_with("-----BEGIN PGP "))?;
        if begin != "-----BEGIN PGP PUBLIC KEY BLOCK-----" {
            return Some(Err(format!("it holds `{}`, not a public key", begin.trim_matches('-'))));
        }
        // Lines `Version: ...` end with an empty one; the sum of the text begins with `=`.
        let mut body = String::new();
        let mut ended = false;
        for line in lines.by_ref() {
            match line {
                "-----END PGP PUBLIC KEY BLOCK-----" => {
                    ended = true;
                    break;
                }
                line if line.contains(": ") || line.starts_with('=') => {}
                line => body.push_str(line),
            }
        }
        if !ended {
            return Some(Err("the key is not whole: its last line is missing".to_owned()));
        }
        Some(STANDARD.decode(body).map_err(|why| format!("the key is not whole: {why}")))
    })
}

/// Adds the fingerprint of every primary key among the packets.
fn packets(mut rest: &[u8], fingerprints: &mut Vec<String>) -> Result<(), String> {
    const TORN: &str = "it is no key of OpenPGP, or not a whole one";
    while let Some((&head, after)) = rest.split_first() {
        if head & 0x80 == 0 {
            return Err(TORN.to_owned());
        }
        let (tag, length, after) = if head & 0x40 == 0 { old(head, after) } else { new(head, after) }.ok_or(TORN)?;
        let (body, after) = after.split_at_checked(length).ok_or(TORN)?;
        match tag {
            5 | 7 => return Err("it holds a private key".to_owned()),
            6 => fingerprints.push(fingerprint(body).ok_or(TORN)?),
            _ => {}
        }
        rest = after;
    }
    Ok(())
}

type Packet<'a> = Option<(u8, usize, &'a [u8])>;

fn old(head: u8, rest: &[u8]) -> Packet<'_> {
    let size = match head & 3 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return Some(((head >> 2) & 15, rest.len(), rest)),
    };
    let (length, rest) = rest.split_at_checked(size)?;
    Some(((head >> 2) & 15, number(length), rest))
}

fn new(head: u8, rest: &[u8]) -> Packet<'_> {
    let (&first, after) = rest.split_first()?;
    let (length, after) = match first {
        0..=191 => (usize::from(first), after),
        192..=223 => {
            let (&second, after) = after.split_first()?;
            ((usize::from(first) - 192) * 256 + usize::from(second) + 192, after)
        }
        // Parts of a length yet to come are for data only.
        224..=254 => return None,
        255 => {
            let (length, after) = after.split_at_checked(4)?;
            (number(length), after)
        }
    };
    Some((head & 63, length, after))
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn fingerprint(body: &[u8]) -> Option<String> {
    let hex = |digest: &[u8]| digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"));
    let length = u32::try_from(body.len()).ok()?.to_be_bytes();
    match body.first()? {
        4 => {
            let short = [length[2], length[3]];
            Some(hex(&Sha1::new().chain_update([0x99]).chain_update(short).chain_update(body).finalize()))
        }
        version @ (5 | 6) => {
            let begin = if *version == 5 { 0x9a } else { 0x9b };
            Some(hex(&Sha256::new().chain_update([begin]).chain_update(length).chain_update(body).finalize()))
        }
        _ => None,
    }
}
