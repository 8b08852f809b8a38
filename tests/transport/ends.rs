//! How a request can end other than with its answer. Each has one outcome, and leaves no process.

use std::path::{Path, PathBuf};

use super::*;

/// A command that writes its number to `file` and stays, and a child of it that does not listen to SIGTERM and has a
/// process group of its own (`timeout` makes one).
fn stubborn(folder: &Path) -> String {
    let file = |name: &str| quote(folder.join(name).to_str().unwrap()).unwrap();
    let child = format!("trap '' TERM; echo $$ >{}; while :; do sleep 1; done", file("child"));
    let line =
        format!("timeout 300 sh -c {} & echo $$ >{}; echo begun; sleep 300", quote(&child).unwrap(), file("leader"));
    format!("guard '' sh -c {}", quote(&line).unwrap())
}

fn number(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn runs(number: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in 15 s: {what}");
}

async fn both_begun(folder: &Path) -> [i32; 2] {
    let files: [PathBuf; 2] = ["leader", "child"].map(|name| folder.join(name));
    until("the processes run", || files.iter().all(|file| number(file).is_some_and(runs))).await;
    files.map(|file| number(&file).unwrap())
}

#[test]
fn a_timeout_ends_the_command_and_its_children() {
    in_every_shell(|worker, shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let request = Request::guarded(stubborn(folder.path())).timeout(Duration::from_secs(1));
        let (reply, numbers) = tokio::join!(worker.call(request), both_begun(folder.path()));
        let fault = reply.unwrap_err();
        assert_eq!(fault.kind, FaultKind::TimedOut, "{shell}: {fault}");
        assert!(!numbers.into_iter().any(runs), "{shell}: something still runs");
        assert_eq!(stdout(&worker, Request::look("echo next")).await, "next\n", "{shell}");
    });
}

#[test]
fn a_timeout_within_a_batch_says_so_and_goes_on() {
    in_every_shell(|worker, shell| async move {
        let body = "guard 1 sh -c 'sleep 300'; echo \"$? $late\"; guard 5 sh -c 'exit 3'; echo \"$? $late.\"";
        let start = Instant::now();
        let reply = worker.call(Request::guarded(body)).await.unwrap();
        let said = String::from_utf8(reply.stdout).unwrap();
        assert!(said.ends_with(" 1\n3 .\n"), "{shell}: {said}");
        assert!(start.elapsed() < Duration::from_secs(4), "{shell}: waits for the timer");
    });
}

#[test]
fn who_goes_away_takes_his_command_with_him() {
    in_every_shell(|worker, shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let numbers = tokio::select! {
            reply = worker.call(Request::guarded(stubborn(folder.path()))) => panic!("{shell}: {reply:?}"),
            numbers = both_begun(folder.path()) => numbers,
        };
        // The next request waits until the cancelled one is over.
        assert_eq!(stdout(&worker, Request::look("echo next")).await, "next\n", "{shell}");
        assert!(!numbers.into_iter().any(runs), "{shell}: something still runs");
        assert_eq!(stdout(&worker, Request::guarded("guard '' echo after")).await, "after\n", "{shell}");
    });
}

#[test]
fn who_goes_away_too_late_ends_nothing_else() {
    in_every_shell(|worker, shell| async move {
        for at in 0..30 {
            let wait = Duration::from_micros(at * 700);
            let _ = tokio::time::timeout(wait, worker.call(Request::guarded("guard '' true"))).await;
            assert_eq!(stdout(&worker, Request::guarded("guard '' echo mine")).await, "mine\n", "{shell}, {at}");
            drop(tokio::time::timeout(wait, worker.call(Request::look("echo x"))).await);
            drop(tokio::time::timeout(wait, worker.call(Request::change("cat").payload(vec![b'x'; 100_000]))).await);
        }
    });
}

#[test]
fn a_worker_that_is_killed_is_lost_for_everyone() {
    in_every_shell(|worker, shell| async move {
        let start = Instant::now();
        let (killed, behind) =
            tokio::join!(worker.call(Request::look("kill -9 $$")), worker.call(Request::look("sleep 20; echo x")));
        for fault in [killed.unwrap_err(), behind.unwrap_err()] {
            assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Unreachable, "the shell was lost"), "{shell}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{shell}");
        let fault = worker.call(Request::look("echo x")).await.unwrap_err();
        assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Unreachable, "the shell was lost"), "{shell}");
    });
}

#[test]
fn a_change_that_the_shell_was_lost_with_may_have_been_made() {
    in_every_shell(|worker, shell| async move {
        let fault = worker.call(Request::look("true")).await.map(|_| ());
        assert_eq!(fault, Ok(()), "{shell}");
        let change = Request::change("cat >/dev/null; kill -9 $$").payload(vec![0; 1_000_000]);
        let fault = worker.call(change).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreachable, "{shell}");
        assert!(fault.what.contains("whether the change was made is not known"), "{shell}: {fault}");
    });
}

