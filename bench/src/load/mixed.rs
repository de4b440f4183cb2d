//! Small requests beside paced streams.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use super::BulkDirection;
use super::ask::ask;
use super::bulk::bulk;
use crate::door::Door;
use crate::window::{Sample, Window};

pub(super) struct MixedLoad {
    pub(super) streams: usize,
    /// Pace of each stream in megabytes per second; `None`: no limit.
    pub(super) pace: Option<NonZeroU32>,
    pub(super) asking: usize,
}

/// Runs the load; the unit of work is a request, and the data of the streams is recorded in `beside`.
pub(super) fn mixed(target: Door, window: Window, beside: MixedLoad) -> io::Result<Sample> {
    let MixedLoad { streams, pace, asking } = beside;
    std::thread::scope(|scope| {
        let around = Window { length: window.length + Duration::from_millis(50), ..window };
        let big = scope.spawn(move || bulk(target, around, streams, BulkDirection::Down, pace));
        // lets the streams start first
        std::thread::sleep(Duration::from_millis(50));
        let small = ask(target, window, asking);
        let big = big.join().map_err(|_| io::Error::other("the streams broke off"))??;
        Ok(Sample { beside: big.work / big.seconds, ..small? })
    })
}
