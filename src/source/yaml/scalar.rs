//! What a scalar means: the core schema of YAML 1.2, where `yes`, `0644` and `1_000` are text. Looks at one scalar only.

use granit_parser::{ScalarStyle, Tag};

use super::super::{Style, Tree};

/// Why a scalar means nothing: the summary, and what to do.
pub(super) struct Senseless {
    pub(super) summary: String,
    pub(super) help: String,
}

fn senseless(summary: impl Into<String>, help: impl Into<String>) -> Senseless {
    Senseless { summary: summary.into(), help: help.into() }
}

/// What `value` means, written in `style` with `tag`.
pub(super) fn resolve(value: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Tree, Senseless> {
    let text = || Tree::Text(value.to_owned(), written(style));
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(value) } else { Ok(text()) };
    };
    if tag.original() == "!" {
        return Ok(text());
    }
    let Some(kind) = tag.core_suffix() else { return Err(unknown_tag(tag)) };
    match (kind, plain(value)?) {
        ("str", _) => Ok(text()),
        ("null", Tree::Null) => Ok(Tree::Null),
        ("bool", tree @ Tree::Bool(_)) | ("int", tree @ Tree::Int(_)) | ("float", tree @ Tree::Float(_)) => Ok(tree),
        #[expect(clippy::cast_precision_loss, reason = "asked for with the tag")]
        ("float", Tree::Int(number)) => Ok(Tree::Float(number as f64)),
        _ => Err(senseless(
            format!("`{value}` is not what the tag `!!{kind}` says"),
            "remove the tag, or write a value that fits it",
        )),
    }
}

fn written(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

/// Is `tag` one that a collection may bear? `wanted` is `map` or `seq`.
pub(super) fn collection_tag(tag: Option<&Tag>, wanted: &str) -> Result<(), Senseless> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.original() == "!" || tag.is_yaml_core_schema_tag(wanted) => Ok(()),
        Some(tag) if tag.core_suffix().is_some() => {
            Err(senseless(format!("the tag `{}` does not fit what follows it", tag.original()), "remove the tag"))
        }
        Some(tag) => Err(unknown_tag(tag)),
    }
}

fn unknown_tag(tag: &Tag) -> Senseless {
    let name = tag.original();
    let help = match name.as_str() {
        "!vault" => "a secret belongs in an encrypted file of `values/` (age or SOPS), not in the text".to_owned(),
        "!include" | "!import" | "!file" => {
            "a file is not read into another: name a role, or keep values in a file of `values/`".to_owned()
        }
        "!unsafe" => "write the text between `{% raw %}` and `{% endraw %}`".to_owned(),
        "!env" | "!env_var" => {
            "a value of the environment is given with `--set`, or kept in a file of `values/`".to_owned()
        }
        _ => format!("remove the tag; quote the value if it is meant to begin with `{}`", &name[..1]),
    };
    senseless(format!("the tag `{name}` is not known"), help)
}

fn plain(value: &str) -> Result<Tree, Senseless> {
    let first = value.bytes().next();
    // Most scalars are names: told apart by their first byte.
    if !matches!(first, None | Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F'))
    {
        return Ok(Tree::Text(value.to_owned(), Style::Plain));
    }
    match value {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Tree::Null),
        "true" | "True" | "TRUE" => return Ok(Tree::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Tree::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Tree::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Ok(Tree::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Ok(Tree::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    match number(value) {
        Some(Ok(tree)) => Ok(tree),
        Some(Err(())) => Err(senseless(
            format!("the number `{value}` is too large"),
            format!("quote it if it is text: `\"{value}\"`"),
        )),
        None => Ok(Tree::Text(value.to_owned(), Style::Plain)),
    }
}

/// `value` as a number, if it is written like one; an error if it is past what can be held.
fn number(value: &str) -> Option<Result<Tree, ()>> {
    let radix = |digits: &str, radix: u32| {
        let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        all.then(|| i64::from_str_radix(digits, radix).map(Tree::Int).map_err(drop))
    };
    if let Some(digits) = value.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = value.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    // A mode or a code with leading zeros is text: read as a number it would lose them.
    if whole > 1 && unsigned.starts_with('0') {
        return None;
    }
    if whole == unsigned.len() {
        return (whole > 0).then(|| value.parse().map(Tree::Int).map_err(drop));
    }
    let mut rest = &unsigned[whole..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = &exponent[digits(exponent)..];
        if exponent.is_empty() {
            return None;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    value.parse::<f64>().ok().map(|number| if number.is_finite() { Ok(Tree::Float(number)) } else { Err(()) })
}
