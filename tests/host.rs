//! The link to a real host, on this machine.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;

use lions::model::{Content, Digest, Fault, FaultKind, Stream};
use lions::targets::host::link::ShellLink;
use lions::targets::host::{
    Answer, Attributes, Command, CommandLine, Expect, FileKind, Leaves, Link as _, Output, Question, Stat, Step,
};

use crate::transport::left_out;

mod archive;
mod beside;
mod census;
mod download;
mod facts;
mod kernel;
mod lock;
mod questions;
mod run;
mod swap;
mod together;
mod write;

fn block_on<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_mins(2), test).await.expect("hangs") })
}

async fn link() -> ShellLink {
    ShellLink::new(lions::transport::local::start(None).await.unwrap())
}

async fn ask(link: &ShellLink, question: Question) -> Result<Answer, Fault> {
    link.ask(&[question]).await.unwrap().pop().unwrap()
}

async fn stat(link: &ShellLink, path: &str) -> Option<Stat> {
    match ask(link, Question::Stat(path.to_owned())).await.unwrap() {
        Answer::Stat(stat) => stat,
        other => panic!("{other:?}"),
    }
}

async fn perform(link: &ShellLink, step: Step) -> Result<Option<Output>, Fault> {
    link.perform(&step, &|_, _| ()).await
}

/// A folder to work in, and the path of `name` in it.
fn place(name: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name).to_str().unwrap().to_owned();
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write_to(path: &str, content: &str, expect: Expect) -> Step {
    Step::Write {
        path: path.to_owned(),
        content: Content::open(content.as_bytes()),
        attributes: Attributes::default(),
        expect,
        validate: None,
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
