//! What the host answers about packages, groups and users.

use lions::targets::host::PackageState;

use super::*;

#[test]
fn packages_are_told_by_one_request() {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        left_out("packages (needs dpkg)");
        return;
    }
    block_on(async {
        let link = link().await;
        let names = ["bash", "no-such-package", "dpkg", "nope=1", "-x", "a"];
        let mut questions: Vec<Question> = names.iter().map(|name| Question::Package((*name).into())).collect();
        questions.extend(["bash", "no-such-package"].map(|name| Question::Candidate(name.into())));
        questions.push(Question::Lists);
        let answers = link.ask(&questions).await.unwrap();
        assert_eq!(link.requests(), 1);
        let Ok(Answer::Package(Some(bash))) = &answers[0] else { panic!("{:?}", answers[0]) };
        assert_eq!((bash.state, bash.held), (PackageState::Installed, false));
        assert!(bash.version.as_ref().is_some_and(|version| version.contains('.')), "{bash:?}");
        assert_eq!(answers[1], Ok(Answer::Package(None)));
        assert!(matches!(&answers[2], Ok(Answer::Package(Some(_)))));
        for refused in &answers[3..6] {
            assert_eq!(refused.as_ref().unwrap_err().kind, FaultKind::Refused, "{refused:?}");
        }
        let Ok(Answer::Candidate(candidate)) = &answers[6] else { panic!("{:?}", answers[6]) };
        assert!(candidate.versions.contains(bash.version.as_ref().unwrap()), "{candidate:?}");
        let Ok(Answer::Candidate(none)) = &answers[7] else { panic!("{:?}", answers[7]) };
        assert_eq!((&none.version, none.versions.len()), (&None, 0));
        assert!(matches!(&answers[8], Ok(Answer::Lists(_))));
    });
}

#[test]
fn what_cannot_go_alone_is_told() {
    if !Path::new("/usr/bin/apt-get").exists() {
        left_out("removals (needs apt)");
        return;
    }
    block_on(async {
        let link = link().await;
        let question = Question::Removal { names: vec!["libc-bin".into()], purge: true };
        // Essential: apt says what it would do all the same, and lions shows it.
        let Ok(Answer::Removal(removal)) = ask(&link, question).await else { panic!() };
        assert!(removal.gone.iter().any(|(name, version)| name == "libc-bin" && !version.is_empty()), "{removal:?}");
    });
}

#[test]
fn groups_and_passwords() {
    block_on(async {
        let link = link().await;
        let Ok(Answer::Groups(groups)) = ask(&link, Question::Groups).await else { panic!() };
        assert_eq!(groups["root"].gid, Some(0));
        if is_root() {
            let Ok(Answer::Password(Some(_))) = ask(&link, Question::Password("root".into())).await else { panic!() };
        } else {
            left_out("passwords (needs root)");
        }
        assert_eq!(ask(&link, Question::Password("nobody-at-all".into())).await, Ok(Answer::Password(None)));
    });
}

#[test]
fn names_that_no_unit_can_have_are_refused() {
    block_on(async {
        let link = link().await;
        for name in ["nginx", "a@.service", "@.service", ".service", "-a.service", "a b.service", "$(id).service"] {
            let fault = ask(&link, Question::Unit(name.into())).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused, "{name}: {fault}");
        }
    });
}
