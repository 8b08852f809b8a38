//! The filters, tests and functions of templates: one table that documents them, and their registration.

use minijinja::{Environment, State, Value as Engine};

use super::run::Run;

/// What Ansible has and a plan must not: their results cannot be foreseen, or the engine lacks them.
const REFUSED: &[(&str, &str)] =
    &[("random", "its result changes from run to run; declare an input or use a `secret` task")];

const FILTERS: &str = "safe escape e lower upper title capitalize replace length count dictsort items reverse trim join \
    split lines default d round abs int float attr first last min max sort list string bool batch slice sum indent \
    select reject selectattr rejectattr map groupby unique chain zip pprint format tojson urlencode";
const TESTS: &str = "defined undefined none safe escaped boolean odd even divisibleby number integer int float string \
    sequence iterable mapping startingwith endingwith lower upper sameas eq equalto ne lt lessthan le gt greaterthan ge in \
    true false filter test";

/// Why `name` is refused, if it is.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// All filters and tests by name.
pub(super) fn names() -> (Vec<String>, Vec<String>) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    (words(FILTERS), words(TESTS))
}

/// Puts all of them into `environment`.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_test("defined", |state: &State<'_, '_>, value: &Engine| is_defined(state, value));
    environment.add_test("undefined", |state: &State<'_, '_>, value: &Engine| !is_defined(state, value));
}

fn is_defined(state: &State<'_, '_>, value: &Engine) -> bool {
    if let Some(run) = Run::of(state) {
        run.forgive(value);
    }
    !value.is_undefined()
}
