//! Files of the kernel: read by their own name, values written in place.

use super::*;

fn tune(path: &str, value: &str, was: &str) -> Step {
    Step::Tune { path: path.into(), value: value.into(), expect: Expect::File(Digest::of(was.as_bytes())) }
}

fn act(line: &str) -> Step {
    Step::Act { command: Command::shell(line), leaves: Leaves::default() }
}

#[test]
fn a_value_is_written_in_place_if_it_is_what_was_seen() {
    block_on(async {
        let (_folder, path) = place("value");
        fs::write(&path, "1\t2\n").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let link = link().await;
        assert!(perform(&link, tune(&path, "3 $(id) ' \"", "1\t2\n")).await.unwrap().is_none());
        assert_eq!(fs::read_to_string(&path).unwrap(), "3 $(id) ' \"\n");
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        let fault = perform(&link, tune(&path, "4", "1\t2\n")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Stale);
        assert_eq!(fs::read_to_string(&path).unwrap(), "3 $(id) ' \"\n");
        let fault = perform(&link, tune(&format!("{path}-no"), "4", "")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Stale);
        assert!(!fs::exists(format!("{path}-no")).unwrap());
    });
}

#[test]
fn what_the_kernel_does_not_take_is_a_fault() {
    block_on(async {
        let path = "/proc/sys/kernel/ostype";
        let was = fs::read_to_string(path).unwrap();
        let fault = perform(&link().await, tune(path, "Plan9", &was)).await.unwrap_err();
        assert_eq!(fault.what, format!("the kernel does not take this value for `{path}`"));
        assert_eq!(fs::read_to_string(path).unwrap(), was);
    });
}

#[test]
fn what_is_there_is_read_although_it_has_no_size() {
    block_on(async {
        let link = link().await;
        for path in ["/proc/self/mounts", "/proc/swaps", "/proc/sys/kernel/hostname"] {
            match ask(&link, Question::Content(path.into())).await.unwrap() {
                Answer::Content(Some(content)) => assert!(!content.bytes().is_empty(), "{path}"),
                other => panic!("{path}: {other:?}"),
            }
        }
        let gone = ask(&link, Question::Content("/proc/sys/vm/no_such_key".into())).await;
        assert_eq!(gone.unwrap(), Answer::Content(None));
    });
}

#[test]
fn a_command_of_lions_must_succeed() {
    block_on(async {
        let link = link().await;
        assert!(perform(&link, act("echo said")).await.unwrap().is_none());
        let fault = perform(&link, act("echo no such thing >&2; exit 3")).await.unwrap_err();
        assert!(fault.what.ends_with("failed (status 3)"), "{fault}");
        assert_eq!(fault.cause.as_deref(), Some("no such thing"));
    });
}
