//! New RSA keys (FIPS 186-5, A.1.3 and B.3.1). Everything that signs with them is `ring`, which checks a key when it reads it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use ring::rand::{SecureRandom, SystemRandom};

/// The public exponent, as everywhere.
const EXPONENT: u32 = 65_537;
/// Rounds of the test for primes: a number of 1,024 bits that passes five is composite once in 2^100.
const ROUNDS: usize = 8;
/// Numbers with a factor below this are told without a round.
const SMALL: u32 = 2_000;

/// A new private key of `bits` bits, in PKCS #1 and PEM. `None`: the system has no randomness.
///
/// Takes a fraction of a second on two cores. `bits` is what `ring` signs with: 2,048 to 4,096, and even.
pub(super) fn generate(bits: u64) -> Option<String> {
    let exponent = BigUint::from(EXPONENT);
    loop {
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| prime(bits / 2));
            Some((prime(bits / 2)?, other.join().ok()??))
        })?;
        let (p, q) = if one > other { (one, other) } else { (other, one) };
        // two that are near each other are found from their product
        if (&p - &q).bits() + 100 <= bits / 2 {
            continue;
        }
        let (below_p, below_q) = (&p - 1u8, &q - 1u8);
        let (Some(d), Some(q_inverse)) = (exponent.modinv(&(&below_p * &below_q)), q.modinv(&p)) else {
            continue;
        };
        let (dp, dq) = (&d % &below_p, &d % &below_q);
        let numbers = [BigUint::ZERO, &p * &q, exponent, d, p, q, dp, dq, q_inverse];
        let body: Vec<u8> = numbers.iter().flat_map(|number| element(0x02, &unsigned(number))).collect();
        return Some(pem("RSA PRIVATE KEY", &element(0x30, &body)));
    }
}

/// Bytes in PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// A random prime of so many bits, the two highest of which are set: the product of two has twice as many.
fn prime(bits: u64) -> Option<BigUint> {
    let small = small_primes();
    loop {
        let mut candidate = random(bits)?;
        [bits - 1, bits - 2, 0].into_iter().for_each(|bit| candidate.set_bit(bit, true));
        let has_small_factor = small.iter().any(|prime| &candidate % *prime == BigUint::ZERO);
        // the exponent must have an inverse
        if !has_small_factor && &candidate % EXPONENT != BigUint::from(1u8) && is_prime(&candidate)? {
            return Some(candidate);
        }
    }
}

/// The test of Miller and Rabin. `None`: the system has no randomness.
fn is_prime(number: &BigUint) -> Option<bool> {
    let (one, below) = (BigUint::from(1u8), number - 1u8);
    let twos = below.trailing_zeros().unwrap_or_default();
    let odd = &below >> twos;
    for _ in 0..ROUNDS {
        let base = random(number.bits())? % (number - 3u8) + 2u8;
        let mut power = base.modpow(&odd, number);
        if power == one || power == below {
            continue;
        }
        let reaches = (1..twos).any(|_| {
            power = &power * &power % number;
            power == below
        });
        if !reaches {
            return Some(false);
        }
    }
    Some(true)
}

fn random(bits: u64) -> Option<BigUint> {
    let mut bytes = vec![0; usize::try_from(bits.div_ceil(8)).ok()?];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(BigUint::from_bytes_be(&bytes))
}

fn small_primes() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for number in 3..SMALL {
        if number % 2 == 1 && primes.iter().all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}

/// The contents of an INTEGER: a first bit that is set would make it negative.
fn unsigned(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        bytes.insert(0, 0);
    }
    bytes
}

/// An element in DER: tag, length, contents.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match significant {
        [] => out.push(0),
        [one] if *one < 0x80 => out.push(*one),
        // there are at most eight of them
        many => {
            out.push(0x80 | many.len() as u8);
            out.extend_from_slice(many);
        }
    }
    out.extend_from_slice(contents);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_what_looks_like_them() {
        let told = |number: u64| is_prime(&BigUint::from(number)).unwrap();
        for prime in [65_537, 2_147_483_647, 4_294_967_291] {
            assert!(told(prime), "{prime}");
        }
        // Carmichael numbers, and a strong pseudoprime to base 2
        for composite in [561, 41_041, 825_265, 3_215_031_751, 2_047] {
            assert!(!told(composite), "{composite}");
        }
        assert_eq!(small_primes().first_chunk(), Some(&[3, 5, 7, 11, 13, 17, 19, 23]));
    }

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_they_need() {
        assert_eq!(element(0x02, &[7]), [2, 1, 7]);
        assert_eq!(element(0x30, &[0; 0x80])[..3], [0x30, 0x81, 0x80]);
        assert_eq!(element(0x30, &[0; 0x100])[..4], [0x30, 0x82, 1, 0]);
        assert_eq!(unsigned(&BigUint::from(128u8)), [0, 128]);
    }
}
