//! A line of `authorized_keys`: options, sort, the key itself, a comment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A line that holds a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PublicKey<'a> {
    /// The whole line.
    pub(super) line: &'a str,
    /// What stands before the sort.
    pub(super) options: &'a str,
    /// The key itself, its sort included.
    pub(super) blob: Vec<u8>,
}

/// The key in `line`.
///
/// # Errors
/// Why there is none.
pub(super) fn parse(line: &str) -> Result<PublicKey<'_>, String> {
    let line = line.trim();
    if line.contains("PRIVATE KEY") {
        return Err("this is a private key: give the one that ends with `.pub`".to_owned());
    }
    let bare = line.split([' ', '\t']).next().unwrap_or_default();
    let (options, rest) = if is_sort(bare) { ("", line) } else { line.split_at(options_end(line)) };
    let mut words = rest.split_ascii_whitespace();
    let shown: String = line.chars().take(40).collect();
    let (Some(sort), Some(key)) = (words.next().filter(|sort| is_sort(sort)), words.next()) else {
        return Err(format!("`{}` is not a public key like `ssh-ed25519 AAAA...`", shown.escape_debug()));
    };
    if line.starts_with('#') || line.chars().any(|one| one.is_control() && one != '\t') {
        return Err(format!("`{}` is not one line of a key", shown.escape_debug()));
    }
    let blob =
        STANDARD.decode(key).map_err(|why| format!("the key of `{}` is not whole: {why}", shown.escape_debug()))?;
    // The key says its own sort first, and is made of parts that say their length.
    let is_whole = |mut parts: Parts<'_>| {
        parts.next() == Some(Some(sort.as_bytes())) && (sort.contains("-cert-") || parts.all(|part| part.is_some()))
    };
    let whole = is_whole(Parts(&blob));
    if !whole || blob.len() < 4 + sort.len() + 36 {
        return Err(format!("the key of `{}` is not one of `{sort}`, or not whole", shown.escape_debug()));
    }
    Ok(PublicKey { line, options: options.trim_end(), blob })
}

/// The parts of a key; `None` where one is not whole.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Option<&'a [u8]>;
    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.0);
        if rest.is_empty() {
            return None;
        }
        let split = rest
            .split_first_chunk::<4>()
            .and_then(|(length, after)| after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?));
        if let Some((_, after)) = split {
            self.0 = after;
        }
        Some(split.map(|(part, _)| part))
    }
}

fn is_sort(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|begin| word.starts_with(begin))
        && !word.contains(['=', ',', '"'])
}

/// Where the options end: at the first space that is not in quotes.
fn options_end(line: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, one) in line.char_indices() {
        match one {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return at,
            _ => {}
        }
        escaped = one == '\\' && !escaped;
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::parse;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn the_key_is_what_counts() {
        let one = format!("ssh-ed25519 {KEY} one@host");
        let other = format!("  from=\"10.0.0.1, a b\",command=\"echo \\\"x y\\\"\"   ssh-ed25519\t{KEY}");
        let (one, other) = (parse(&one).unwrap(), parse(&other).unwrap());
        assert_eq!(one.blob, other.blob);
        assert_eq!(one.options, "");
        assert_eq!(other.options, "from=\"10.0.0.1, a b\",command=\"echo \\\"x y\\\"\"");
    }

    #[test]
    fn what_is_no_key_says_why() {
        for (line, why) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            ("ssh-ed25519", "not a public key"),
            ("ssh-ed25519 AAAA", "or not whole"),
            ("ssh-ed25519 !!!!", "not whole"),
            (&format!("ssh-rsa {KEY}"), "not one of `ssh-rsa`"),
            (&format!("# ssh-ed25519 {KEY}"), "not one line"),
            (&format!("ssh-ed25519 {KEY} a\x1bb"), "not one line"),
            (&format!("ssh-ed25519 {}", &KEY[..40]), "not whole"),
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        }
    }
}
