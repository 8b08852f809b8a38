//! Projects that are wrong: everything is said at once, where it is, and what to do.

use lions::language::validate;

use super::*;

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let checked = validate(&Files::disk(fixture("terrible")), &Wanted::default(), &catalogue());
    insta::assert_snapshot!(lions::render::problem::problems(&checked.sources, &checked.problems, false));
}
