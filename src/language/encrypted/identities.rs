//! The keys that open encrypted values, and where they were looked for. Never shows a private key; reads no file.

use std::fmt;
use std::str::FromStr as _;

use age::x25519::Identity;
use zeroize::Zeroizing;

/// age keys of the one who runs `lions`, from every place where one may lie. Nothing of a private key is in its `Debug`.
#[derive(Clone, Default)]
pub struct Identities {
    places: Vec<(String, Result<Zeroizing<String>, String>)>,
}

/// What can open a file, and what to say when none does.
pub(super) struct Keys {
    pub(super) keys: Vec<Identity>,
    /// One line for each place that was looked at.
    pub(super) looked: Vec<String>,
}

impl Identities {
    /// Key files as `age-keygen` writes them: one identity a line, `#` begins a comment. `place` is what people see.
    #[must_use]
    pub fn with(mut self, place: impl Into<String>, text: impl Into<String>) -> Self {
        self.places.push((place.into(), Ok(Zeroizing::new(text.into()))));
        self
    }

    /// A place without keys, and why: `is not set`, `does not exist`.
    #[must_use]
    pub fn without(mut self, place: impl Into<String>, why: impl Into<String>) -> Self {
        self.places.push((place.into(), Err(why.into())));
        self
    }

    pub(super) fn keys(&self) -> Keys {
        let mut found = Keys { keys: Vec::new(), looked: Vec::new() };
        for (place, text) in &self.places {
            match text {
                Err(why) => found.looked.push(format!("`{place}` {why}")),
                Ok(text) if super::is_age(text.as_bytes()) => {
                    found.looked.push(format!("`{place}` is locked with a passphrase, which is not asked for"));
                }
                Ok(text) => found.read(place, text),
            }
        }
        found
    }
}

impl Keys {
    fn read(&mut self, place: &str, text: &str) {
        let before = self.keys.len();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // Of a line that is not understood, nothing is said: it may be half a key.
            match Identity::from_str(line) {
                Ok(key) => self.keys.push(key),
                Err(_) => self.looked.push(format!("`{place}`: line {number} is no `AGE-SECRET-KEY-1...`")),
            }
        }
        let public: Vec<_> = self.keys[before..].iter().map(|key| format!("`{}`", key.to_public())).collect();
        self.looked.push(match public.as_slice() {
            [] => format!("`{place}` holds no key"),
            public => format!("`{place}` holds the key of {}", public.join(", ")),
        });
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.places.iter().map(|(place, _)| place)).finish()
    }
}
