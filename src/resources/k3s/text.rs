//! Settings as the YAML of a file: each secret masked in what may be shown of it, nothing left to a reader's guess.

use std::fmt::Write as _;

use crate::model::{After, Content, Secret, Value};

/// What is written, and what may be shown of it.
#[derive(Default)]
struct Text {
    raw: String,
    shown: String,
    secret: bool,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.raw.push_str(text);
        self.shown.push_str(text);
    }

    fn value(&mut self, value: &Value, indent: usize) -> Result<(), After> {
        match value {
            Value::Unknown(after) => return Err(after.clone()),
            Value::Map(map) if map.is_empty() => self.push(" {}\n"),
            Value::List(items) if items.is_empty() => self.push(" []\n"),
            Value::Map(map) => {
                self.push("\n");
                for (key, value) in map {
                    self.push(&format!("{:indent$}{}:", "", scalar(key)));
                    self.value(value, indent + 2)?;
                }
            }
            Value::List(items) => {
                self.push("\n");
                for item in items {
                    self.push(&format!("{:indent$}-", ""));
                    self.value(item, indent + 2)?;
                }
            }
            Value::Secret(secret) => {
                self.secret = true;
                let mut inner = Self::default();
                inner.value(secret.reveal(), indent)?;
                self.raw.push_str(&inner.raw);
                let _ = writeln!(self.shown, " {}", Secret::MASK);
            }
            Value::Text(text) => self.push(&format!(" {}\n", scalar(text))),
            Value::Null => self.push("\n"),
            other => self.push(&format!(" {}\n", other.to_shown_json())),
        }
        Ok(())
    }
}

/// Plain where nobody could read anything else in it, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins && text.bytes().all(plain) && !word.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

/// The file that says `settings`, below `header`.
pub(super) fn file(header: &str, settings: &Value) -> Result<Content, After> {
    let mut text = Text::default();
    text.value(settings, 0)?;
    let whole = |body: &str| format!("{header}{}", body.strip_prefix('\n').unwrap_or(body));
    let empty = matches!(settings, Value::Map(map) if map.is_empty());
    Ok(match (empty, text.secret) {
        (true, _) => Content::open(header.as_bytes()),
        (false, false) => Content::open(whole(&text.raw).into_bytes()),
        (false, true) => Content::sealed(whole(&text.raw).into_bytes(), whole(&text.shown)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::file;
    use crate::model::{Map, Secret, Value};

    /// What is written is read back as it was, whatever looks like something else.
    #[test]
    fn it_is_read_back() {
        let all = json!({
            "a": "0600", "b": 600, "c": true, "d": "true", "e": ["x=y:NoSchedule", "", "- x", "#", "a: b", "~", "1e3", "\t\"\\\n\u{1b}é"],
            "f": {"*": {"endpoint": ["http://a.b:5000"]}, "g": {}, "h": []}, "null": null, "i": [["nested"], {"k": "v", "l": 1.5}], "no": "Yes",
        });
        let content = file("# header\n", &Value::from(all.clone())).unwrap();
        let text = String::from_utf8(content.bytes().to_vec()).unwrap();
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, all, "{text}");
    }

    #[test]
    fn secrets_are_masked() {
        let secret = |value: serde_json::Value| Value::Secret(Secret::new(Value::from(value)));
        let map = Map::from([
            ("user".to_owned(), Value::text("u")),
            ("password".to_owned(), secret(json!("open: sesame"))),
            ("more".to_owned(), secret(json!({"a": "hidden"}))),
        ]);
        let content = file("", &Value::Map(map)).unwrap();
        assert_eq!(content.shown(), "user: u\npassword: ***\nmore: ***\n");
        let text = String::from_utf8(content.bytes().to_vec()).unwrap();
        assert_eq!(
            serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(),
            json!({"user": "u", "password": "open: sesame", "more": {"a": "hidden"}})
        );
    }
}
