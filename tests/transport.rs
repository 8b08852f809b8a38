//! The shell worker, in every shell that is there.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lions::model::{FaultKind, Stream};
use lions::transport::{Request, Worker, local, quote};
use proptest::prelude::*;

mod elevation;
mod ends;

/// The shells to try. A missing one is a failure: `make test` installs them.
const SHELLS: [&str; 5] = ["dash", "bash", "bash --posix", "busybox sh", "mksh"];

/// Says what this machine does not permit to try, past what hides the output of a test that passes.
pub(crate) fn left_out(what: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("LEFT OUT: {what}\n").as_bytes()).unwrap();
}

/// Runs `test` once in every shell.
fn in_every_shell<F: Future<Output = ()>>(test: impl Fn(Worker, &'static str) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for shell in SHELLS {
        let program = shell.split(' ').next().unwrap();
        let there = std::process::Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        assert!(there.status.success(), "`{program}` is not installed: `make test` installs it");
        runtime.block_on(async {
            let worker = local::start_in(shell, None, |_| ()).await.unwrap();
            let done = tokio::time::timeout(Duration::from_mins(1), test(worker, shell)).await;
            assert!(done.is_ok(), "{shell}: hangs");
        });
    }
}

async fn stdout(worker: &Worker, request: Request) -> String {
    let reply = worker.call(request).await.unwrap();
    assert_eq!((reply.status, &*String::from_utf8_lossy(&reply.stderr)), (0, ""));
    String::from_utf8(reply.stdout).unwrap()
}

#[test]
fn answers_are_exact() {
    in_every_shell(|worker, shell| async move {
        let hostile = "it's \"here\"\n$(touch /tmp/never) `id` \\ \t\r *?[a] ~ !x é -n";
        let body = format!("printf %s {}; printf 'no\\nend' >&2; exit 7", quote(hostile).unwrap());
        let reply = worker.call(Request::look(body)).await.unwrap();
        assert_eq!(String::from_utf8(reply.stdout).unwrap(), hostile, "{shell}");
        assert_eq!((reply.status, reply.stderr.as_slice()), (7, b"no\nend".as_slice()), "{shell}");

        let reply = worker.call(Request::look("printf '\\000\\377\\n\\n\\000'")).await.unwrap();
        assert_eq!(reply.stdout, b"\0\xff\n\n\0", "{shell}");

        assert_eq!(stdout(&worker, Request::look("")).await, "", "{shell}");
        assert_eq!(worker.requests(), 3, "{shell}");
    });
}

