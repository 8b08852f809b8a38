//! `lions show`: a saved plan, as it was shown when it was made.

use std::path::PathBuf;

use super::Ended;
use super::exit::Exit;
use crate::engine::planfile::PlanFile;
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions show change.plan
  lions show change.plan --full
  lions show change.plan --output json";

/// Show a saved plan
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file that `lions plan -o FILE` made
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Show every host by itself, and every line of long texts
    #[arg(long)]
    full: bool,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let file = PlanFile::load(&args.file)?;
    show.plan(&file.plan, args.full)?;
    show.note(&format!("\nmade at {:.0}", file.created));
    Ok(Exit::Done)
}
