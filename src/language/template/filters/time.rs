//! Dates, always in UTC and always given: a plan must not depend on when and where it is made.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value as Engine};

use super::super::fault::{refuse, wrong};
use super::text_of;

/// What `to_datetime` expects and `strftime` reads when no format is given, as in Ansible.
const USUAL: &str = "%Y-%m-%d %H:%M:%S";

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("to_datetime", to_datetime);
    environment.add_filter("strftime", strftime);
}

/// Seconds since 1970.
fn to_datetime(value: &Engine, format: Option<&str>) -> Result<i64, Error> {
    parse(&text_of(value)?, format).map(Timestamp::as_second)
}

fn strftime(format: &str, time: Option<&Engine>) -> Result<String, Error> {
    let Some(time) = time else {
        return Err(refuse(
            "`strftime` needs a time; the present one changes from run to run",
            "write `'%Y-%m-%d' | strftime(seconds)`, the format first",
        ));
    };
    let time = match time.kind() {
        ValueKind::Number => {
            let seconds = f64::try_from(time.clone())?;
            #[expect(clippy::cast_possible_truncation, reason = "fractions of a second are not asked for")]
            Timestamp::from_second(seconds as i64)
                .map_err(|_| wrong("the time lies outside of what a calendar can hold"))?
        }
        _ => parse(&text_of(time)?, None)?,
    };
    strtime::format(format, &time.to_zoned(TimeZone::UTC)).map_err(|error| {
        refuse(format!("bad format of a date: {error}"), "the format comes first: `'%Y-%m-%d' | strftime(seconds)`")
    })
}

fn parse(text: &str, format: Option<&str>) -> Result<Timestamp, Error> {
    if format.is_none()
        && let Ok(time) = text.parse::<Timestamp>()
    {
        return Ok(time);
    }
    let format = format.unwrap_or(USUAL);
    let broken = strtime::parse(format, text)
        .map_err(|error| wrong(format!("the text is no date of the form `{format}`: {error}")))?;
    if let Ok(time) = broken.to_timestamp() {
        return Ok(time);
    }
    // Without an offset it is UTC, without an hour it is midnight.
    let time = broken.to_datetime().or_else(|_| broken.to_date().map(Into::into));
    time.and_then(|time| time.to_zoned(TimeZone::UTC))
        .map(|time| time.timestamp())
        .map_err(|error| wrong(format!("the text is no whole date: {error}")))
}