#[test]
fn much_goes_both_ways() {
    in_every_shell(|worker, shell| async move {
        let long = "x'$\n".repeat(250_000);
        let body = format!("printf %s {} | wc -c", quote(&long).unwrap());
        // Not the words of a program: those may not be that long. A here-document would do as well.
        let body = if shell == "mksh" { format!("x={}; echo ${{#x}}", quote(&long).unwrap()) } else { body };
        assert_eq!(stdout(&worker, Request::look(body)).await.trim(), "1000000", "{shell}");

        let payload: Vec<u8> = (0..10_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let reply = worker.call(Request::change("cat").payload(payload.clone())).await.unwrap();
        assert!(reply.stdout == payload, "{shell}: the payload came back altered");

        let body =
            "dd if=/dev/zero bs=1000000 count=2 >&2 2>/dev/null & dd if=/dev/zero bs=1000000 count=2 2>/dev/null; wait";
        let reply = worker.call(Request::look(body)).await.unwrap();
        assert_eq!((reply.stdout.len(), reply.stderr.len()), (2_000_000, 2_000_000), "{shell}");
    });
}

#[test]
fn a_payload_that_is_not_read_does_no_harm() {
    in_every_shell(|worker, shell| async move {
        for request in [Request::change("exit 3"), Request::guarded("exit 3")] {
            let payload = b"echo never\n".repeat(200_000);
            let reply = worker.call(request.payload(payload)).await.unwrap();
            assert_eq!((reply.status, reply.stdout.as_slice()), (3, b"".as_slice()), "{shell}");
            assert_eq!(stdout(&worker, Request::look("echo next")).await, "next\n", "{shell}");
        }
        let part = Request::change("dd bs=5 count=1 2>/dev/null").payload(b"12345678".to_vec());
        assert_eq!(stdout(&worker, part).await, "12345", "{shell}");
        assert_eq!(stdout(&worker, Request::look("echo next")).await, "next\n", "{shell}");
    });
}

#[test]
fn looks_are_pipelined_and_changes_are_alone() {
    in_every_shell(|worker, shell| async move {
        let looks = futures::future::join_all((0..50).map(|at| stdout(&worker, Request::look(format!("echo {at}")))));
        for (at, said) in looks.await.into_iter().enumerate() {
            assert_eq!(said, format!("{at}\n"), "{shell}");
        }
        // A change that does not see the one before it finished would print another number.
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = quote(file.path().to_str().unwrap()).unwrap();
        let body = format!("n=$(wc -l <{path}); sleep 0.02; echo x >>{path}; echo $n");
        let changes = (0..5)
            .map(|at| stdout(&worker, if at % 2 == 0 { Request::change(&body) } else { Request::guarded(&body) }));
        let mut said = futures::future::join_all(changes).await;
        said.sort();
        assert_eq!(said.concat().split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3", "4"], "{shell}");
    });
}

#[test]
fn a_syntax_error_of_a_user_ends_nothing() {
    in_every_shell(|worker, shell| async move {
        let body = format!("guard '' sh -c {}", quote("then (").unwrap());
        let reply = worker.call(Request::guarded(body)).await.unwrap();
        assert_eq!(reply.status, 2, "{shell}");
        assert!(String::from_utf8(reply.stderr).unwrap().to_lowercase().contains("syntax error"), "{shell}");
        assert_eq!(stdout(&worker, Request::look("echo next")).await, "next\n", "{shell}");
    });
}

#[test]
fn commands_keep_their_status_words_input_and_variables() {
    in_every_shell(|worker, shell| async move {
        let body = "dress() { cd /tmp; S=mine; d=his; export S d; }\n\
                    guard '' sh -c 'cat; pwd; echo \"$S $d $1\"; echo err >&2; exit 9' sh \"a  b'c\"";
        let body = body.replace("b'c", "b c");
        let reply = worker.call(Request::guarded(body).payload(b"in\0put\n".to_vec())).await.unwrap();
        assert_eq!(reply.stdout, b"in\0put\n/tmp\nmine his a  b c\n", "{shell}");
        assert_eq!((reply.status, reply.stderr.as_slice()), (9, b"err\n".as_slice()), "{shell}");

        let reply = worker.call(Request::guarded("guard '' sh -c 'kill -SEGV $$'")).await.unwrap();
        // mksh says itself what the signal was; the others are kept from it.
        let said = if shell == "mksh" { "Segmentation fault \n" } else { "" };
        assert_eq!((reply.status, &*String::from_utf8_lossy(&reply.stderr)), (139, said), "{shell}");
        let reply = worker.call(Request::guarded("guard '' sh -c 'kill -INT $$; echo survived'")).await.unwrap();
        assert_eq!((reply.status, reply.stdout.as_slice()), (130, b"".as_slice()), "{shell}: ignores SIGINT");
        let reply = worker.call(Request::guarded("guard '' /no/such/program")).await.unwrap();
        assert_eq!(reply.status, 127, "{shell}");
        assert!(reply.began);
        let reply = worker.call(Request::guarded("echo never").setup("echo why >&2; exit 5")).await.unwrap();
        assert_eq!(
            (reply.status, reply.began, reply.stdout.len(), reply.stderr),
            (5, false, 0, b"why\n".to_vec()),
            "{shell}"
        );
    });
}

#[test]
fn output_comes_as_it_is_made() {
    in_every_shell(|worker, shell| async move {
        let start = Instant::now();
        let heard = Mutex::new(Vec::new());
        let request = Request::guarded("guard '' sh -c 'echo one; sleep 0.4; echo two >&2'").keep(2);
        let note = |stream: Stream, bytes: &[u8]| {
            heard.lock().unwrap().push((start.elapsed(), stream, bytes.to_vec()));
        };
        let reply = worker.stream(request, &note).await.unwrap();
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.len(), 2, "{shell}: {heard:?}");
        assert_eq!((heard[0].1, heard[0].2.as_slice()), (Stream::Out, b"one\n".as_slice()), "{shell}");
        assert_eq!((heard[1].1, heard[1].2.as_slice()), (Stream::Err, b"two\n".as_slice()), "{shell}");
        assert!(heard[1].0 > heard[0].0 + Duration::from_millis(300), "{shell}: {heard:?}");
        assert!(reply.dropped);
        assert_eq!((reply.stdout.as_slice(), reply.stderr.as_slice()), (b"on".as_slice(), b"tw".as_slice()));
    });
}

#[test]
fn a_child_that_is_left_behind_writes_into_no_later_answer() {
    in_every_shell(|worker, shell| async move {
        let body = "guard '' sh -c '(sleep 0.3; echo LATE; echo LATE >&2) & echo started'";
        assert_eq!(stdout(&worker, Request::guarded(body)).await, "started\n", "{shell}");
        let reply = worker.call(Request::look("sleep 0.6; echo next")).await.unwrap();
        assert_eq!(
            (reply.stdout.as_slice(), reply.stderr.as_slice()),
            (b"next\n".as_slice(), b"".as_slice()),
            "{shell}"
        );
    });
}

proptest! {
    #![proptest_config(crate::rounds::rounds(200))]
    #[test]
    fn any_text_is_one_word(text in any::<String>()) {
        match quote(&text) {
            Ok(word) => {
                let said = std::process::Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
                prop_assert_eq!(said.stdout, text.as_bytes());
                prop_assert!(said.status.success() && said.stderr.is_empty());
            }
            Err(_) => prop_assert!(text.contains('\0')),
        }
    }
}
