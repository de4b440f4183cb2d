//! Token that a control plane asks for, in a file that is read anew for each attempt.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tonic::metadata::AsciiMetadataValue;

use crate::small_file;

/// Limit on the time that its disk may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// File with a token.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    patience: Duration,
    /// Read that has not ended: a disk that does not answer is asked once, and not with each attempt.
    reading: Mutex<Option<JoinHandle<io::Result<String>>>>,
}

impl TokenFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, patience: PATIENCE, reading: Mutex::default() }
    }

    /// Returns the current content.
    ///
    /// # Errors
    /// In words: it cannot be read, or is no token.
    pub(super) async fn token(&self) -> Result<AsciiMetadataValue, String> {
        let wrong = |why: String| format!("the token in {} cannot be used: {why}", self.path.display());
        let text = self.text().await.map_err(|error| wrong(error.to_string()))?;
        let mut value =
            AsciiMetadataValue::try_from(text.trim()).map_err(|error| wrong(error.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn text(&self) -> io::Result<String> {
        let begun = self.reading.lock().unwrap_or_else(PoisonError::into_inner).take();
        let path = self.path.clone();
        let mut reading = begun.unwrap_or_else(|| spawn_blocking(move || read(&path)));
        match timeout(self.patience, &mut reading).await {
            Ok(read) => read.unwrap_or_else(|_| Err(io::Error::other("reading it ended in a panic"))),
            Err(_) => {
                *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
                let why = format!("its disk has not answered for {:?}", self.patience);
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
        }
    }
}

/// Reads a token. Never waits for the writer of a FIFO.
fn read(path: &Path) -> io::Result<String> {
    let text = small_file::read(path)?;
    match text.trim().is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "there is none")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_token_is_told_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let told = async |path: PathBuf| TokenFile::at(path).token().await;
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RWXU).unwrap();
        std::fs::write(at("empty"), "\n").unwrap();
        std::fs::write(at("lines"), "a\nb\n").unwrap();
        for name in ["fifo", "empty"] {
            assert!(told(at(name)).await.unwrap_err().ends_with("there is none"), "{name}");
        }
        assert!(told("/dev/zero".into()).await.unwrap_err().ends_with("larger than 64 KiB"));
        for wrong in [at("lines"), at("absent"), folder.path().into()] {
            assert!(told(wrong).await.is_err());
        }
        std::fs::write(at("token"), " abc \n").unwrap();
        assert_eq!(told(at("token")).await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_asked_once() {
        let file = TokenFile { patience: Duration::from_millis(50), ..TokenFile::at("/nowhere".into()) };
        let (answer, answers) = std::sync::mpsc::channel::<()>();
        *file.reading.lock().unwrap() = Some(spawn_blocking(move || {
            answers.recv().unwrap();
            Ok("late".to_owned())
        }));
        for _ in 0..2 {
            assert!(file.token().await.unwrap_err().ends_with("its disk has not answered for 50ms"));
        }
        answer.send(()).unwrap();
        let patient = TokenFile { patience: PATIENCE, ..file };
        assert_eq!(patient.token().await.unwrap(), "late");
    }
}
