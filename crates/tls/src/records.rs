//! Borders of TLS records in a stream of bytes.

const HEADER: usize = 5;
/// Record types that can come first.
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// Position in a stream of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Bytes of a header that arrived so far.
    header: [u8; HEADER],
    /// Number of bytes in `header`.
    in_header: u8,
    /// Number of bytes of the record's body that are still to come.
    in_body: u16,
}

impl Records {
    /// Advances over bytes that were taken from the stream.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let body = usize::from(self.in_body).min(bytes.len());
            self.in_body -= body as u16;
            bytes = &bytes[body..];
            if bytes.is_empty() {
                return;
            }
            let missing = (HEADER - usize::from(self.in_header)).min(bytes.len());
            let at = usize::from(self.in_header);
            self.header[at..at + missing].copy_from_slice(&bytes[..missing]);
            self.in_header += missing as u8;
            bytes = &bytes[missing..];
            if usize::from(self.in_header) == HEADER {
                self.in_body = u16::from_be_bytes([self.header[3], self.header[4]]);
                self.in_header = 0;
            }
        }
    }

    /// Returns `true` if the position is inside a record.
    pub(crate) fn is_inside(&self) -> bool {
        self.in_header > 0 || self.in_body > 0
    }

    /// Number of bytes before the first alert record that begins in `bytes`; all, if there is none.
    pub(crate) fn before_alert(mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if !self.is_inside() && bytes[at] == ALERT {
                return at;
            }
            let step = match (self.in_header, self.in_body) {
                (0, 0) => HEADER,
                (some, 0) => HEADER - usize::from(some),
                (_, body) => usize::from(body),
            };
            let step = step.min(bytes.len() - at);
            self.pass(&bytes[at..at + step]);
            at += step;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: usize) -> Vec<u8> {
        let mut bytes = vec![kind, 3, 3];
        bytes.extend((body as u16).to_be_bytes());
        bytes.resize(HEADER + body, 0xaa);
        bytes
    }

    #[test]
    fn a_cut_between_records_is_told_from_one_inside_however_the_bytes_come() {
        let bytes = [record(23, 20), record(23, 0), record(23, 300)].concat();
        let borders = [25, 30];
        for piece in [1, 2, 3, 7, 26, 400] {
            let (mut records, mut at) = (Records::default(), 0);
            for piece in bytes.chunks(piece) {
                records.pass(piece);
                at += piece.len();
                let ended = at == bytes.len() || borders.contains(&at);
                assert_eq!(records.is_inside(), !ended, "after {at} bytes");
            }
        }
    }

    #[test]
    fn an_alert_is_found_where_its_record_begins() {
        let before = [record(23, 21), record(23, 500)].concat();
        let bytes = [before.clone(), record(ALERT, 26)].concat();
        assert_eq!(Records::default().before_alert(&bytes), before.len());
        let mut halfway = Records::default();
        halfway.pass(&bytes[..100]);
        assert_eq!(halfway.before_alert(&bytes[100..]), before.len() - 100);
        assert_eq!(Records::default().before_alert(&before), before.len());
    }
}
