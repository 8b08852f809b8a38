//! Random tasks: apply refines the plan, the shadow foresees what is there afterwards, edits rest.

use lions::model::{After, Content, Halt, Verdict};
use lions::resources::{Planned, Step, decode};
use lions::targets::host::memory::MemoryHost;
use lions::targets::host::probe::HostPlace;
use lions::targets::host::{self, Answer, Privilege, Question};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::case::{foreseen, fresh, imitate, perform, place, plan, refines};

fn task(name: &str, params: Json) -> Box<dyn Planned> {
    decode(name, &lions::model::Value::from(params)).unwrap_or_else(|misfit| panic!("{name}: {misfit}"))
}

fn any_path() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "/srv",
        "/srv/a",
        "/srv/a/x",
        "/srv/a/y",
        "/srv/b",
        "/srv/b/x",
        "/srv/l",
        "/srv/l/x",
        "/srv/l/z/z",
    ])
}

fn any_mode() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["0600", "0644", "0755"])
}

fn any_text() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["one", "two\n", "one\ntwo\n", ""])
}

fn any_task() -> impl Strategy<Value = (&'static str, Json)> {
    let line = proptest::sample::select(vec!["one", "two", "three"]);
    let target = proptest::sample::select(vec!["a", "/srv/b", "../srv/a", "b/x", "nowhere", "l"]);
    prop_oneof![
        (any_path(), any_text(), any_mode())
            .prop_map(|(p, t, m)| ("copy", json!({"dest": p, "content": t, "mode": m}))),
        (any_path(), any_text()).prop_map(|(p, t)| ("copy", json!({"dest": p, "content": t, "owner": "app"}))),
        (any_path(), any_mode()).prop_map(|(p, m)| ("directory", json!({"path": p, "mode": m}))),
        any_path().prop_map(|p| ("directory", json!({"path": p, "owner": "app", "recurse": true}))),
        (any_path(), target).prop_map(|(p, t)| ("link", json!({"dest": p, "src": t, "force": true}))),
        (any_path(), any_path())
            .prop_map(|(p, t)| ("link", json!({"dest": p, "src": t, "state": "hard", "force": true}))),
        any_path().prop_filter("kept", |p| *p != "/srv").prop_map(|p| ("file", json!({"path": p, "state": "absent"}))),
        (any_path(), any_mode()).prop_map(|(p, m)| ("file", json!({"path": p, "mode": m}))),
        any_path().prop_map(|p| ("file", json!({"path": p, "state": "touch"}))),
        (any_path(), line).prop_map(|(p, l)| ("line", json!({"path": p, "line": l, "create": true}))),
        any_path().prop_map(|p| ("block", json!({"path": p, "block": "in it"}))),
        any_path().prop_map(|p| ("command", json!({"argv": ["touch", p], "creates": p}))),
    ]
}

