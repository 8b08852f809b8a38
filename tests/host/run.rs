//! Commands: their output, their limits, and that nothing secret stands in the arguments of any process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

fn run(command: Command) -> Step {
    Step::Run { command, changes: Vec::new() }
}

fn output(status: i32, stdout: &str, stderr: &str) -> Output {
    Output { status, stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn a_command_has_its_words_folder_variables_and_input() {
    block_on(async {
        let link = link().await;
        let words = ["printf", "%s|", "a b", "$(id)", "", "it's", "-n", "\n"];
        let command = Command::words(words.map(str::to_owned).to_vec());
        let expected = output(0, "a b|$(id)||it's|-n|\n|", "");
        assert_eq!(perform(&link, run(command.clone())).await, Ok(Some(expected.clone())));
        assert_eq!(ask(&link, Question::Run(command)).await, Ok(Answer::Output(expected)));
        let command = Command {
            line: CommandLine::Shell("pwd; echo \"$A|$PATH_X|$S\"; cat; echo err >&2; exit 4".into()),
            chdir: Some("/usr/bin/..".into()),
            environment: vec![
                ("A".into(), "it's\n\"a\"".into()),
                ("PATH_X".into(), String::new()),
                ("S".into(), "$x".into()),
            ],
            stdin: Some(b"in\0put".to_vec()),
            timeout: Some(60),
        };
        let expected =
            Output { status: 4, stdout: b"/usr\nit's\n\"a\"||$x\nin\0put".to_vec(), stderr: b"err\n".to_vec() };
        assert_eq!(perform(&link, run(command.clone())).await, Ok(Some(expected.clone())));
        assert_eq!(ask(&link, Question::Run(command)).await, Ok(Answer::Output(expected)));
        // Without input there is none, and it does not wait for any.
        assert_eq!(perform(&link, run(Command::shell("cat"))).await, Ok(Some(output(0, "", ""))));
    });
}

#[test]
fn questions_that_run_commands_are_one_request_too() {
    block_on(async {
        let link = link().await;
        let with_input =
            |line: &str, input: &str| Question::Run(Command { stdin: Some(input.into()), ..Command::shell(line) });
        let content = Content::open(*b"a: 1\n");
        let questions = [
            with_input("cat", "one\n"),
            Question::Stat("/".into()),
            // Does not read its input: the next one must not get it.
            with_input("exit 5", &"x".repeat(100_000)),
            Question::Run(Command {
                chdir: Some("/no/such".into()),
                stdin: Some(b"lost".to_vec()),
                ..Command::shell("cat")
            }),
            with_input("cat >&2", "two"),
            Question::Run(Command { timeout: Some(1), ..Command::shell("echo x; sleep 300") }),
            Question::Run(Command { environment: vec![("a-b".into(), String::new())], ..Command::shell("true") }),
            Question::Run(lions::targets::host::validating("test -f '%s'; cat \"%s\"", &content)),
            Question::Run(Command::shell("(sleep 0.5; echo LATE) & echo now")),
        ];
        let answers = link.ask(&questions).await.unwrap();
        assert_eq!(link.requests(), 1);
        assert_eq!(answers[0], Ok(Answer::Output(output(0, "one\n", ""))));
        assert!(matches!(&answers[1], Ok(Answer::Stat(Some(_)))));
        assert_eq!(answers[2], Ok(Answer::Output(output(5, "", ""))));
        let fault = answers[3].clone().unwrap_err();
        assert!(fault.what.contains("`/no/such`") && fault.cause.unwrap().contains("/no/such"));
        assert_eq!(answers[4], Ok(Answer::Output(output(0, "", "two"))));
        assert_eq!(answers[5].clone().unwrap_err().kind, FaultKind::TimedOut);
        assert_eq!(answers[6].clone().unwrap_err().kind, FaultKind::Refused);
        assert_eq!(answers[7], Ok(Answer::Output(output(0, "a: 1\n", ""))));
        assert_eq!(answers[8], Ok(Answer::Output(output(0, "now\n", ""))));
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(matches!(ask(&link, Question::Stat("/".into())).await, Ok(Answer::Stat(Some(_)))));
    });
}

#[test]
fn what_is_validated_in_a_plan_is_not_left_behind() {
    block_on(async {
        let link = link().await;
        let (folder, _) = place("x");
        let secret = Content::sealed(*b"hunter2", "***");
        for (line, timeout) in
            [("grep -q hunter2 %s", None), ("sleep 300; cat %s", Some(1)), ("sh -c 'kill $PPID' %s", None)]
        {
            let temporary = ("TMPDIR".to_owned(), folder.path().to_str().unwrap().to_owned());
            let validating = lions::targets::host::validating(line, &secret);
            let seen = ask(&link, Question::Run(Command { environment: vec![temporary], timeout, ..validating })).await;
            match (timeout, seen) {
                (None, Ok(Answer::Output(said))) => {
                    assert_eq!(said.status, if line.contains("kill") { 143 } else { 0 });
                }
                (Some(_), Err(fault)) => assert_eq!(fault.kind, FaultKind::TimedOut),
                (_, other) => panic!("{line}: {other:?}"),
            }
            assert_eq!(names(folder.path()), Vec::<String>::new(), "{line}");
        }
    });
}

#[test]
fn lines_come_one_by_one() {
    block_on(async {
        let link = link().await;
        let lines = Mutex::new(Vec::new());
        let step = run(Command::shell("printf 'a\\nb'; sleep 0.3; printf 'c\\r\\n\\nd'; echo e >&2"));
        let said = link
            .perform(&step, &|stream, line: &str| lines.lock().unwrap().push((stream, line.to_owned())))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(said, output(0, "a\nbc\r\n\nd", "e\n"));
        let lines = lines.into_inner().unwrap();
        let of = |stream| lines.iter().filter(|line| line.0 == stream).map(|line| line.1.as_str()).collect::<Vec<_>>();
        assert_eq!(of(Stream::Out), ["a", "bc", "", "d"]);
        assert_eq!(of(Stream::Err), ["e"]);
    });
}

#[test]
fn a_command_ends_at_its_timeout_and_with_its_caller() {
    block_on(async {
        let link = link().await;
        let start = Instant::now();
        let step = run(Command { timeout: Some(1), ..Command::shell("sleep 300 & sleep 300") });
        assert_eq!(perform(&link, step).await.unwrap_err().kind, FaultKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(15));

        let (_folder, path) = place("pid");
        let text = format!("echo $$ >{}; sleep 300", lions::transport::quote(&path).unwrap());
        let step = run(Command::shell(text));
        let begun = async {
            while fs::read_to_string(&path).unwrap_or_default().trim().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            done = link.perform(&step, &|_, _| ()) => panic!("{done:?}"),
            () = begun => {}
        }
        let number = fs::read_to_string(&path).unwrap().trim().to_owned();
        assert_eq!(perform(&link, run(Command::shell("echo next"))).await, Ok(Some(output(0, "next\n", ""))));
        assert!(!Path::new("/proc").join(number).exists());
    });
}

#[test]
fn what_cannot_be_run_is_said_before_it_is_run() {
    block_on(async {
        let link = link().await;
        let step = run(Command { chdir: Some("/no/such".into()), ..Command::shell("echo never") });
        let fault = perform(&link, step).await.unwrap_err();
        assert!(fault.what.contains("cannot run in `/no/such`"), "{fault}");
        for command in [
            Command::words(Vec::new()),
            Command::shell("nul\0"),
            Command { chdir: Some("relative".into()), ..Command::shell("true") },
            Command { environment: vec![("A=B;id".into(), String::new())], ..Command::shell("true") },
            Command { environment: vec![("1".into(), String::new())], ..Command::shell("true") },
        ] {
            assert_eq!(perform(&link, run(command)).await.unwrap_err().kind, FaultKind::Refused);
        }
        let missing = perform(&link, run(Command::words(vec!["/no/such/program".into()]))).await.unwrap().unwrap();
        assert_eq!(missing.status, 127);
    });
}

#[test]
fn too_much_output_is_a_fault_that_says_it_was_run() {
    block_on(async {
        let link = link().await;
        let command = Command::shell("head -c 20000000 /dev/zero; exit 6");
        let fault = perform(&link, run(command.clone())).await.unwrap_err();
        assert!(fault.what.contains("more than 16 MiB"), "{fault}");
        assert!(fault.cause.unwrap().contains("status 6"));
        let fault = ask(&link, Question::Run(command)).await.unwrap_err();
        assert!(fault.what.contains("more than 16 MiB"), "{fault}");
        assert_eq!(perform(&link, run(Command::shell("echo next"))).await, Ok(Some(output(0, "next\n", ""))));
    });
}

#[test]
fn commands_run_in_the_locale_of_the_login() {
    block_on(async {
        for (given, seen) in [(Some("C.UTF-8"), "C.UTF-8"), (None, "unset")] {
            let worker = lions::transport::local::start_in("sh", None, |process| {
                match given {
                    Some(locale) => process.env("LC_ALL", locale),
                    None => process.env_remove("LC_ALL"),
                };
            });
            let link = ShellLink::new(worker.await.unwrap());
            let said = perform(&link, run(Command::shell("echo ${LC_ALL-unset}"))).await.unwrap().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), seen);
        }
    });
}

