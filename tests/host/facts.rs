//! Facts of this machine, held against what the machine says in other ways.

use lions::model::{Map, Value};
use lions::targets::host::facts::FACTS;

use super::*;

fn said(line: &str) -> String {
    let said = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn facts_are_those_of_this_machine() {
    block_on(async {
        let link = link().await;
        let Answer::Facts(facts) = ask(&link, Question::Facts).await.unwrap() else { panic!() };
        assert_eq!(link.requests(), 1);
        assert_eq!(facts.keys().collect::<Vec<_>>(), FACTS.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let text = |name: &str| facts[name].as_text().unwrap_or_default().to_owned();
        let number = |name: &str| match facts[name] {
            Value::Int(number) => number.to_string(),
            ref other => panic!("{name} is {other:?}"),
        };
        assert_eq!(text("system"), "Linux");
        assert_eq!(text("architecture"), said("uname -m"));
        assert_eq!(text("kernel"), said("uname -r"));
        assert_eq!(text("nodename"), said("uname -n"));
        assert_eq!(text("hostname"), said("uname -n | cut -d. -f1"));
        assert_eq!(text("distribution_release"), said(". /etc/os-release; echo $VERSION_CODENAME"));
        assert_eq!(text("user_id"), said("id -un"));
        assert_eq!(number("user_uid"), said("id -u"));
        assert_eq!(number("memtotal_mb"), said("awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo"));
        assert_eq!(number("swaptotal_mb"), said("awk '/^SwapTotal/ { print int($2 / 1024) }' /proc/meminfo"));
        assert_eq!(number("processor_vcpus"), said("getconf _NPROCESSORS_ONLN"));
        if !said("command -v apt-get").is_empty() {
            assert_eq!((&*text("pkg_mgr"), &*text("os_family")), ("apt", "Debian"));
        }
        let Value::List(mounts) = &facts["mounts"] else { panic!() };
        let at = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
        let root = said("awk '$2 == \"/\" && $1 ~ /^\\// { print $3 }' /proc/self/mounts | tail -1");
        if root.is_empty() {
            left_out("the root file system (it is on no device here)");
        } else {
            let entry = mounts.iter().find(|entry| at(entry, "mount") == "/").unwrap();
            assert_eq!(at(entry, "fstype"), root);
            let size: i64 = said("df -P -k / | awk 'END { print $2 }'").parse().unwrap();
            assert_eq!(entry.get("size_total"), Some(&Value::Int(size * 1024)));
        }
        let address = said("ip -4 -o route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \\([0-9.]*\\).*/\\1/p'");
        if said("ip -4 route show default").is_empty() {
            left_out("the default address (there is no default route here)");
        } else {
            assert_eq!(at(&facts["default_ipv4"], "address"), address);
            let Value::List(all) = &facts["all_ipv4_addresses"] else { panic!() };
            assert!(all.contains(&Value::text(address.as_str())));
        }
    });
}

#[test]
fn facts_do_not_differ_from_one_look_to_the_next() {
    block_on(async {
        let link = link().await;
        // Hosts of the lab come and go on this machine meanwhile, with their networks and file systems.
        let steady = |answer: Answer| -> Map {
            let Answer::Facts(map) = answer else { panic!() };
            let comes_and_goes = |name: &str| name == "mounts" || name == "interfaces" || name.starts_with("all_ipv");
            map.into_iter().filter(|(name, _)| !comes_and_goes(name)).collect()
        };
        let one = steady(ask(&link, Question::Facts).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert!(one.values().filter(|value| **value != Value::Null).count() > 18, "{one:?}");
        assert_eq!(steady(ask(&link, Question::Facts).await.unwrap()), one);
    });
}
