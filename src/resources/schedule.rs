//! The five fields of a line of cron.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

pub(super) const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
pub(super) const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
pub(super) const DAY: Field = Field { name: "day", low: 1, high: 31, names: &[] };
pub(super) const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
pub(super) const WEEKDAY: Field =
    Field { name: "weekday", low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Field {
    /// Is `text` something that cron takes there: `*`, `5`, `1-5`, `*/15`, `mon`, and lists of these?
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        text.split(',').try_for_each(|part| self.part(part)).map_err(|why| format!("`{text}`: {why}"))
    }

    fn part(&self, part: &str) -> Result<(), String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step
            && !digits(step).is_some_and(|step| (1..=self.high).contains(&step))
        {
            return Err(format!("`{step}` is not a step from 1 to {}", self.high));
        }
        if range == "*" {
            return Ok(());
        }
        match range.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (self.number(from)?, self.number(to)?);
                if from > to { Err(format!("`{range}` ends before it begins")) } else { Ok(()) }
            }
            None if step.is_some() => {
                Err(format!("a step needs a range: `*/{0}` or `{range}-{1}/{0}`", step.unwrap_or_default(), self.high))
            }
            None => self.number(range).map(drop),
        }
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        if let Some(at) = self.names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
            return Ok(self.low + u32::try_from(at).unwrap_or_default());
        }
        let number = digits(text).filter(|number| (self.low..=self.high).contains(number));
        number.ok_or_else(|| format!("`{}` is not a number from {} to {}", text.escape_debug(), self.low, self.high))
    }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_cron_takes() {
        let all = [
            (MINUTE, "*", ""),
            (MINUTE, "0,15,30-40/5,*/7", ""),
            (MINUTE, "60", "not a number from 0 to 59"),
            (MINUTE, "", "not a number"),
            (MINUTE, "1,,2", "not a number"),
            (MINUTE, "+5", "not a number"),
            (MINUTE, "5/10", "a step needs a range"),
            (MINUTE, "*/0", "not a step"),
            (MINUTE, "* root rm", "not a number"),
            (MINUTE, "5\n", "not a number"),
            (HOUR, "22-2", "ends before it begins"),
            (DAY, "0", "from 1 to 31"),
            (MONTH, "jan-MAR", ""),
            (MONTH, "janvier", "from 1 to 12"),
            (WEEKDAY, "mon-fri", ""),
            (WEEKDAY, "7", ""),
            (WEEKDAY, "8", "from 0 to 7"),
        ];
        for (field, text, why) in all {
            match field.check(text) {
                Ok(()) => assert_eq!(why, "", "{text}"),
                Err(said) => assert!(!why.is_empty() && said.contains(why), "{text}: {said}"),
            }
        }
    }
}
