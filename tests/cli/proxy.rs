//! The proxy on the way to an API, with a proxy of the test's own that notes what it is asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use tempfile::TempDir;

/// A proxy that lets nobody through: its address, and the first lines of what it is asked.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let (told, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(line)) = lines.next() else { continue };
            let _ = told.send(line);
            let _ = stream.write_all(b"HTTP/1.1 502 no\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (at, asked)
}

#[test]
fn an_api_is_reached_by_the_proxy_of_the_user_or_of_its_kubeconfig() {
    // Nobody listens there.
    let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(path), text).unwrap();
    };
    write("inventories/e/environment.yml", "hosts: {}\ncluster: { kubeconfig: own.yaml }\n");
    write(
        "playbooks/site.yml",
        "- { name: all, tasks: [{ name: space, manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: shop } } } }] }\n",
    );
    let kubeconfig = |more: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{ name: c, context: {{ cluster: c, user: u }} }}]\nclusters: [{{ name: c, cluster: {{ server: \"https://{api}\"{more} }} }}]\nusers: [{{ name: u, user: {{ token: t }} }}]\n"
        );
        write("own.yaml", &text);
    };
    // What a proxy is asked for, if it is at all: one for each run, which may ask more than once.
    let asks = |named: bool, variables: &[&str], none: &str| {
        let (at, asked) = proxy();
        kubeconfig(&if named { format!(", proxy-url: \"{at}\"") } else { String::new() });
        let mut command = super::program();
        command.current_dir(folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg("plan").env("no_proxy", none).envs(variables.iter().map(|name| (name, &at)));
        let said = super::out(&command.output().unwrap());
        assert!(said.contains("cannot be reached"), "{said}");
        asked.try_iter().next()
    };
    let wanted = Some(format!("CONNECT {api} HTTP/1.1"));
    assert_eq!(asks(false, &[], ""), None);
    assert_eq!(asks(false, &["https_proxy"], "other.invalid"), wanted);
    assert_eq!(asks(false, &["https_proxy"], "127.0.0.1"), None);
    assert_eq!(asks(true, &[], "127.0.0.1"), wanted, "it says so itself");
}
