//! Shares in percent, as Kuma writes them: a whole number, or text with decimals.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Share between 0 % and 100 %, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

impl Percent {
    /// Parses `50` or `"50.25"`; digits beyond the second decimal are rounded. `None`: not from 0 to 100.
    pub fn of(value: &Value) -> Option<Self> {
        let number = match value {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.parse::<f64>().ok()?,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        (0.0..=100.0).contains(&number).then_some(Self((number * 100.0).round() as u32))
    }

    /// A share in whole percent; more than 100 is 100.
    pub const fn whole(percent: u32) -> Self {
        Self(if percent > 100 { 10_000 } else { percent * 100 })
    }

    /// Rounds to whole percent; a share above zero is never rounded to zero.
    pub fn rounded(self) -> u32 {
        if self.0 == 0 { 0 } else { ((self.0 + 50) / 100).max(1) }
    }

    /// A share in hundredths of a percent; more than 100 % is 100 %.
    pub const fn hundredths(hundredths: u32) -> Self {
        Self(if hundredths > 10_000 { 10_000 } else { hundredths })
    }

    /// Share in hundredths of a percent.
    pub const fn in_hundredths(self) -> u32 {
        self.0
    }

    /// Share as a number from 0 to 100.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_f64().serialize(serializer)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_numbers_or_texts() {
        let read = |value| Percent::of(&value).map(|percent| percent.to_string());
        assert_eq!(read(json!(50)).as_deref(), Some("50 %"));
        assert_eq!(read(json!("33.333")).as_deref(), Some("33.33 %"));
        for bad in [json!(-1), json!(101), json!("half"), json!("NaN"), json!(null), json!([1])] {
            assert_eq!(Percent::of(&bad), None, "{bad}");
        }
        assert_eq!(Percent::of(&json!("0.1")).map(Percent::rounded), Some(1));
        assert_eq!(Percent::of(&json!("61.8")).map(Percent::rounded), Some(62));
    }
}
