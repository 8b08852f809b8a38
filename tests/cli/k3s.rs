//! `lions k3s lock`, with channels and a mirror of the test's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{code, err, lions, out};

/// What is at which path: a text, `-> where it leads`, or `status 500`.
type Pages = Arc<Mutex<Vec<(String, String)>>>;

fn serve(pages: &Pages) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let pages = pages.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut request = || {
                let first = lines.next()?.ok()?;
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                Some(first)
            };
            let mut first = request().unwrap_or_default();
            // It is a proxy, too: whatever it is asked for, it has it.
            if first.starts_with("CONNECT ") {
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                first = request().unwrap_or_default();
            }
            let Some(path) = first.split(' ').nth(1).map(str::to_owned) else { continue };
            let page = pages.lock().unwrap().iter().find(|(at, _)| *at == path).map(|(_, page)| page.clone());
            let (status, head, text) = match page {
                None => (404, String::new(), String::new()),
                Some(page) => match (page.strip_prefix("-> "), page.strip_prefix("status ")) {
                    (Some(to), _) => (302, format!("Location: {to}\r\n"), String::new()),
                    (_, Some(status)) => (status.parse().unwrap(), String::new(), String::new()),
                    _ => (200, String::new(), page),
                },
            };
            write!(
                stream,
                "HTTP/1.1 {status} x\r\n{head}Connection: close\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
    });
    at
}

fn release(pages: &Pages, version: &str, digit: &str) {
    let mut pages = pages.lock().unwrap();
    let (one, other) = (digit.repeat(64), "0".repeat(64));
    let folder = format!("/releases/{}", version.replace('+', "%2B"));
    let text = format!("{other}  k3s-airgap-images-amd64.tar\n{one}  k3s\n");
    // As the public ones do, it leads elsewhere.
    pages.insert(0, (format!("{folder}/sha256sum-amd64.txt"), format!("-> SELF/files{folder}")));
    pages.insert(0, (format!("/files{folder}"), text));
    pages.insert(0, (format!("{folder}/sha256sum-arm.txt"), format!("{one}  k3s-armhf\n")));
}

fn channel(pages: &Pages, name: &str, version: &str) {
    let to = format!("-> https://github.com/k3s-io/k3s/releases/tag/{}", version.replace('+', "%2B"));
    pages.lock().unwrap().insert(0, (format!("/channels/{name}"), to));
}

