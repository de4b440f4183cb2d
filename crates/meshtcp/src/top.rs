//! `meshtcp top`: live traffic of connections, in a terminal.
//!
//! ```text
//!  keys ──▶ State ──▶ view ──▶ terminal
//!              ▲
//!  Source ─────┘   a thread that asks a control plane, or one proxy, once a second
//! ```

mod columns;
mod place;
mod rows;
mod samples;
mod source;
mod state;
mod view;

use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::client::Client;
use crate::context::Server;
use crate::exit::Exit;
use crate::names;
use crate::output::complain;
use source::{News, Source};
use state::{Key, State};

/// Maximum delay before a key is handled, and before news is drawn.
const BEAT: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    /// Only of this mesh
    #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    /// Ask a running `meshtcp up` or `meshtcp proxy` at its --admin address instead of a control plane: its endpoints and
    /// open connections are shown too
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["server", "context"])]
    proxy_admin: Option<String>,
}

pub(crate) fn run(Args { server, mesh, proxy_admin }: Args) -> Exit {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        complain(
            "error: `top` draws on a terminal, and this is none\n  help: `meshtcp status` is for people, GET /_traffic for programs\n",
        );
        return Exit::Environment;
    }
    let (client, title) = match &proxy_admin {
        Some(address) => (Client::of_admin(address), format!("proxy {address}")),
        None => match server.client() {
            Ok(client) => {
                let title = client.server().to_owned();
                (client, title)
            }
            Err(exit) => return exit,
        },
    };
    let source = Source::new(client, mesh, proxy_admin.is_some());
    // an unreachable server is reported on standard error, not on a screen that disappears
    let first = match source.look() {
        Ok(sample) => sample,
        Err(failed) => return failed.said(),
    };
    let mut state = State::new(title, proxy_admin.is_some());
    state.take(first);
    let (sender, news) = channel();
    thread::spawn(move || source.follow(&sender));
    let mut terminal = ratatui::init();
    let ended = show(&mut terminal, &mut state, &news);
    ratatui::restore();
    match ended {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&format!("error: the terminal is gone: {error}\n"));
            Exit::Environment
        }
    }
}

/// Draws until the user quits, or a signal asks the process to leave.
fn show(terminal: &mut DefaultTerminal, state: &mut State, news: &Receiver<News>) -> std::io::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, state))?;
        let mut is_changed = false;
        while !is_changed {
            while event::poll(Duration::ZERO)? {
                is_changed = true;
                let Event::Key(pressed) = event::read()? else { continue };
                if pressed.kind != KeyEventKind::Release
                    && key(pressed).is_some_and(|key| state.press(key).is_break())
                {
                    return Ok(());
                }
            }
            match news.recv_timeout(BEAT) {
                Ok(News::Sample(sample)) => state.take(*sample),
                Ok(News::Failed(why)) => state.fail(why),
                Ok(News::Leave) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => continue,
            }
            is_changed = true;
        }
    }
}

/// Meaning of a key; `None`: it has none.
fn key(KeyEvent { code, modifiers, .. }: KeyEvent) -> Option<Key> {
    Some(match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char(letter) => Key::Letter(letter),
        KeyCode::Up => Key::Up(1),
        KeyCode::Down => Key::Down(1),
        KeyCode::PageUp => Key::Up(10),
        KeyCode::PageDown => Key::Down(10),
        KeyCode::Home => Key::Up(usize::MAX),
        KeyCode::End => Key::Down(usize::MAX),
        KeyCode::Left => Key::Column(-1),
        KeyCode::Right => Key::Column(1),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Back,
        KeyCode::Backspace => Key::Erase,
        KeyCode::Tab => Key::Tab,
        _ => return None,
    })
}
