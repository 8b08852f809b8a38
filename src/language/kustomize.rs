//! What a kustomization comes to: the tool that people have for it says so. What it says is kept as a file of the project,
//! so that a saved plan is applied without it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::source::Problem;

/// The name, in the folder of a kustomization, of what it comes to: no file has it.
pub(super) const BUILT: &str = "(kustomized).yaml";

/// The tools that know it, in the order they are tried.
const TOOLS: &[(&str, &str)] = &[("kubectl", "kustomize"), ("kustomize", "build")];

/// Is there a kustomization in the folder?
pub(super) fn is_one(folder: &Path) -> bool {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].iter().any(|name| folder.join(name).is_file())
}

/// What the kustomization in `real` comes to, which is `folder` of the project.
///
/// # Errors
/// No tool is there, or what it says.
pub(super) fn build(folder: &Path, real: &Path) -> Result<Vec<u8>, Problem> {
    const LINES: usize = 10;
    for (tool, word) in TOOLS {
        let mut command = Command::new(tool);
        command.arg(word).arg(real).stdin(Stdio::null()).env_remove("SOPS_AGE_KEY");
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Problem::nowhere(format!("`{tool}` cannot be started: {error}"))),
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(LINES).collect();
        return Err(Problem::nowhere(format!("`{tool} {word} {}` failed: {}", folder.display(), lines.join("; ")))
            .help("what it says is about the files of that folder; run it by hand to look closer"));
    }
    Err(Problem::nowhere(format!("nothing on this machine can read the kustomization `{}`", folder.display())).help(
        "install `kubectl` or `kustomize`, or write what it comes to into a file, once: `kubectl kustomize FOLDER > all.yaml`, and name that with `src`",
    ))
}
