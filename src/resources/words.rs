//! A command line as words: split as a shell would, without a shell.

/// The words of `text`: quotes and backslashes count as in a shell, nothing else does.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        match one {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => loop {
                let word = word.get_or_insert_default();
                match rest.next() {
                    Some('\'') => break,
                    Some(one) => word.push(one),
                    None => return Err("a `'` is not closed".to_owned()),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match rest.next() {
                    Some('"') => break,
                    Some('\\') => match rest.next() {
                        Some(one @ ('"' | '\\' | '$' | '`')) => word.push(one),
                        Some(one) => word.extend(['\\', one]),
                        None => return Err("a `\"` is not closed".to_owned()),
                    },
                    Some(one) => word.push(one),
                    None => return Err("a `\"` is not closed".to_owned()),
                }
            },
            '\\' => match rest.next() {
                Some(one) => word.get_or_insert_default().push(one),
                None => return Err("it ends with a lone backslash".to_owned()),
            },
            one => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A sign that stands alone, unquoted, and that only a shell would understand.
pub(super) fn shell_sign(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| {
        matches!(
            *word,
            "|" | "||"
                | "&"
                | "&&"
                | ";"
                | ">"
                | ">>"
                | "<"
                | "<<"
                | "2>"
                | "2>&1"
                | ">&2"
                | "2>/dev/null"
                | ">/dev/null"
        )
    })
}

/// `words` as one would type them.
pub(super) fn join(words: &[String]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&byte);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.bytes().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{join, split};

    #[test]
    fn splits_as_a_shell_does() {
        let words = |text: &str| split(text).unwrap_or_else(|why| vec![format!("! {why}")]);
        assert_eq!(words("a  b\tc\n"), ["a", "b", "c"]);
        assert_eq!(words(r#"a 'b c' "d \"e\" \n" f\ g"#), ["a", "b c", r#"d "e" \n"#, "f g"]);
        assert_eq!(words("'' x''y \"\""), ["", "xy", ""]);
        assert_eq!(words("a 'b"), ["! a `'` is not closed"]);
        assert_eq!(words("a \"b"), ["! a `\"` is not closed"]);
        assert_eq!(words("a \\"), ["! it ends with a lone backslash"]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_joined_splits_again(words: Vec<String>) {
            proptest::prop_assert_eq!(split(&join(&words)), Ok(words));
        }
    }
}
