//! OpenSSL with a certificate of its own.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Killed, PATIENCE};

/// CA whose key is known.
pub(super) struct Authority {
    folder: tempfile::TempDir,
}

/// Certificate and its key, in one file.
pub(super) struct Certificate {
    file: PathBuf,
}

impl Authority {
    /// CA with this certificate and key, in PEM.
    pub(super) fn of(certificate: &[u8], key: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("ca.key"), key).unwrap();
        Self { folder }
    }

    /// Another CA with the same name as the CA of the mesh.
    pub(super) fn another() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let it = Self { folder };
        let subject = "/O=Kuma/OU=Mesh/CN=default";
        it.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            subject,
            "-addext",
            "subjectAltName=URI:spiffe://default",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        it
    }

    /// Signs a certificate for these URIs that is valid for `days` days; 0: an expired one.
    pub(super) fn signs(&self, name: &str, uris: &[&str], days: u32) -> Certificate {
        let names: Vec<String> = uris.iter().map(|uri| format!("URI:{uri}")).collect();
        self.issues(name, &names, days)
    }

    /// Signs a certificate for names of any type, each with its type in front, like [`Self::signs`].
    pub(super) fn issues(&self, name: &str, names: &[String], days: u32) -> Certificate {
        let [key, request, extensions, certificate] =
            ["key", "csr", "ext", "pem"].map(|ending| format!("{name}.{ending}"));
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/", "-keyout", &key, "-out", &request,
        ]);
        let mut wanted = String::from(
            "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature,keyEncipherment\n\
             extendedKeyUsage=serverAuth,clientAuth\n",
        );
        if !names.is_empty() {
            wanted += &format!("subjectAltName=critical,{}\n", names.join(","));
        }
        std::fs::write(self.path(&extensions), wanted).unwrap();
        let valid: Vec<String> = match days {
            // `x509 -req` takes a date in the past only as a negative length
            0 => vec!["-days".into(), "-1".into()],
            days => vec!["-days".into(), days.to_string()],
        };
        let fixed =
            ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "7"];
        let rest = ["-extfile", &extensions, "-out", &certificate];
        let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
        self.openssl(&[&fixed[..], &valid, &rest].concat());
        let both = [&certificate, &key].map(|file| std::fs::read(self.path(file)).unwrap()).concat();
        let file = self.path(&format!("{name}.both"));
        std::fs::write(&file, both).unwrap();
        Certificate { file }
    }

    /// Its certificate, in PEM.
    pub(super) fn certificate(&self) -> String {
        std::fs::read_to_string(self.path("ca.pem")).unwrap()
    }

    /// Its key, in PEM.
    pub(super) fn key(&self) -> String {
        std::fs::read_to_string(self.path("ca.key")).unwrap()
    }

    pub(super) fn file(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let output =
            Command::new("openssl").args(arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Certificate {
    /// Certificate and its key, in PEM.
    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }
}

/// Output of a client of OpenSSL.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Data from the application.
    pub(super) text: String,
    /// Messages of OpenSSL about the session.
    #[expect(dead_code, reason = "shown when a test fails")]
    session: String,
}

impl Heard {
    /// Returns `true` if the application greeted and echoed.
    pub(super) fn is_served(&self) -> bool {
        self.text.starts_with("redis\nhello\n")
    }
}

/// Dials as a client with further flags, sends a line, and reads until an echo, the end, or silence for a while.
pub(super) fn dials(port: u16, certificate: Option<&Certificate>, more: &[&str]) -> Heard {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address, "-quiet", "-alpn", "kuma"]).args(more);
    if let Some(Certificate { file }) = certificate {
        command.arg("-cert").arg(file).arg("-key").arg(file);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Killed(child);
    let mut stdin = child.0.stdin.take().unwrap();
    // the client may have ended already
    let _ = stdin.write_all(b"hello\n");
    let texts = [reader(child.0.stdout.take().unwrap()), reader(child.0.stderr.take().unwrap())];
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let ended = child.0.try_wait().unwrap().is_some();
        if ended || texts[0].lock().unwrap().contains("hello\n") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // its last output may still be on its way
    std::thread::sleep(Duration::from_millis(50));
    let [text, session] = texts.map(|text| text.lock().unwrap().clone());
    Heard { text, session }
}

/// Serial number of the certificate that is presented at a port; `None`: none is.
pub(super) fn serial(port: u16) -> Option<String> {
    let address = format!("127.0.0.1:{port}");
    let shown = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-alpn", "kuma"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let begin = shown.find("-----BEGIN CERTIFICATE-----")?;
    let end = begin + shown[begin..].find("-----END CERTIFICATE-----")? + "-----END CERTIFICATE-----".len();
    let mut child = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&shown.as_bytes()[begin..end]).unwrap();
    Some(String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned())
}

/// Server of OpenSSL that presents a certificate, requires one of its clients, and greets as `who`. Held until the end.
pub(super) struct Server {
    _child: Killed,
    text: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Server {
    pub(super) fn start(port: u16, certificate: &Certificate, authority: &Authority) -> Self {
        let (port, file) = (port.to_string(), certificate.file.display().to_string());
        let fixed = ["s_server", "-accept", &port, "-cert", &file, "-key", &file, "-quiet"];
        let child = Command::new("openssl")
            .args(fixed)
            .args(["-Verify", "3", "-CAfile", &authority.file()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let text = reader(child.0.stdout.take().unwrap());
        crate::program::eventually("the server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).is_ok()
        });
        Self { _child: child, text }
    }

    /// Data that clients sent to it.
    pub(super) fn heard(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

/// A server of OpenSSL that says each line backwards, to everybody or to whom shows a certificate of an authority. Held until the end.
pub(super) struct Backwards {
    _child: Killed,
}

impl Backwards {
    pub(super) fn start(port: u16, certificate: &Certificate, clients: Option<&Authority>) -> Self {
        let (at, file) = (port.to_string(), certificate.file.display().to_string());
        let mut command = Command::new("openssl");
        command.args(["s_server", "-rev", "-accept", &at, "-cert", &file, "-key", &file]);
        if let Some(clients) = clients {
            command.args(["-Verify", "1", "-verify_return_error", "-CAfile", &clients.file()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let it = Self { _child: Killed(child) };
        crate::program::eventually("the server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        it
    }
}

fn reader(mut from: impl Read + Send + 'static) -> std::sync::Arc<std::sync::Mutex<String>> {
    let text = std::sync::Arc::<std::sync::Mutex<String>>::default();
    let into = std::sync::Arc::clone(&text);
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
    });
    text
}
