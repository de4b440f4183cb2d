//! Real Chromium, driven over WebDriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::program::PATIENCE;

/// Key of an element reference in WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Browser with one window; dropping it closes both.
pub(super) struct Browser {
    driver: Child,
    address: String,
    session: String,
    _turn: MutexGuard<'static, ()>,
}

/// Lock that limits a machine to one browser at a time.
static TURN: Mutex<()> = Mutex::new(());

impl Browser {
    /// Starts one with a window of this size, in pixels.
    pub(super) fn start(width: u32, height: u32) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver of Debian's package chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver says its port");
        // it keeps writing
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser =
            Self { driver, address: format!("127.0.0.1:{port}"), session: String::new(), _turn: turn };
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--force-color-profile=srgb".to_owned(),
            format!("--window-size={width},{height}"),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let made = browser.ask("POST", "/session", &capabilities);
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser.command("window/rect", &json!({ "width": width, "height": height }));
        browser
    }

    pub(super) fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs a script and returns its result.
    pub(super) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script returns something other than false or null, and returns it.
    pub(super) fn awaits(&self, what: &str, script: &str) -> Value {
        let begin = Instant::now();
        loop {
            let said = self.run(script);
            if !matches!(said, Value::Null | Value::Bool(false)) {
                return said;
            }
            let shown = || self.run("return document.body.innerText");
            assert!(begin.elapsed() < PATIENCE, "{what} is not so; the page says:\n{}", shown());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Waits until a text is on the page.
    pub(super) fn awaits_text(&self, text: &str) {
        let text = json!(text);
        self.awaits(&format!("{text}"), &format!("return document.body.innerText.includes({text})"));
    }

    fn element(&self, selector: &str) -> String {
        self.awaits(selector, &format!("return document.querySelector({}) !== null", json!(selector)));
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    pub(super) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Replaces the content of a field by typing.
    pub(super) fn types(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/clear"), &json!({}));
        self.command(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Messages that the page logged since the last call.
    pub(super) fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        let severe = entries.filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// Writes a screenshot to a file.
    pub(super) fn photograph(&self, file: &Path) {
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let picture = base64::prelude::BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }

    fn command(&self, command: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}/{command}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // the driver keeps the connection open, whatever the request says
        let mut answer = BufReader::new(connection);
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(answer.read_line(&mut line).unwrap() > 0, "{method} {path}: no answer");
            let header = line.trim().to_ascii_lowercase();
            if let Some(said) = header.strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            } else if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let value = &answer["value"];
        assert!(value.get("error").is_none(), "{method} {path}: {value:#}");
        value.clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.session.is_empty() {
            self.ask("DELETE", &self.session, &Value::Null);
        }
        // ends its browser as well
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
