//! Parser of a proxy's traffic report, with limits on its content.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use l4::config::Direction;
use l4::traffic::ROWS_AT_ONCE;
use xds::proto::l4::{self as wire, TrafficReport};

use super::counts::cause;
use super::{Causes, ConnectTimes, Counts, Flow};

/// Limit on the length of a name in a report, in bytes.
const NAME_BYTES: usize = 1_024;
/// Limit on the number of causes of refusals in a row.
const REASONS: usize = 64;

/// Parsed report of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Time when it began to count.
    pub started: Timestamp,
    /// `true`: it contains counts from before the proxy attached.
    pub is_first: bool,
    /// Changed rows. `None`: the proxy has forgotten it.
    pub rows: Vec<(Flow, Option<Row>)>,
    /// Number of rows that it never reports, because there are too many.
    pub left_out: u32,
}

/// Counters of a proxy for one flow since it began to count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Share of the backend by weight, 0 to 1; `None`: the route no longer names it.
    pub wanted: Option<f64>,
    /// Counters.
    pub counts: Counts,
}

/// Reason why a report is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitReport {
    /// It has more rows than are allowed.
    #[error("a report may have {ROWS_AT_ONCE} rows, not {0}")]
    TooManyRows(usize),
    /// A row has impossible values.
    #[error("row {row}: {why}")]
    Row {
        /// Index of the row, from 0.
        row: usize,
        /// Reason in words.
        why: &'static str,
    },
    /// Its start of counting is not a valid time.
    #[error("`started_us` is no time")]
    Started,
    /// There are more flows than are kept.
    #[error("no more than {0} rows are kept")]
    Full(usize),
}

impl Report {
    /// Parses the report of a proxy of a mesh.
    ///
    /// # Errors
    /// It is not a report that a proxy of ours makes. Nothing of it is taken.
    pub fn read(mesh: &Arc<str>, report: TrafficReport) -> Result<Self, UnfitReport> {
        // paths belong to the status of the proxy: `crate::paths`
        let TrafficReport { started_us, is_first, rows, left_out, paths: _ } = report;
        if rows.len() > ROWS_AT_ONCE {
            return Err(UnfitReport::TooManyRows(rows.len()));
        }
        let started = Timestamp::from_microsecond(started_us).map_err(|_| UnfitReport::Started)?;
        let read = |(row, said)| self::row(mesh, said).map_err(|why| UnfitReport::Row { row, why });
        let rows = rows.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { started, is_first, rows, left_out })
    }
}

fn row(mesh: &Arc<str>, row: wire::TrafficRow) -> Result<(Flow, Option<Row>), &'static str> {
    let wire::TrafficRow {
        route,
        destination,
        direction,
        backend,
        is_gone,
        wanted,
        chosen,
        opened,
        active,
        on_old_weights,
        cut,
        resets,
        resets_early,
        failed_attempts,
        refused,
        bytes_from_clients,
        bytes_to_clients,
        connect_times,
        connect_time_us,
    } = row;
    if [&route, &destination, &backend].iter().any(|name| name.len() > NAME_BYTES) {
        return Err("a name is too long");
    }
    let direction = Direction::try_from(direction).map_err(|_| "`direction` is none")?;
    let name = |text: String| (!text.is_empty()).then(|| Arc::from(text));
    let flow = Flow {
        mesh: Arc::clone(mesh),
        route: name(route),
        destination: destination.into(),
        direction: direction.into(),
        backend: name(backend),
    };
    if is_gone {
        return Ok((flow, None));
    }
    if wanted.is_some_and(|wanted| !(0.0..=1.0 + 1e-9).contains(&wanted)) {
        return Err("`wanted` is no share");
    }
    let (connect_failures, refused) = causes(refused)?;
    let counts = Counts {
        chosen,
        opened,
        active,
        on_old_weights,
        cut,
        resets,
        resets_early,
        connect_failures,
        failed_attempts,
        refused,
        bytes_from_clients,
        bytes_to_clients,
        connect_times: match connect_times.is_empty() {
            true => ConnectTimes::default(),
            false => {
                let counts = connect_times.try_into().map_err(|_| "`connect_times` has other bounds")?;
                ConnectTimes { counts, sum_us: connect_time_us }
            }
        },
    };
    Ok((flow, Some(Row { wanted, counts })))
}

/// Splits refusals into failures to connect, and refusals for other reasons.
fn causes(refused: Vec<wire::Refused>) -> Result<(Causes, Causes), &'static str> {
    if refused.len() > REASONS || refused.iter().any(|it| it.reason.len() > NAME_BYTES) {
        return Err("`refused` has too many reasons, or too long ones");
    }
    let (mut failures, mut others) = (BTreeMap::new(), BTreeMap::new());
    for wire::Refused { reason, count } in refused {
        match cause(reason) {
            (cause, true) => failures.insert(cause, count),
            (cause, false) => others.insert(cause, count),
        };
    }
    Ok((Causes(failures), Causes(others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: Vec<wire::TrafficRow>) -> Result<Report, UnfitReport> {
        Report::read(&"default".into(), TrafficReport { rows, ..TrafficReport::default() })
    }

    #[test]
    fn failures_to_connect_are_told_from_other_refusals() {
        let refused = |reason: &str, count| wire::Refused { reason: reason.into(), count };
        let refused = vec![refused("connect-refused", 2), refused("backend-down", 3)];
        let row = wire::TrafficRow { backend: "v1".into(), refused, ..wire::TrafficRow::default() };
        let report = read(vec![row]).unwrap();
        let (flow, row) = &report.rows[0];
        let counts = &row.as_ref().unwrap().counts;
        assert_eq!((flow.route.as_deref(), flow.backend.as_deref()), (None, Some("v1")));
        assert_eq!((counts.connect_failures.total(), counts.refused.total()), (2, 3));
    }

    #[test]
    fn what_no_proxy_of_ours_says_is_not_taken() {
        let row = wire::TrafficRow::default;
        let unfit = [
            wire::TrafficRow { destination: "x".repeat(NAME_BYTES + 1), ..row() },
            wire::TrafficRow { direction: 9, ..row() },
            wire::TrafficRow { wanted: Some(f64::NAN), ..row() },
            wire::TrafficRow { wanted: Some(1.5), ..row() },
            wire::TrafficRow { connect_times: vec![1; 500], ..row() },
            wire::TrafficRow { refused: vec![wire::Refused::default(); REASONS + 1], ..row() },
        ];
        for row in unfit {
            assert!(matches!(read(vec![row]), Err(UnfitReport::Row { row: 0, .. })));
        }
        assert!(matches!(read(vec![row(); ROWS_AT_ONCE + 1]), Err(UnfitReport::TooManyRows(_))));
        let report = TrafficReport { started_us: i64::MAX, ..TrafficReport::default() };
        assert_eq!(Report::read(&"".into(), report), Err(UnfitReport::Started));
    }
}
