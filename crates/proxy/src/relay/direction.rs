//! One direction of a connection: what was read and not yet written, and what is known about both sockets.

use super::pipes::Pipe;

/// Full reads in a row after which a direction counts as a stream and is spliced.
const STREAM_AFTER: u8 = 2;
/// A splice of fewer bytes is a small one.
const SMALL_SPLICE: usize = 8 << 10;
/// Small splices in a row after which a direction is copied again.
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
    /// Bytes that the destination did not take yet. In a box: most directions never hold anything.
    held: Option<Box<Held>>,
    /// Present while bytes are in it, or about to be.
    pub(super) pipe: Option<Pipe>,
    /// The number of bytes in the pipe.
    pub(super) piped: u32,
    /// The number of bytes that the destination took so far.
    pub(crate) moved: u64,
    /// The source may have bytes, or its end.
    pub(crate) readable: bool,
    /// The destination may take bytes.
    pub(crate) writable: bool,
    /// The source will send nothing after what it sent already.
    pub(crate) last: bool,
    /// The source's end was read.
    pub(super) ended: bool,
    /// Everything was written, and the end is the destination's to see.
    pub(super) finished: bool,
    pub(super) splicing: bool,
    full_reads: u8,
    small_splices: u8,
}

impl Direction {
    /// Whether it moves bulk, and so takes its turn behind small messages.
    pub(crate) fn is_bulk(&self) -> bool {
        self.splicing || self.full_reads > 0
    }

    /// Whether it is spliced.
    pub(crate) fn is_streaming(&self) -> bool {
        self.splicing
    }

    /// Whether every byte and the end were passed on.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether a turn would do anything: something is kept, there may be more to read, or the end is to be passed on.
    pub(crate) fn can_move(&self) -> bool {
        let kept = self.held.is_some() || self.pipe.is_some();
        kept || if self.ended { !self.finished } else { self.readable && self.writable }
    }

    /// Keeps bytes that were read before there was a destination: they leave first.
    pub(crate) fn hold_more(&mut self, bytes: &[u8]) {
        self.held.get_or_insert_default().bytes.extend_from_slice(bytes);
    }

    /// Steps over bytes that are held and not for the destination.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.note_written(bytes.min(self.pending().len()));
        if self.pending().is_empty() {
            self.held = None;
        }
    }

    pub(super) fn hold(&mut self, bytes: Vec<u8>) {
        self.held = Some(Box::new(Held { bytes, written: 0 }));
    }

    /// Notes that the destination took so much of what is held.
    pub(super) fn note_written(&mut self, bytes: usize) {
        if let Some(held) = &mut self.held {
            held.written += bytes;
        }
    }

    /// The bytes that are held and not yet written.
    pub(crate) fn pending(&self) -> &[u8] {
        self.held.as_ref().and_then(|held| held.bytes.get(held.written..)).unwrap_or_default()
    }

    /// The pipe when it is empty; a full one is closed, with what is in it.
    pub(super) fn take_pipe(&mut self) -> Option<Pipe> {
        let pipe = self.pipe.take();
        if std::mem::take(&mut self.piped) == 0 { pipe } else { None }
    }

    pub(super) fn take_held(&mut self) -> Vec<u8> {
        self.held.take().map(|held| held.bytes).unwrap_or_default()
    }

    /// Learns from a read whether this is a stream.
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

    /// Learns from a splice whether this is still a stream.
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
