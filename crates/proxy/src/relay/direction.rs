//! State of one direction of a connection: bytes that were read and not yet written, and the readiness of both
//! sockets.

use super::pipes::Pipe;

/// Consecutive full reads after which a direction is a stream and is spliced.
const STREAM_AFTER: u8 = 2;
/// Number of bytes below which a splice is small.
const SMALL_SPLICE: usize = 8 << 10;
/// Consecutive small splices after which a direction is copied again.
const COPY_AFTER: u8 = 8;

/// Bytes that wait for the destination, from `written` on.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    written: usize,
}

/// One direction, from a source socket to a destination socket.
#[derive(Default)]
pub(crate) struct Direction {
    /// Bytes that the destination did not take yet. Boxed: most directions never hold any.
    held: Option<Box<Held>>,
    /// Pipe; present while bytes are in it, or about to be.
    pub(super) pipe: Option<Pipe>,
    /// Number of bytes in the pipe.
    pub(super) piped: u32,
    /// Number of bytes that the destination took so far.
    pub(crate) moved: u64,
    /// `true`: the source may have bytes, or its end.
    pub(crate) readable: bool,
    /// `true`: the destination may take bytes.
    pub(crate) writable: bool,
    /// `true`: the source will send nothing beyond what it has sent already.
    pub(crate) last: bool,
    /// `true`: the source's end was read.
    pub(super) ended: bool,
    /// `true`: everything was written, and the end can be passed on.
    pub(super) finished: bool,
    pub(super) splicing: bool,
    full_reads: u8,
    small_splices: u8,
}

impl Direction {
    /// Returns `true` if it moves bulk, and so takes its turn after small messages.
    pub(crate) fn is_bulk(&self) -> bool {
        self.splicing || self.full_reads > 0
    }

    /// Returns `true` if it is spliced.
    pub(crate) fn is_streaming(&self) -> bool {
        self.splicing
    }

    /// Returns `true` if every byte and the end were passed on.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns `true` if a turn would do anything: bytes are held, there may be more to read, or the end is to be
    /// passed on.
    pub(crate) fn can_move(&self) -> bool {
        let kept = self.held.is_some() || self.pipe.is_some();
        kept || if self.ended { !self.finished } else { self.readable && self.writable }
    }

    /// Keeps bytes that were read before there was a destination: they leave first.
    pub(crate) fn hold_more(&mut self, bytes: &[u8]) {
        self.held.get_or_insert_default().bytes.extend_from_slice(bytes);
    }

    /// Skips bytes that are held and not for the destination.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.note_written(bytes.min(self.pending().len()));
        if self.pending().is_empty() {
            self.held = None;
        }
    }

    pub(super) fn hold(&mut self, bytes: Vec<u8>) {
        self.held = Some(Box::new(Held { bytes, written: 0 }));
    }

    /// Records that the destination took some of the held bytes.
    pub(super) fn note_written(&mut self, bytes: usize) {
        if let Some(held) = &mut self.held {
            held.written += bytes;
        }
    }

    /// Bytes that are held and not yet written.
    pub(crate) fn pending(&self) -> &[u8] {
        self.held.as_ref().and_then(|held| held.bytes.get(held.written..)).unwrap_or_default()
    }

    /// Returns the pipe if it is empty; a full one is closed, with its content.
    pub(super) fn take_pipe(&mut self) -> Option<Pipe> {
        let pipe = self.pipe.take();
        if std::mem::take(&mut self.piped) == 0 { pipe } else { None }
    }

    pub(super) fn take_held(&mut self) -> Vec<u8> {
        self.held.take().map(|held| held.bytes).unwrap_or_default()
    }

    /// Updates the stream detection after a read.
    pub(super) fn note_read(&mut self, full: bool) {
        if !full {
            self.full_reads = 0;
            return;
        }
        self.full_reads = self.full_reads.saturating_add(1);
        if self.full_reads >= STREAM_AFTER {
            self.splicing = true;
            self.small_splices = 0;
        }
    }

    /// Updates the stream detection after a splice.
    pub(super) fn note_splice(&mut self, bytes: usize) {
        if bytes >= SMALL_SPLICE {
            self.small_splices = 0;
            return;
        }
        self.small_splices += 1;
        if self.small_splices >= COPY_AFTER {
            self.stop_splicing();
        }
    }

    pub(super) fn stop_splicing(&mut self) {
        self.splicing = false;
        self.full_reads = 0;
        self.small_splices = 0;
    }
}
