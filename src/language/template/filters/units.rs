//! Sizes: as Ansible writes them, and as Kubernetes does. The two disagree about `M`, so each has its own filter.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, Value as Engine};

use super::super::fault::{refuse, wrong};
use super::{data_of, text_of};
use crate::model::Value;

const LETTERS: [char; 8] = ['K', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("human_to_bytes", human_to_bytes);
    environment.add_filter("human_readable", human_readable);
    environment.add_filter("quantity", quantity);
}

fn split(text: &str) -> Result<(f64, &str), Error> {
    let text = text.trim();
    let at =
        text.find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | '-' | '+')).unwrap_or(text.len());
    let number = text[..at].parse::<f64>().map_err(|_| wrong("what is given is no size"))?;
    Ok((number, text[at..].trim()))
}

#[expect(clippy::cast_possible_truncation, reason = "checked against the range of whole numbers")]
fn whole(number: f64) -> Result<i64, Error> {
    // 2^63: above it whole numbers end.
    if number.abs() < 9.2e18 { Ok(number.round() as i64) } else { Err(wrong("the size is too large")) }
}

fn power(letter: char) -> Option<i32> {
    let at = LETTERS.iter().position(|known| *known == letter)?;
    i32::try_from(at + 1).ok()
}

/// `K`, `KB` and `KiB` are all 1024, as in Ansible.
fn human_to_bytes(value: &Engine, default_unit: Option<&str>) -> Result<i64, Error> {
    let text = text_of(value)?;
    let (number, unit) = split(&text)?;
    let unit = if unit.is_empty() { default_unit.unwrap_or("B") } else { unit };
    let mut letters = unit.chars();
    let first = letters.next().unwrap_or('B');
    let rest = letters.as_str();
    let unknown =
        || refuse(format!("`{unit}` is no unit of bytes"), "use `K`, `M`, `G`, `T`, with `B` or `iB` after it");
    if unit == "m" {
        return Err(refuse(
            "`m` is a thousandth in Kubernetes and a million in Ansible",
            "write `M`, or use `quantity`",
        ));
    }
    if first.eq_ignore_ascii_case(&'b') && (rest.is_empty() || rest.eq_ignore_ascii_case("ytes")) {
        return whole(number);
    }
    let power = power(first.to_ascii_uppercase()).ok_or_else(unknown)?;
    if !matches!(rest.to_ascii_lowercase().as_str(), "" | "b" | "i" | "ib") {
        return Err(unknown());
    }
    whole(number * 1024_f64.powi(power))
}

fn human_readable(value: &Engine, kwargs: Kwargs) -> Result<String, Error> {
    let unit = kwargs.get::<Option<String>>("unit")?;
    kwargs.assert_all_used()?;
    #[expect(clippy::cast_precision_loss, reason = "two digits are printed")]
    let bytes = match data_of(value)? {
        Value::Int(number) => number as f64,
        Value::Float(number) => number,
        Value::Text(text) => text.trim().parse::<f64>().map_err(|_| wrong("what is given is no number of bytes"))?,
        other => return Err(wrong(format!("{} is no number of bytes", other.kind()))),
    };
    let power = match unit.as_deref().and_then(|unit| unit.chars().next()) {
        Some('B' | 'b') => 0,
        Some(letter) => power(letter.to_ascii_uppercase())
            .ok_or_else(|| refuse(format!("`{letter}` is no unit of bytes"), "use `K`, `M`, `G` or `T`"))?,
        None => (1..=8).rev().find(|power| bytes.abs() >= 1024_f64.powi(*power)).unwrap_or(0),
    };
    let name = usize::try_from(power - 1)
        .ok()
        .and_then(|at| LETTERS.get(at))
        .map_or("Bytes".to_owned(), |letter| format!("{letter}B"));
    Ok(format!("{:.2} {name}", bytes / 1024_f64.powi(power)))
}

/// A quantity of Kubernetes as a number: `500m` is 0.5, `1Ki` is 1024, `1k` is 1000.
fn quantity(value: &Engine) -> Result<Engine, Error> {
    let text = text_of(value)?;
    let (number, unit) = split(&text)?;
    let unknown = || refuse(format!("`{unit}` is no unit of Kubernetes"), "use `m`, `k`, `M`, `G`, `Ki`, `Mi`, `Gi`");
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        _ => {
            let letter = unit.chars().next().ok_or_else(unknown)?;
            let power = power(letter).ok_or_else(unknown)?;
            match &unit[1..] {
                "" if letter != 'K' => 1000_f64.powi(power),
                "i" => 1024_f64.powi(power),
                _ => return Err(unknown()),
            }
        }
    };
    let result = number * factor;
    Ok(if result.fract() == 0.0 { Engine::from(whole(result)?) } else { Engine::from(result) })
}
