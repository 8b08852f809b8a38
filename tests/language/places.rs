//! Files that are missing, strange or elsewhere.

use std::os::unix::fs::symlink;

use lions::language::validate;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    /// The small project, on disk.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("inventories/dev/environment.yml", "hosts: { a: {} }\n");
        folder.write("playbooks/site.yml", "- { name: all, hosts: all, roles: [app] }\n");
        folder.write("roles/app/tasks.yml", "- { name: run, copy: { src: motd, dest: /etc/motd } }\n");
        folder.write("roles/app/files/motd", "hello\n");
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn says(&self, wanted: &str) {
        let said = bad(&Files::disk(self.0.path()), &Wanted::default());
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn links_may_lead_within_the_project_only() {
    let folder = Folder::new();
    std::fs::remove_file(folder.path("roles/app/files/motd")).unwrap();
    folder.write("shared/motd", "shared");
    symlink("../../../shared/motd", folder.path("roles/app/files/motd")).unwrap();
    good(&Files::disk(folder.0.path()), &Wanted::default());

    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::remove_file(folder.path("roles/app/files/motd")).unwrap();
    symlink(other.path(), folder.path("roles/app/files/motd")).unwrap();
    folder.says("`roles/app/files/motd` is a link that leads out of the project");

    std::fs::remove_file(folder.path("roles/app/files/motd")).unwrap();
    symlink("motd", folder.path("roles/app/files/motd")).unwrap();
    folder.says("`roles/app/files/motd` is a link that leads back to itself");

    std::fs::remove_file(folder.path("roles/app/files/motd")).unwrap();
    symlink("nothing", folder.path("roles/app/files/motd")).unwrap();
    folder.says("`roles/app/files/motd` is a link that leads nowhere");
}

#[test]
fn a_ring_of_folders_ends() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("roles/app/templates/deep")).unwrap();
    symlink("..", folder.path("roles/app/templates/deep/up")).unwrap();
    folder.says("is nested too deep");
}

#[test]
fn strange_files_are_refused() {
    let folder = Folder::new();
    std::fs::remove_file(folder.path("roles/app/files/motd")).unwrap();
    std::fs::create_dir(folder.path("roles/app/files/motd")).unwrap();
    folder.says("`roles/app/files/motd` is a folder, not a file");

    let folder = Folder::new();
    std::fs::remove_file(folder.path("playbooks/site.yml")).unwrap();
    std::fs::create_dir(folder.path("playbooks/site.yml")).unwrap();
    folder.says("`playbooks/site.yml` is a folder, not a file");

    let folder = Folder::new();
    folder.write("roles/app/tasks.yml", b"- name: \xff\n");
    folder.says("`roles/app/tasks.yml` is not UTF-8 text");
    folder.write("roles/app/tasks.yml", b"- name: a\0b\n");
    folder.says("NUL byte");
    folder.write("roles/app/tasks.yml", "a: b\n".repeat(2 << 20));
    folder.says("more than the");
}

#[test]
fn windows_line_ends_are_right() {
    let folder = Folder::new();
    folder.write("roles/app/tasks.yml", "- name: run\r\n  copy:\r\n    src: motd\r\n    dest: /etc/motd\r\n");
    good(&Files::disk(folder.0.path()), &Wanted::default());
}

#[test]
fn what_is_not_there_is_named() {
    let says = |files: &Files, wanted: &Wanted, part: &str| {
        let said = bad(files, wanted);
        assert!(said.contains(part), "{said}");
    };
    let playbook = Wanted { playbook: Some("playbooks/sites.yml".into()), ..Wanted::default() };
    says(&small(&[]), &playbook, "did you mean `playbooks/site.yml`?");
    let environment = Wanted { environment: Some("deb".to_owned()), ..Wanted::default() };
    says(&small(&[]), &environment, "did you mean `dev`?");
    let outside = Wanted { environment: Some("../dev".to_owned()), ..Wanted::default() };
    says(&small(&[]), &outside, "leads out of the project");
    says(
        &small(&[("inventories/prod/environment.yml", "hosts: {}\n")]),
        &Wanted::default(),
        "name one with `--env`: `dev`, `prod`",
    );
    says(&small(&[("inventories/dev/environment.yml", "")]), &Wanted::default(), "the project has no environment");
    says(&small(&[("playbooks/site.yml", "# nothing\n")]), &Wanted::default(), "`playbooks/site.yml` is empty");
    says(
        &small(&[("playbooks/site.yml", "- { name: a, hosts: all, roles: [app] }\n---\n- x\n")]),
        &Wanted::default(),
        "a second document",
    );
    says(
        &small(&[("roles/app/defaults/main.yml", "a: 1\n")]),
        &Wanted::default(),
        "declare each of its names in `inputs.yml`",
    );
    says(
        &small(&[("inventories/dev/values/a.age", "x")]),
        &Wanted::default(),
        "cannot be decrypted: it does not begin as an age file",
    );
}

#[test]
fn validate_looks_at_every_environment() {
    let files = small(&[
        ("inventories/prod/environment.yml", "hosts: { p: { adress: x } }\n"),
        ("inventories/test/environment.yml", "{ hosts: { t: {} }, vars: { unused: 1 } }\n"),
        ("playbooks/other.yml", "- { nmae: x, hosts: all, roles: [app] }\n"),
    ]);
    let checked = validate(&files, &Wanted::default(), &catalogue());
    let names: Vec<_> = checked.programs.iter().map(|program| program.environment.name.as_str()).collect();
    assert_eq!(names, ["dev", "prod", "test"]);
    let said: Vec<_> = checked.problems.iter().map(|problem| problem.summary.as_str()).collect();
    assert_eq!(
        said,
        [
            "unknown key `nmae` in a play",
            "unknown key `adress` in a host",
            "nothing in the project reads the var `unused`",
        ]
    );
    // A plan for `dev` is not held up by what is wrong in another environment or playbook.
    good(&files, &Wanted { environment: Some("dev".to_owned()), ..Wanted::default() });
}

#[test]
fn validate_without_an_environment_looks_at_the_text() {
    let files = small(&[
        ("inventories/dev/environment.yml", ""),
        ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ x' }, notfy: y }\n"),
    ]);
    let checked = validate(&files, &Wanted::default(), &catalogue());
    assert!(checked.programs.is_empty());
    let said: Vec<_> = checked.problems.iter().map(|problem| problem.summary.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
}
