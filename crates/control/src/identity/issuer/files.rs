//! File reads on threads of their own: a disk that does not answer affects the authority that lies on it, and nobody
//! else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::identity::sources::Data;

/// Limit on the wait for a file; a slower one is looked for at the next turn.
const PATIENCE: Duration = Duration::from_millis(250);

/// Files that are read, with the last content of each.
#[derive(Default)]
pub(super) struct Files(BTreeMap<PathBuf, File>);

/// Channel for the content of a file, or the reason why it cannot be read.
type Answer = Receiver<Result<Vec<u8>, String>>;

#[derive(Default)]
struct File {
    last: Option<Vec<u8>>,
    /// Start of the running read, and its result; `None`: it is not being read.
    underway: Option<(Instant, Answer)>,
}

impl Files {
    /// Returns the bytes of a data source; of a file that is still being read the previous ones, until that has taken
    /// longer than `patience`.
    ///
    /// # Errors
    /// In words: they cannot be read, or not in time.
    pub(super) fn read(&mut self, data: &Data, patience: Duration) -> Result<Vec<u8>, String> {
        let Data::File(path) = data else { return data.read() };
        let file = self.0.entry(path.clone()).or_default();
        let (since, answer) = match file.underway.take() {
            Some(underway) => underway,
            None => {
                let ((tell, told), data) = (channel(), data.clone());
                // the caller may have gone
                let read = move || drop(tell.send(data.read()));
                std::thread::Builder::new()
                    .name("authority-file".into())
                    .spawn(read)
                    .map_err(|why| why.to_string())?;
                (Instant::now(), told)
            }
        };
        match answer.recv_timeout(PATIENCE) {
            Ok(read) => {
                file.last = read.as_ref().ok().cloned();
                read
            }
            Err(RecvTimeoutError::Disconnected) => Err(format!("{}: reading it failed", path.display())),
            Err(RecvTimeoutError::Timeout) => {
                file.underway = Some((since, answer));
                match &file.last {
                    _ if since.elapsed() >= patience => {
                        Err(format!("{}: it was not read within {patience:?}", path.display()))
                    }
                    Some(last) => Ok(last.clone()),
                    None => Err(format!("{}: it is being read", path.display())),
                }
            }
        }
    }

    /// Forgets all files but these.
    pub(super) fn keep<'a>(&mut self, wanted: impl Iterator<Item = &'a Data>) {
        let wanted: std::collections::BTreeSet<_> = wanted
            .filter_map(|data| match data {
                Data::File(path) => Some(path),
                Data::Bytes(_) | Data::Variable(_) => None,
            })
            .collect();
        self.0.retain(|path, _| wanted.contains(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_hangs_holds_nobody_up_and_what_was_read_before_counts_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "first").unwrap();
        let (mut files, data) = (Files::default(), Data::File(path.clone()));
        let patience = Duration::from_millis(600);
        assert_eq!(files.read(&data, patience).unwrap(), b"first");
        // as if the disk did not answer
        let (_silent, never) = channel();
        files.0.get_mut(&path).unwrap().underway = Some((Instant::now(), never));
        let begun = Instant::now();
        assert_eq!(files.read(&data, patience).unwrap(), b"first");
        assert!(begun.elapsed() < patience);
        std::thread::sleep(patience);
        let why = files.read(&data, patience).unwrap_err();
        assert!(why.contains("within 600ms"), "{why}");
        assert_eq!(files.read(&Data::Bytes(b"another".to_vec()), patience).unwrap(), b"another");
    }
}
