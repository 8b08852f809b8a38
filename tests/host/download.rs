//! Fetching a file: resumed, checked, whole or not at all, and nothing secret in any argument. The server is one of
//! the test's own, so that it can cut, move and lie.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use lions::targets::host::download::Download;

use super::*;

/// What the server does.
#[derive(Clone, Default)]
struct Manners {
    content: Vec<u8>,
    /// Bytes after which it hangs up.
    cut: Option<usize>,
    /// It knows no ranges.
    no_ranges: bool,
    /// It sends elsewhere.
    moved: Option<String>,
    /// It waits before it answers.
    slow: bool,
}

struct Server {
    port: u16,
    manners: Arc<Mutex<Manners>>,
    /// Head of each request.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(content: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, manners: Arc::default(), heard: Arc::default() };
        server.manners.lock().unwrap().content = content.to_vec();
        let (manners, heard) = (server.manners.clone(), server.heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let manners = manners.lock().unwrap().clone();
                // A client that hangs up is no fault of the server.
                let _ = answer(stream.unwrap(), &manners, &heard);
            }
        });
        server
    }

    fn set(&self, set: impl FnOnce(&mut Manners)) {
        set(&mut self.manners.lock().unwrap());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/it%20is", self.port)
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, manners: &Manners, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
    }
    heard.lock().unwrap().push(request.clone());
    if manners.slow {
        std::thread::sleep(std::time::Duration::from_secs(30));
    }
    if let Some(to) = &manners.moved {
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let all = &manners.content;
    let from =
        request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let from: usize =
        from.filter(|_| !manners.no_ranges).map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    if from > 0 && from >= all.len() {
        return write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let body = &all[from..];
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len())?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", all.len() - 1, all.len())?;
    }
    write!(stream, "\r\n")?;
    stream.write_all(&body[..manners.cut.unwrap_or(body.len()).min(body.len())])
}

fn fetch(server: &Server, path: &str, content: &[u8], expect: Expect) -> Download {
    Download {
        path: path.to_owned(),
        url: server.url(),
        shown: server.url(),
        headers: Vec::new(),
        digest: Digest::of(content),
        attributes: Attributes::default(),
        expect,
    }
}

/// A worker that has only one of the tools.
async fn only(tool: &str, folder: &Path) -> ShellLink {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    for other in fs::read_dir("/usr/bin").unwrap() {
        let other = other.unwrap();
        if !["curl", "wget"].contains(&other.file_name().to_str().unwrap()) {
            symlink(other.path(), bin.join(other.file_name())).unwrap();
        }
    }
    if !tool.is_empty() {
        symlink(format!("/usr/bin/{tool}"), bin.join(tool)).unwrap();
    }
    let worker = lions::transport::local::start_in("sh", None, |process| {
        process.env("PATH", &bin);
    });
    ShellLink::new(worker.await.unwrap())
}

