//! YAML text to spanned trees, all problems at once. The only file, with those below it, that names the YAML parser.

mod build;
mod characters;
mod explain;
mod lex;
mod mapping;
mod scalar;
mod template;
mod text;

use granit_parser::{Options, Parser};

use self::build::{Builder, Next};
use self::text::Text;
use super::{FileId, Node, Problem, Problems};

/// How large a document may be; past it, a problem names the limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file, its aliases unfolded.
    pub bytes: usize,
    /// Nodes of one file, aliases unfolded.
    pub nodes: usize,
    /// Nesting.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 20, nodes: 200_000, depth: 64 }
    }
}

/// So many mistakes are patched to look at what follows them; each costs another pass.
const MOST_PASSES: usize = 20;
/// Bytes that all passes over one text may read together, so that a large broken file is not read twenty times.
const MOST_BYTES: usize = 16 << 20;

/// The documents of `text`, or all that is wrong with it. An empty text has no document.
///
/// # Errors
/// Everything that is wrong with the text, positions included.
pub fn parse(file: FileId, text: &str, limits: Limits) -> Result<Vec<Node>, Problems> {
    let source = Text::new(file, text);
    if text.len() > limits.bytes {
        let summary = format!("the file has {} bytes, more than the {} that are read", text.len(), limits.bytes);
        return Err(Problem::error(source.span(0..0), summary).help("split it").into());
    }
    if let Some(problem) = characters::check(&source) {
        return Err(problem.into());
    }
    let mut found = Vec::new();
    let mut patched = std::borrow::Cow::Borrowed(text);
    let mut passes = 1;
    loop {
        let again = passes < MOST_PASSES && passes * text.len() < MOST_BYTES;
        match pass(&Text::new(file, &patched), limits, again) {
            Pass::Done(documents, problems) if found.is_empty() && problems.is_empty() => return Ok(documents),
            Pass::Done(_, problems) => {
                let mut all = Problems::default();
                all.extend(found.into_iter().chain(problems));
                return Err(all);
            }
            Pass::Patch { problem, start, bytes } => {
                found.push(problem);
                patched.to_mut().replace_range(start..start + bytes.len(), &bytes);
                passes += 1;
            }
        }
    }
}

/// What came of reading the text once.
enum Pass {
    Done(Vec<Node>, Vec<Problem>),
    /// It could not be read, but can be with these bytes in their place.
    Patch {
        problem: Problem,
        start: usize,
        bytes: String,
    },
}

fn pass(text: &Text<'_>, limits: Limits, may_patch: bool) -> Pass {
    let mut builder = Builder::new(text, limits);
    let mut parser = Parser::new_from_str_with_options(text.whole, options(limits));
    loop {
        let next = match parser.next() {
            None => break,
            Some(Ok((event, range))) => builder.take(&event, &range),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(text.whole.len());
                let mistake = explain::explain(text, error.kind(), at, &builder, limits);
                let mut problem = mistake.problem;
                if let Some((range, with)) = mistake.patch {
                    let bytes = char::from(with).to_string().repeat(range.len());
                    // Each patch changes the text, so the passes come to an end.
                    if may_patch && text.whole.get(range.clone()).is_some_and(|before| before != bytes) {
                        return Pass::Patch { problem, start: range.start, bytes };
                    }
                    problem = problem.help("what follows it was not looked at yet");
                }
                builder.problems.push(problem);
                Next::Document
            }
        };
        match next {
            Next::Event => {}
            Next::Stop => break,
            Next::Document => {
                builder.abandon();
                // Only an unreadable source makes this fail, and a text in memory is none.
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    Pass::Done(builder.documents, builder.problems)
}

fn options(limits: Limits) -> Options {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        // One more than ours, so that ours is the one that speaks.
        flow_nesting_limit: limits.depth + 1,
        block_nesting_limit: limits.depth + 1,
    };
    options.set_emit_comments(false);
    options
}