#[test]
fn a_release_is_locked_and_moves_on_when_asked() {
    let pages = Pages::default();
    let at = serve(&pages);
    release(&pages, "v1.36.3+k3s1", "a");
    release(&pages, "v1.37.0+k3s1", "b");
    for (_, page) in pages.lock().unwrap().iter_mut() {
        *page = page.replace("SELF", &at);
    }
    channel(&pages, "stable", "v1.36.3+k3s1");
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for path in ["inventories/lab", "roles/k3s_server", "roles/k3s_agent"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let (mirror, channels) = (format!("{at}/releases"), format!("{at}/channels"));
    let lock = |more: &[&str]| lions(root, &[&["k3s", "lock", "--channels", &channels][..], more].concat());
    let locked = |role: &str| std::fs::read_to_string(root.join(format!("inventories/lab/values/{role}.yml"))).unwrap();

    let first = lock(&["--mirror", &mirror]);
    assert_eq!((code(&first), out(&first).as_str()), (0, "k3s stable: nothing -> v1.36.3+k3s1\n"), "{}", err(&first));
    let a = "a".repeat(64);
    let text = format!(
        "# Written by `lions k3s lock`, which moves it on: stable\nversion: v1.36.3+k3s1\nmirror: \"{mirror}\"\nsha256:\n  amd64: \"{a}\"\n  arm: \"{a}\"\n"
    );
    assert_eq!(locked("k3s_server"), text);
    assert_eq!(locked("k3s_agent"), text);
    let again = lock(&[]);
    assert_eq!(out(&again), "k3s stable: still v1.36.3+k3s1\n", "{}", err(&again));

    // The channel moved on, and so does the lock when it is asked to.
    channel(&pages, "stable", "v1.37.0+k3s1");
    let moved = lock(&[]);
    assert_eq!(out(&moved), "k3s stable: v1.36.3+k3s1 -> v1.37.0+k3s1\n", "{}", err(&moved));
    assert!(locked("k3s_agent").contains(&"b".repeat(64)));
    let back = lock(&["v1.36.3+k3s1"]);
    assert_eq!(out(&back), "k3s v1.36.3+k3s1: v1.37.0+k3s1 -> v1.36.3+k3s1\n", "{}", err(&back));

    // A release that is another one now, one that is not there, and words that are nothing.
    let before = locked("k3s_server");
    release(&pages, "v1.36.3+k3s1", "c");
    for (_, page) in pages.lock().unwrap().iter_mut() {
        *page = page.replace("SELF", &at);
    }
    for (words, why) in [
        (&["v1.36.3+k3s1"][..], "is another one than when it was locked"),
        (&["v1.30.1+k3s1"], "there is no release v1.30.1+k3s1"),
        (&["v1.30"], "there is no channel `v1.30`"),
        (&["v1.36+k3s1"], "is not a version like"),
    ] {
        let said = lock(words);
        assert!(code(&said) == 1 && err(&said).contains(why), "{words:?}: {}", err(&said));
        assert_eq!(locked("k3s_server"), before);
    }
    own(root, &lock);
}

/// Values of somebody's own are not written over.
fn own(root: &Path, lock: &dyn Fn(&[&str]) -> std::process::Output) {
    std::fs::write(root.join("inventories/lab/values/k3s_agent.yml"), "memory_mb: 300\n").unwrap();
    let said = lock(&[]);
    assert!(code(&said) == 1 && err(&said).contains("has values of your own"), "{}", err(&said));
}

/// A project with the platform's own roles, a server of each sort, and what leads to the pages at `at`.
struct Platform {
    folder: TempDir,
    mirror: String,
}

impl Platform {
    fn new(at: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        for role in ["k3s_server", "k3s_agent"] {
            for file in ["inputs.yml", "tasks.yml"] {
                let path = Path::new("roles").join(role).join(file);
                std::fs::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
                std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path), root.join(&path)).unwrap();
            }
        }
        std::fs::create_dir_all(root.join("inventories/lab")).unwrap();
        std::fs::create_dir_all(root.join("playbooks")).unwrap();
        let hosts = "hosts:\n  s1: { address: 192.0.2.1, groups: [k3s_server] }\n  a1: { address: 192.0.2.2, groups: [k3s_agent] }\n";
        let plays = "- { name: servers, hosts: k3s_server, roles: [k3s_server] }\n- { name: agents, hosts: k3s_agent, roles: [k3s_agent] }\n";
        std::fs::write(root.join("inventories/lab/environment.yml"), hosts).unwrap();
        std::fs::write(root.join("playbooks/site.yml"), plays).unwrap();
        Self { mirror: format!("{at}/releases"), folder }
    }

    fn lock(&self, words: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
        let mut command = super::program();
        command.current_dir(self.folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(["k3s", "lock", "--mirror", &self.mirror]).args(words).envs(environment.iter().copied());
        command.output().unwrap()
    }

    fn kept(&self) -> bool {
        self.folder.path().join("inventories/lab/values").exists()
    }
}

