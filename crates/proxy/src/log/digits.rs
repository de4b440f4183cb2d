//! Numbers and addresses as text, without the formatting machinery: a line has a dozen of them, and each would cost
//! more than choosing a backend does.

use std::io::Write;
use std::net::SocketAddr;

use l4::balance::Draw;

/// Appends a number.
pub(super) fn push_number(number: u64, line: &mut Vec<u8>) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a draw, as the sixteen digits of its display form.
pub(super) fn push_draw(Draw(draw): Draw, line: &mut Vec<u8>) {
    let digit = |at: u32| b"0123456789abcdef"[(draw >> (60 - 4 * at)) as usize & 15];
    line.extend_from_slice(&std::array::from_fn::<u8, 16, _>(|at| digit(at as u32)));
}

/// Appends `address:port`; an IPv6 address in brackets.
pub(super) fn push_address(address: &SocketAddr, line: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            for (octet, after) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b':')] {
                push_number(octet.into(), line);
                line.push(after);
            }
            push_number(address.port().into(), line);
        }
        SocketAddr::V6(address) => {
            // writing to memory does not fail
            let _ = write!(line, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        push(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_least_and_the_greatest_number_are_whole() {
        assert_eq!(text(|line| push_number(0, line)), "0");
        assert_eq!(text(|line| push_number(u64::MAX, line)), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn they_say_what_the_machinery_says(number: u64, address: SocketAddr) {
            prop_assert_eq!(text(|line| push_number(number, line)), number.to_string());
            prop_assert_eq!(text(|line| push_draw(Draw(number), line)), Draw(number).to_string());
            prop_assert_eq!(text(|line| push_address(&address, line)), address.to_string());
        }
    }
}
