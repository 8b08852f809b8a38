//! The lock of a host, between real shells.

use lions::model::FaultKind;
use lions::targets::host::link::ShellLink;
use lions::targets::host::{Claim, Link as _};
use lions::transport::local;

use super::block_on;
use crate::transport::left_out;

/// A user of its own, so that runs of root on this machine are not in the way.
const USER: u32 = 64_321;

async fn link() -> ShellLink {
    ShellLink::new(
        local::start_in("sh", None, |process| {
            process.uid(USER).gid(USER).current_dir("/");
        })
        .await
        .unwrap(),
    )
}

fn claim(run: &str) -> Claim {
    Claim { run: run.to_owned(), who: format!("{run}@desk 'since' $(noon)\nsecond line") }
}

#[test]
fn one_shell_has_it_until_it_gives_it_back_or_dies() {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return left_out("the lock of a host (needs root to be another user)");
    }
    let folder = format!("/tmp/lions-{USER}");
    let _ = std::fs::remove_dir_all(&folder);
    block_on(async {
        let (one, two) = (link().await, link().await);
        one.hold(&claim("ada"), &[]).await.unwrap();
        // Also by those who lost their connection and come again.
        one.hold(&claim("ada"), &[]).await.unwrap();
        let fault = two.hold(&claim("ben"), &[]).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Locked);
        let cause = fault.cause.unwrap();
        assert!(cause.starts_with("ada@desk 'since' $(noon) second line, last heard of "), "{cause}");
        // Another's lock cannot be given back.
        two.release(&claim("ben")).await.unwrap();
        assert_eq!(two.hold(&claim("ben"), &[]).await.unwrap_err().kind, FaultKind::Locked);
        one.release(&claim("ada")).await.unwrap();
        two.hold(&claim("ben"), &[]).await.unwrap();
        // It dies without a word.
        drop(two);
        for _ in 0..50 {
            match one.hold(&claim("ada"), &[]).await {
                Ok(()) => break,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
        one.hold(&claim("ada"), &[]).await.unwrap();
        // One that is silent for too long, and runs nothing, is ended: it must not wake up and write.
        let three = link().await;
        let lock = std::path::Path::new(&folder).join("lock");
        let text = std::fs::read_to_string(&lock).unwrap();
        let (head, beat) = text.trim_end().rsplit_once(' ').unwrap();
        let beat: u64 = beat.parse().unwrap();
        std::fs::write(&lock, format!("{head} {}\n", beat.saturating_sub(80))).unwrap();
        assert_eq!(three.hold(&claim("cyd"), &[]).await.unwrap_err().kind, FaultKind::Locked);
        std::fs::write(&lock, format!("{head} {}\n", beat.saturating_sub(100))).unwrap();
        three.hold(&claim("cyd"), &[]).await.unwrap();
        assert!(one.ask(&[lions::targets::host::Question::Identity]).await.is_err(), "the silent one was ended");
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_of_somebody_else_is_no_place_for_a_lock() {
    const OTHER: u32 = USER + 1;
    if !rustix::process::geteuid().is_root() {
        return left_out("the lock of a host (needs root to be another user)");
    }
    let folder = format!("/tmp/lions-{OTHER}");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    block_on(async {
        let link = ShellLink::new(
            local::start_in("sh", None, |process| {
                process.uid(OTHER).gid(OTHER).current_dir("/");
            })
            .await
            .unwrap(),
        );
        let fault = link.hold(&claim("ada"), &[]).await.unwrap_err();
        assert_eq!(fault.cause.as_deref(), Some(&*format!("{folder} is not a folder of ours")));
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