/// Every architecture that the release has; the roles take it as it is, and what they then have is what was locked.
#[test]
fn what_is_locked_is_what_the_roles_take() {
    let pages = Pages::default();
    let at = serve(&pages);
    let list = |kind: &str, text: &str| {
        let path = format!("/releases/v1.36.3%2Bk3s1/sha256sum-{kind}.txt");
        pages.lock().unwrap().push((path, text.to_owned()));
    };
    let (a, b, c) = ("a".repeat(64), "B".repeat(64), "c".repeat(64));
    list("amd64", &format!("{b}  k3s-airgap-images-amd64.tar.zst\n{a}  k3s\n{c}  k3s-images.txt\n"));
    list("arm64", &format!("{b} *k3s-arm64\r\n"));
    list("arm", &format!("{c}  k3s-armhf\n{a}  k3s-airgap-images-arm.tar\n"));
    let platform = Platform::new(&at);
    let said = platform.lock(&["v1.36.3+k3s1"], &[]);
    assert_eq!(code(&said), 0, "{}", err(&said));
    let root = platform.folder.path();
    let valid = lions(root, &["validate"]);
    assert_eq!(code(&valid), 0, "{}", err(&valid));
    assert!(!err(&valid).contains("warning"), "{}", err(&valid));
    for (host, role) in [("s1", "k3s_server"), ("a1", "k3s_agent")] {
        let of = |name: &str| out(&lions(root, &["vars", host, &format!("{role}.{name}")]));
        assert!(of("version").contains("v1.36.3+k3s1"), "{}", of("version"));
        assert!(of("mirror").contains(&platform.mirror), "{}", of("mirror"));
        for digest in [&a, &b.to_lowercase(), &c] {
            assert!(of("sha256").contains(digest), "{}", of("sha256"));
        }
    }
}

/// A mirror that is not what it should be: said, and nothing is kept.
#[test]
fn what_cannot_be_locked_is_said() {
    let pages = Pages::default();
    let at = serve(&pages);
    let page = |kind: &str, text: &str| {
        let path = format!("/releases/v1.36.3%2Bk3s1/sha256sum-{kind}.txt");
        pages.lock().unwrap().insert(0, (path, text.to_owned()));
    };
    let platform = Platform::new(&at);
    let refused = |why: &str| {
        let said = platform.lock(&["v1.36.3+k3s1"], &[]);
        assert!(code(&said) == 1 && err(&said).contains(why), "{why}: {}", err(&said));
        assert!(!platform.kept(), "{why}");
    };
    refused("there is no release v1.36.3+k3s1");
    page("amd64", &format!("{0}  not-k3s\n{0}  k3s.sig\n", "a".repeat(64)));
    refused("has no digest of `k3s`");
    page("amd64", &format!("{}  k3s\n", "a".repeat(63)));
    refused("has no digest of `k3s`");
    page("amd64", "status 503");
    refused("says 503");
    let own = format!("-> {at}/releases/v1.36.3%2Bk3s1/sha256sum-amd64.txt");
    page("amd64", &own);
    refused("leads on and on");
    // One architecture is right, the list of another is not.
    page("amd64", &format!("{}  k3s\n", "a".repeat(64)));
    page("arm64", "Log in first");
    refused("has no digest of `k3s-arm64`");

    // Nobody is there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Platform::new(&format!("http://{gone}"));
    let said = away.lock(&["v1.36.3+k3s1"], &[]);
    assert!(code(&said) == 1 && err(&said).contains("cannot fetch"), "{}", err(&said));
    assert!(!away.kept());
}

#[test]
fn proxies_are_those_of_the_user() {
    let pages = Pages::default();
    let at = serve(&pages);
    release(&pages, "v1.36.3+k3s1", "a");
    for (_, page) in pages.lock().unwrap().iter_mut() {
        *page = page.replace("SELF", "http://mirror.invalid");
    }
    let platform = Platform::new("http://mirror.invalid");
    let proxy = at.replace("http://", "http://user:pass%40word@");
    let lock = |no: &str| platform.lock(&["v1.36.3+k3s1"], &[("http_proxy", &proxy), ("no_proxy", no)]);
    let said = lock("mirror.invalid");
    assert!(code(&said) == 1 && err(&said).contains("cannot fetch"), "{}", err(&said));
    let said = lock("other.invalid");
    assert_eq!(
        (code(&said), out(&said).as_str()),
        (0, "k3s v1.36.3+k3s1: nothing -> v1.36.3+k3s1\n"),
        "{}",
        err(&said)
    );
}