#[test]
fn a_look_that_hangs_costs_the_worker() {
    in_every_shell(|worker, shell| async move {
        let request = Request::look("sleep 30").timeout(Duration::from_millis(300));
        assert_eq!(worker.call(request).await.unwrap_err().kind, FaultKind::TimedOut, "{shell}");
        assert_eq!(worker.call(Request::look("echo x")).await.unwrap_err().kind, FaultKind::TimedOut, "{shell}");
    });
}

#[test]
fn a_worker_that_is_dropped_ends_what_it_ran() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let worker = local::start(None).await.unwrap();
        let shell: i32 = stdout(&worker, Request::look("echo $$")).await.trim().parse().unwrap();
        let numbers = tokio::select! {
            reply = worker.call(Request::guarded(stubborn(folder.path()))) => panic!("{reply:?}"),
            numbers = both_begun(folder.path()) => numbers,
        };
        drop(worker);
        until("all ended", || !numbers.into_iter().chain([shell]).any(runs)).await;
    });
}

/// Not a test by itself: the process that the next one kills.
#[test]
fn victim() {
    let Ok(folder) = std::env::var("LIONS_TEST_VICTIM") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let worker = local::start(None).await.unwrap();
        worker.call(Request::guarded(stubborn(Path::new(&folder)))).await.unwrap();
    });
}

#[test]
fn when_lions_is_killed_what_it_ran_ends_and_leaves_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "transport::ends::victim", "--nocapture"])
            .env("LIONS_TEST_VICTIM", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let numbers = both_begun(folder.path()).await;
        let leader_folder = std::fs::read_link(format!("/proc/{}/fd/1", numbers[0])).unwrap();
        victim.kill().unwrap();
        victim.wait().unwrap();
        until("all ended", || !numbers.into_iter().any(runs)).await;
        // Its output went to a pipe in the private folder of the request.
        let private = leader_folder.parent().unwrap().to_owned();
        assert!(private.file_name().unwrap().to_str().unwrap().starts_with(".lions."), "{private:?}");
        until("the private folder is gone", || !private.exists()).await;
    });
}

#[test]
fn nothing_is_left_in_temporary_folders() {
    in_every_shell(|worker, shell| async move {
        let request = Request::guarded("echo \"$d\"; guard '' cat").payload(b"x".to_vec());
        let said = stdout(&worker, request).await;
        let private = PathBuf::from(said.lines().next().unwrap());
        assert!(private.is_absolute(), "{shell}: {said}");
        stdout(&worker, Request::look("true")).await;
        assert!(!private.exists(), "{shell}: {private:?}");
        let reply = worker.call(Request::guarded("true").setup("echo \"$d\" >&2; exit 1")).await.unwrap();
        let private = PathBuf::from(String::from_utf8(reply.stderr).unwrap().trim());
        assert!(private.is_absolute() && !private.exists(), "{shell}: {private:?}");
    });
}

/// Who can list the processes of a host must not be able to make up answers in files that are looked at.
#[test]
fn the_nonce_stands_in_no_command_line() {
    in_every_shell(|worker, shell| async move {
        let body = "guard '' sh -c 'cat /proc/[0-9]*/cmdline /proc/self/environ 2>/dev/null | tr \"\\0\" \"\\n\"'";
        let said = stdout(&worker, Request::guarded(body)).await;
        assert!(said.contains("LC_ALL"), "{shell}: the loop is not among them: {said}");
        assert!(!said.contains(worker.nonce()), "{shell}");
    });
}

/// What a shell that was killed left behind goes with the next one.
#[test]
fn what_a_killed_shell_left_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let path = &quote(folder.path().to_str().unwrap()).unwrap();
    in_every_shell(|worker, shell| async move {
        let things =
            ": >\"$B.abcdef\"; : >.lions.00000000.1.abcdef; mkdir .lions.other.1.abcdef; ln -s /etc .lions.x.1.linked";
        let make = format!("cd {path} && {{ {things}; }}");
        assert_eq!(stdout(&worker, Request::change(make)).await, "");
        let sweep = format!("sweep {path}; ls -A {path}; echo \"$B.abcdef\"");
        let said = stdout(&worker, Request::change(sweep)).await;
        let (left, ours) = said.trim().split_once('\n').unwrap();
        assert_eq!(left, ours, "{shell}");
        assert_eq!(stdout(&worker, Request::change(format!("rm {path}/.lions*"))).await, "", "{shell}");
    });
}
