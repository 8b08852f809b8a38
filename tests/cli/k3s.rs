//! `lions k3s lock`, with channels and a mirror of the test's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{code, err, lions, out};

/// What is at which path: a text, or `-> where it leads`.
type Pages = Arc<Mutex<Vec<(String, String)>>>;

fn serve(pages: &Pages) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let pages = pages.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let path = lines.next().unwrap().unwrap().split(' ').nth(1).unwrap().to_owned();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let page = pages.lock().unwrap().iter().find(|(at, _)| *at == path).map(|(_, page)| page.clone());
            let (status, head, text) = match page {
                None => (404, String::new(), String::new()),
                Some(page) => match page.strip_prefix("-> ") {
                    Some(to) => (302, format!("Location: {to}\r\n"), String::new()),
                    None => (200, String::new(), page),
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
