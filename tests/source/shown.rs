//! How problems are shown: whatever the text and wherever the place.

use lions::render::problem::{problem, problems};
use lions::source::{Problem, Problems, Sources, Span};

#[test]
fn order_related_places_and_counts() {
    let mut sources = Sources::default();
    let one = sources.add("playbooks/site.yml", "- name: one\n  roles: [bse]\n");
    let two = sources.add("roles/base/inputs.yml", "a: 1\n\nb: 2\n");
    let mut found = Problems::default();
    found.push(
        Problem::error(Span::new(two, 6, 7), "the input `b` is set twice")
            .label("again")
            .related(Span::new(two, 0, 1), "here")
            .related(Span::new(one, 2, 6), "and here"),
    );
    found.push(
        Problem::warning(Span::new(one, 22, 25), "unknown role `bse`")
            .did_you_mean("bse", ["base"])
            .help("write it\nin `roles/`"),
    );
    found.push(Problem::nowhere("no environment is named").help("name one with `--env`"));
    found.push(Problem::error(Span::new(one, 2, 6), "a bad name"));
    insta::assert_snapshot!(problems(&sources, &found, false), @r"
    error: no environment is named
     = help: name one with `--env`

    error: a bad name
     --> playbooks/site.yml:1:3
      |
    1 | - name: one
      |   ^^^^

    warning: unknown role `bse`
     --> playbooks/site.yml:2:11
      |
    2 |   roles: [bse]
      |           ^^^
      |
      = help: did you mean `base`?
      = help: write it\nin `roles/`

    error: the input `b` is set twice
     --> roles/base/inputs.yml:3:1
      |
    1 | a: 1
      | - here
    2 |
    3 | b: 2
      | ^ again
      |
     ::: playbooks/site.yml:1:3
      |
    1 | - name: one
      |   ---- and here

    3 problems, 1 warning
    ");
}

#[test]
fn nothing_is_said_about_nothing() {
    assert_eq!(problems(&Sources::default(), &Problems::default(), true), "");
    let warnings = Problems::from(Problem { severity: lions::source::Severity::Warning, ..Problem::nowhere("odd") });
    assert_eq!(problems(&Sources::default(), &warnings, false), "warning: odd\n\n1 warning\n");
}

#[test]
fn every_place_of_every_text_can_be_shown() {
    for text in ["", "\n", "\r\n", "a", "ab\r\ncd", "\u{feff}x\n", "日本: \t語\r\n\r\n\u{1b}[0m", "\tx\n\t\ty\n\n\n"]
    {
        let mut sources = Sources::default();
        let file = sources.add("a.yml", text);
        let length = u32::try_from(text.len()).unwrap();
        for start in 0..length + 3 {
            for end in 0..length + 3 {
                let shown = problem(&sources, &Problem::error(Span::new(file, start, end), "odd").label("here"), false);
                let (line, column) = sources.line_column(Span::new(file, start, end));
                let first: Vec<&str> = shown.lines().collect();
                assert_eq!(first[0], "error: odd");
                assert!(shown.contains('^') && shown.contains("here"), "{text:?} {start}..{end}\n{shown}");
                // At a line's end the caret may stand past it, but never in another line.
                assert!(
                    first[1].contains(&format!("a.yml:{line}:")),
                    "{text:?} {start}..{end} is {line}:{column}\n{shown}"
                );
                assert!(!shown.contains(['\u{1b}', '\r']), "{shown:?}");
            }
        }
    }
}

#[test]
fn only_the_first_line_of_a_place_is_marked() {
    let mut sources = Sources::default();
    let file = sources.add("a.yml", "a:\n  b: 1\n  c: 2\nd: 3\n");
    insta::assert_snapshot!(problem(&sources, &Problem::error(Span::new(file, 5, 16), "odd").label("this"), false), @r"
    error: odd
     --> a.yml:2:3
      |
    2 |   b: 1
      |   ^^^^ this
    ");
}

#[test]
fn long_lines_and_long_messages_are_cut() {
    let mut sources = Sources::default();
    let text = format!("a: {}x{}\n", "b ".repeat(50_000), " c".repeat(50_000));
    let file = sources.add("a.yml", text.as_str());
    let shown = problem(
        &sources,
        &Problem::error(Span::new(file, 100_003, 100_004), "y".repeat(10_000)).help("z".repeat(10_000)),
        false,
    );
    assert!(shown.len() < 2000, "{} bytes", shown.len());
    assert!(shown.contains("a.yml:1:100004") && shown.contains(" b x c "), "{shown}");
    let shown = problem(&sources, &Problem::error(Span::new(file, 3, 200_000), "all of it"), false);
    assert!(shown.len() < 2000, "{} bytes", shown.len());
}

#[test]
fn messages_cannot_steer_the_terminal() {
    let mut sources = Sources::default();
    let file = sources.add("a\u{1b}[31m.yml", "a: 1\n");
    let odd = Problem::error(Span::new(file, 0, 1), "\u{1b}[2Jodd\u{202e}")
        .label("\u{7}here")
        .help("\u{1b}]0;x\u{7}")
        .related(Span::new(file, 3, 4), "\u{9b}31m");
    let shown = problem(&sources, &odd, false);
    assert!(!shown.chars().any(|sign| sign != '\n' && (sign.is_control() || sign == '\u{202e}')), "{shown:?}");
    assert!(problem(&sources, &odd, true).contains("\u{1b}["), "colours are asked for");
}