/// A host on which those tasks were done.
async fn after(above: &[(&'static str, Json)]) -> MemoryHost {
    let host = MemoryHost::new();
    let place = place(&host);
    for (name, params) in above {
        if let Ok(verdict) = fresh(&place, &*task(name, params.clone())).await {
            perform(&host, &verdict).await.ok();
        }
    }
    host
}

async fn holds(above: &[(&'static str, Json)], tasks: &[(&'static str, Json)]) -> Result<(), String> {
    let host = after(above).await;
    let untouched = host.snapshot();
    let place = place(&host);
    let mut plans = Vec::new();
    for (name, params) in tasks {
        let task = task(name, params.clone());
        let verdict = plan(&place, &*task).await;
        match &verdict {
            Ok(verdict) => imitate(&place, verdict, "it"),
            Err(Halt::Later(_)) => place.leave_open(&task.things(), &After::new("it")),
            Err(Halt::Fault(_)) => {}
        }
        plans.push((task, verdict));
    }
    if host.snapshot() != untouched {
        return Err("plan wrote something".to_owned());
    }
    // Done on a twin: what the shadow still asks is answered as it was in the plan.
    let twin = after(above).await;
    let there = self::place(&twin);
    let mut open = false;
    for (task, planned) in plans {
        let about = |why: String| format!("{task:?}: {why}");
        match planned {
            Err(Halt::Fault(_)) => {}
            Err(Halt::Later(_)) => {
                open = true;
                if let Ok(verdict) = fresh(&there, &*task).await {
                    // It may touch its things only; whether it can is not what is tested.
                    perform(&twin, &verdict).await.ok();
                }
            }
            Ok(planned) => {
                let applied = fresh(&there, &*task).await.map_err(|halt| about(format!("at apply: {halt:?}")))?;
                match (&planned, &applied) {
                    (Verdict::Right { .. }, Verdict::Right { .. }) => {}
                    (Verdict::Change(planned), Verdict::Change(applied)) => {
                        refines(&planned.fields, &applied.fields).map_err(about)?;
                    }
                    (planned, applied) => return Err(about(format!("planned {planned:?}\n  applied {applied:?}"))),
                }
                perform(&twin, &applied).await.map_err(about)?;
            }
        }
    }
    foreseen(&place, &twin, open).await?;
    if open { Ok(()) } else { linked(&place, &twin).await }
}

/// The shadow says of any two files whether they are one.
async fn linked(place: &HostPlace, host: &MemoryHost) -> Result<(), String> {
    let link = host.link(&Privilege::Login);
    let paths: Vec<String> = host.snapshot().into_keys().filter(|path| path.starts_with("/srv/")).collect();
    let questions: Vec<Question> = paths.iter().cloned().map(Question::Stat).collect();
    let mut nodes = Vec::new();
    for (path, answer) in paths.iter().zip(link.ask(&questions).await.unwrap()) {
        let Ok(Answer::Stat(Some(stat))) = answer else { return Err(format!("nothing at {path}")) };
        nodes.push(stat.node);
    }
    let probe = place.probe(&Privilege::Login);
    for (at, one) in paths.iter().enumerate() {
        for (other, node) in paths.iter().zip(&nodes).skip(at + 1) {
            let foreseen = match place.drive([probe.same_file(one, other)]).await.pop().unwrap() {
                Ok(foreseen) => foreseen,
                Err(Halt::Later(_)) => continue,
                Err(Halt::Fault(fault)) => return Err(fault.to_string()),
            };
            let same = node.is_some() && *node == nodes[at];
            if same != foreseen {
                return Err(format!("{one} and {other} are one file: {same}, foreseen: {foreseen}"));
            }
        }
    }
    Ok(())
}

/// What random tasks found once.
#[test]
fn found_once() {
    let touch = |path: &str| ("file", json!({"path": path, "state": "touch"}));
    let hard = |path: &str, of: &str| ("link", json!({"dest": path, "src": of, "state": "hard", "force": true}));
    let app = |path: &str| ("file", json!({"path": path, "owner": "app"}));
    let mode = |path: &str, mode: &str| ("file", json!({"path": path, "mode": mode}));
    let linked = [("directory", json!({"path": "/srv"})), touch("/srv/a"), hard("/srv/b", "/srv/a")];
    let all = ("directory", json!({"path": "/srv/c", "owner": "app", "recurse": true}));
    for tasks in [
        // The file of the place has two names.
        vec![app("/srv/b"), app("/srv/a")],
        vec![app("/srv/b"), mode("/srv/a", "0600"), mode("/srv/b", "0644")],
        // A third comes, and the first goes.
        vec![
            hard("/srv/l", "/srv/b"),
            app("/srv/l"),
            ("file", json!({"path": "/srv/b", "state": "absent"})),
            mode("/srv/l", "0600"),
        ],
        // One becomes a file of its own.
        vec![("copy", json!({"dest": "/srv/a", "content": "one"})), app("/srv/b")],
        vec![app("/srv/a"), ("copy", json!({"dest": "/srv/b", "content": "one"})), mode("/srv/b", "0600")],
    ] {
        assert_eq!(block_on(holds(&linked, &tasks)), Ok(()), "{tasks:?}");
    }
    // It is seen below a folder, where nobody asked for it by its name.
    let folder = [&linked[..], &[("directory", json!({"path": "/srv/c"})), hard("/srv/c/x", "/srv/a")]].concat();
    assert_eq!(block_on(holds(&folder, &[all.clone(), app("/srv/a")])), Ok(()));
    assert_eq!(block_on(holds(&folder, &[app("/srv/a"), all])), Ok(()));
    // The same file does not make it a link.
    let twins = [("directory", json!({"path": "/srv"})), touch("/srv/a"), touch("/srv/b")];
    assert_eq!(block_on(holds(&twins, &[hard("/srv/b", "/srv/a"), app("/srv/b"), app("/srv/a")])), Ok(()));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The content that `task` would leave in a file that holds `content`.
fn edited(task: &dyn Planned, content: &str) -> Option<Content> {
    let host = MemoryHost::new().file("/etc/f", content);
    let place = place(&host);
    match block_on(fresh(&place, task)) {
        Ok(Verdict::Right { .. }) => Some(Content::open(content.as_bytes())),
        Ok(Verdict::Change(change)) => match change.steps.as_slice() {
            [Step::Host(host::Step::Write { content, .. })] => Some(content.clone()),
            other => panic!("{other:?}"),
        },
        Err(Halt::Fault(_)) => None,
        Err(later) => panic!("{later:?}"),
    }
}

proptest! {
    #![proptest_config(crate::rounds::rounds(400))]

    #[test]
    fn apply_refines_the_plan(
        above in proptest::collection::vec(any_task(), 0..6),
        tasks in proptest::collection::vec(any_task(), 1..9),
    ) {
        prop_assert_eq!(block_on(holds(&above, &tasks)), Ok(()));
    }

    #[test]
    fn line_rests_and_leaves_other_lines_alone(
        text in "([ab#=]{0,3}\\r?\\n){0,5}[ab#=]{0,2}",
        line in "[ab#=]{1,3}",
        regexp in proptest::option::of("\\^?#?[ab]"),
        anchor in proptest::option::of(prop_oneof![Just("EOF"), Just("^a"), Just("b$")]),
    ) {
        let mut params = json!({"path": "/etc/f", "line": line});
        if let Some(regexp) = &regexp {
            params["regexp"] = json!(regexp);
        }
        if let Some(anchor) = anchor {
            params["insertafter"] = json!(anchor);
        }
        let task = task("line", params);
        let once_content = edited(&*task, &text).unwrap();
        let once = std::str::from_utf8(once_content.bytes()).unwrap();
        let twice = edited(&*task, once).unwrap();
        prop_assert_eq!(twice.bytes(), once.as_bytes(), "a second time changes it");
        prop_assert!(once.lines().any(|there| there == line));
        // Taking the one new line out of the new text, and the one replaced out of the old, leaves the same.
        let (old, new): (Vec<&str>, Vec<&str>) = (text.lines().collect(), once.lines().collect());
        let same = old == new
            || (0..new.len()).any(|at| {
                let mut rest = new.clone();
                let gone = rest.remove(at);
                gone == line && (rest == old || (old.len() == new.len() && {
                    let mut others = old.clone();
                    others.remove(at);
                    others == rest
                }))
            });
        prop_assert!(same, "{:?} became {:?}", text, once);
    }

    #[test]
    fn block_rests_and_goes_without_a_trace(
        text in "([ab#]{0,3}\\r?\\n){0,5}",
        block in "[ab]{1,3}(\\n[ab]{0,3}){0,2}",
        first in prop_oneof![Just(json!({})), Just(json!({"insertbefore": "BOF"})), Just(json!({"insertafter": "^a"}))],
    ) {
        let mut params = json!({"path": "/etc/f", "block": block});
        params.as_object_mut().unwrap().extend(first.as_object().unwrap().clone());
        let wish = task("block", params);
        let once_content = edited(&*wish, &text).unwrap();
        let once = std::str::from_utf8(once_content.bytes()).unwrap();
        let twice = edited(&*wish, once).unwrap();
        prop_assert_eq!(twice.bytes(), once.as_bytes(), "a second time changes it");
        let gone = edited(&*task("block", json!({"path": "/etc/f", "state": "absent"})), once).unwrap();
        prop_assert_eq!(std::str::from_utf8(gone.bytes()).unwrap(), text);
    }
}