fn numbers() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// With each tool, in a folder of its own.
async fn with_each<F: Future<Output = ()>>(test: impl Fn(ShellLink, &'static str, String, std::path::PathBuf) -> F) {
    for tool in ["curl", "wget"] {
        if !Path::new("/usr/bin").join(tool).exists() {
            left_out(&format!("{tool}, which is not installed"));
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("at");
        fs::create_dir(&at).unwrap();
        let link = only(tool, folder.path()).await;
        let path = at.join("it's $(id)").to_str().unwrap().to_owned();
        test(link, tool, path, at).await;
    }
}

#[test]
fn what_was_cut_off_goes_on_where_it_stopped() {
    block_on(with_each(async |link, tool, path, at| {
        let (content, server) = (numbers(), Server::new(&numbers()));
        server.set(|manners| manners.cut = Some(300_000));
        let step = Step::Download(fetch(&server, &path, &content, Expect::Absent));
        let fault = perform(&link, step.clone()).await.unwrap_err();
        assert!(fault.what.starts_with("could not fetch `http://127.0.0.1:"), "{tool}: {fault:?}");
        let left = names(&at);
        assert_eq!(left.len(), 1, "{tool}: {left:?}");
        let part = at.join(&left[0]);
        assert_eq!(fs::metadata(&part).unwrap().mode() & 0o777, 0o600, "{tool}");
        assert_eq!(fs::read(&part).unwrap(), content[..300_000], "{tool}");
        server.set(|manners| manners.cut = None);
        server.heard();
        assert_eq!(perform(&link, step).await, Ok(None), "{tool}");
        let heard = server.heard();
        assert!(heard.len() == 1 && heard[0].contains("Range: bytes=300000-"), "{tool}: {heard:?}");
        assert_eq!(fs::read(&path).unwrap(), content, "{tool}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644, "{tool}");
        assert_eq!(names(&at).len(), 1, "{tool}");
    }));
}

#[test]
fn a_wrong_digest_installs_nothing() {
    block_on(with_each(async |link, tool, path, at| {
        let server = Server::new(b"another thing");
        fs::write(&path, "old").unwrap();
        let expect = Expect::File(Digest::of(b"old"));
        let fault = perform(&link, Step::Download(fetch(&server, &path, b"the thing", expect))).await.unwrap_err();
        let (wished, is) = (Digest::of(b"the thing").to_string(), Digest::of(b"another thing").to_string());
        assert!(fault.to_string().contains(&wished) && fault.to_string().contains(&is), "{tool}: {fault}");
        assert_eq!((fs::read(&path).unwrap(), names(&at).len()), (b"old".to_vec(), 1), "{tool}");
    }));
}

/// The beginning of something else, and a server that cannot go on from the middle.
#[test]
fn what_does_not_fit_is_fetched_anew() {
    block_on(with_each(async |link, tool, path, at| {
        let (content, server) = (numbers(), Server::new(&numbers()));
        let step = Step::Download(fetch(&server, &path, &content, Expect::Absent));
        for no_ranges in [false, true] {
            server.set(|manners| (manners.cut, manners.no_ranges) = (Some(70_000), false));
            perform(&link, step.clone()).await.unwrap_err();
            let part = at.join(&names(&at)[0]);
            let length = if no_ranges { 100 } else { 1_000_000 };
            fs::write(&part, vec![b'x'; length]).unwrap();
            server.set(|manners| (manners.cut, manners.no_ranges) = (None, no_ranges));
            assert_eq!(perform(&link, step.clone()).await, Ok(None), "{tool}");
            assert_eq!(fs::read(&path).unwrap(), content, "{tool}");
            assert_eq!(names(&at).len(), 1, "{tool}");
            fs::remove_file(&path).unwrap();
        }
    }));
}

/// In a folder that others write to, the name of the partial file can be foreseen.
#[test]
fn a_trap_at_the_partial_file_is_not_stepped_into() {
    block_on(with_each(async |link, tool, path, at| {
        let (content, server) = (numbers(), Server::new(&numbers()));
        server.set(|manners| manners.cut = Some(10));
        let step = Step::Download(fetch(&server, &path, &content, Expect::Absent));
        perform(&link, step.clone()).await.unwrap_err();
        let part = at.join(&names(&at)[0]);
        server.set(|manners| manners.cut = None);
        let victim = at.join("victim");
        for hard in [false, true] {
            fs::write(&victim, "").unwrap();
            let _ = fs::remove_file(&part);
            if hard {
                fs::hard_link(&victim, &part).unwrap();
            } else {
                symlink(&victim, &part).unwrap();
            }
            assert_eq!(perform(&link, step.clone()).await, Ok(None), "{tool}");
            assert_eq!((fs::read(&path).unwrap(), fs::read(&victim).unwrap()), (content.clone(), Vec::new()), "{tool}");
            fs::remove_file(&path).unwrap();
        }
    }));
}

#[test]
fn headers_are_not_sent_elsewhere() {
    block_on(with_each(async |link, tool, path, _| {
        let (server, other) = (Server::new(b"x"), Server::new(b"x"));
        let mut download = fetch(&server, &path, b"x", Expect::Absent);
        download.headers = vec![("X-Key".to_owned(), "it's \"secret\" \\".to_owned())];
        let step = Step::Download(download.clone());
        assert_eq!(perform(&link, step.clone()).await, Ok(None), "{tool}");
        let heard = server.heard();
        assert!(heard[0].contains("X-Key: it's \"secret\" \\\r\n"), "{tool}: {heard:?}");
        fs::remove_file(&path).unwrap();
        server.set(|manners| manners.moved = Some(other.url()));
        perform(&link, step).await.unwrap_err();
        assert_eq!(other.heard(), Vec::<String>::new(), "{tool}");
        assert!(!Path::new(&path).exists());
        // What has no headers follows.
        download.headers.clear();
        assert_eq!(perform(&link, Step::Download(download)).await, Ok(None), "{tool}");
        assert_eq!(other.heard().len(), 1, "{tool}");
    }));
}

/// The arguments of every process of this machine while it is fetched.
#[test]
fn nothing_secret_stands_in_an_argument() {
    block_on(with_each(async |link, tool, path, at| {
        let server = Server::new(b"x");
        server.set(|manners| manners.slow = true);
        let mut download = fetch(&server, &path, b"x", Expect::Absent);
        let secret = format!("c4n4ry-{tool}");
        download.url = format!("http://127.0.0.1:{}/{secret}", server.port);
        download.shown = "http://127.0.0.1/***".to_owned();
        download.headers = vec![("X-Key".to_owned(), secret.clone())];
        let step = Step::Download(download);
        assert!(!format!("{step:?}").contains("c4n4ry"));
        let look = async {
            while server.heard.lock().unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            for process in fs::read_dir("/proc").unwrap() {
                let folder = process.unwrap().path();
                for file in ["cmdline", "environ"] {
                    let text = fs::read(folder.join(file)).unwrap_or_default();
                    assert!(!String::from_utf8_lossy(&text).contains(&secret), "{}", folder.display());
                }
            }
        };
        tokio::select! {
            done = perform(&link, step) => panic!("{done:?}"),
            () = look => {}
        }
        assert!(server.heard()[0].contains(&format!("X-Key: {secret}")));
        // It ended with its caller, and left nothing.
        for _ in 0..400 {
            if names(&at).is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{tool} left {:?}", names(&at));
    }));
}

#[test]
fn without_a_tool_it_says_so() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let link = only("", folder.path()).await;
        let path = folder.path().join("x").to_str().unwrap().to_owned();
        let step = Step::Download(fetch(&Server::new(b"x"), &path, b"x", Expect::Absent));
        let fault = perform(&link, step).await.unwrap_err();
        assert_eq!(fault.what, "the host has neither `curl` nor `wget`");
        assert_eq!(names(folder.path()), ["bin"]);
    });
}

#[test]
fn what_changed_meanwhile_stays() {
    block_on(with_each(async |link, tool, path, at| {
        let server = Server::new(b"x");
        fs::write(&path, "another").unwrap();
        let expect = Expect::File(Digest::of(b"old"));
        let fault = perform(&link, Step::Download(fetch(&server, &path, b"x", expect))).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Stale, "{tool}");
        assert_eq!((fs::read(&path).unwrap(), names(&at).len()), (b"another".to_vec(), 1), "{tool} {:?}", names(&at));
        assert_eq!(server.heard(), Vec::<String>::new(), "{tool}");
    }));
}