/// Looks at the arguments of all processes until told to stop; says whether `secret` and `open` were among them.
fn sample(
    enough: Arc<AtomicBool>,
    secret: &'static str,
    open: &'static str,
) -> std::thread::JoinHandle<(Vec<String>, bool)> {
    std::thread::spawn(move || {
        let (mut found, mut works) = (Vec::new(), false);
        while !enough.load(Ordering::Relaxed) {
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { continue };
                let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
                works |= arguments.contains(open);
                if arguments.contains(secret) {
                    found.push(arguments);
                }
            }
        }
        (found, works)
    })
}

#[test]
fn nothing_secret_stands_in_arguments() {
    const SECRET: &str = "canary-7d1f0c3e-secret";
    const OPEN: &str = "canary-7d1f0c3e-open";
    block_on(async {
        let link = link().await;
        let (_folder, path) = place("x");
        let enough = Arc::new(AtomicBool::new(false));
        let sampler = sample(Arc::clone(&enough), SECRET, OPEN);
        let secret = Content::sealed(SECRET.as_bytes(), "***");
        let mut expect = Expect::Absent;
        for _ in 0..30 {
            let step = Step::Write {
                path: path.clone(),
                content: secret.clone(),
                attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
                expect: std::mem::replace(&mut expect, Expect::File(secret.digest())),
                validate: Some("sleep 0.01; cat %s".into()),
            };
            assert_eq!(perform(&link, step).await, Ok(None));
            let command = Command {
                environment: vec![("SECRET".into(), SECRET.into())],
                stdin: Some(SECRET.into()),
                ..Command::shell(format!("sleep 0.01; echo \"$SECRET {OPEN}\"; cat"))
            };
            let said = output(0, &format!("{SECRET} {OPEN}\n{SECRET}"), "");
            assert_eq!(perform(&link, run(command.clone())).await, Ok(Some(said.clone())));
            assert_eq!(ask(&link, Question::Run(command)).await, Ok(Answer::Output(said)));
            let content = ask(&link, Question::Content(path.clone())).await.unwrap();
            assert_eq!(content, Answer::Content(Some(Content::open(SECRET.as_bytes()))));
            ask(&link, Question::Run(lions::targets::host::validating("cat %s", &secret))).await.unwrap();
        }
        enough.store(true, Ordering::Relaxed);
        let (found, works) = sampler.join().unwrap();
        assert!(works, "the sampler sees no arguments at all");
        assert_eq!(found, Vec::<String>::new());
    });
}
