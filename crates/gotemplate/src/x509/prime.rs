//! Prime numbers for RSA. The `rsa` crate finds them in constant time, which takes seconds for 4096 bits.

use std::sync::{Mutex, PoisonError};

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{U1024, U2048, Uint};
use num_bigint::BigUint;

use crate::function::{CallError, Context};

/// Factors up to here are sought before the tests that cost time.
const SIEVE_MAX: u32 = 1 << 17;
/// How far behind a random number a prime is sought: with a chance of one in 2⁶⁰ there is none.
const SPAN: u32 = 1 << 16;
/// Rounds of Miller and Rabin's test (FIPS 186-5, table B.1, for primes from 1024 bits on).
const ROUNDS: usize = 5;

/// Steps that a test of a candidate of so many bits counts for: a render has about 700 of those for keys of 4096 bits,
/// and those take less than two seconds. Charts make up to two such keys, for an authority and a server, by some 270.
fn steps_of_test(bits: usize) -> usize {
    bits.pow(3) / 120_000
}

/// Steps that seeking small factors counts for, before each search.
const SIEVE_STEPS: usize = 60_000;

/// A random prime `p` of so many bits, the first two of them set, with `p - 1` no multiple of `exponent`; another one
/// than `taken`.
pub(super) fn random_prime(
    bits: usize,
    exponent: u32,
    taken: Option<&BigUint>,
    context: &mut Context<'_>,
) -> Result<BigUint, CallError> {
    let steps = steps_of_test(bits).max(1);
    // A source that gives the same again and again must not hang the render.
    for _ in 0..256 {
        context.spend(SIEVE_STEPS)?;
        let start = random_odd(bits, context);
        let bases: Vec<BigUint> = (0..ROUNDS).map(|_| random_base(context)).collect();
        let affordable = context.budget.steps_left() / steps + 1;
        let suits = |candidate: &BigUint| rest(candidate, exponent) != 1 && Some(candidate) != taken;
        let (found, tests) = prime_behind(&start, suits, &bases, affordable);
        context.spend(tests * steps)?;
        if let Some(prime) = found {
            return Ok(prime);
        }
    }
    Err(CallError::new("failed to generate a prime number from the random source"))
}

/// A search that two threads share.
struct Search<I> {
    /// what is added to the start
    candidates: I,
    found: Option<u32>,
    /// tests that may be made, and that were
    affordable: usize,
    tests: usize,
}

impl<I: Iterator<Item = u32>> Search<I> {
    fn next(&mut self) -> Option<u32> {
        if self.found.is_some() || self.tests == self.affordable {
            return None;
        }
        self.tests += 1;
        self.candidates.next()
    }
}

/// The first prime from `start` on that suits, unless too many tests are needed; and how many were.
fn prime_behind(
    start: &BigUint,
    suits: impl Fn(&BigUint) -> bool + Sync,
    bases: &[BigUint],
    affordable: usize,
) -> (Option<BigUint>, usize) {
    let sieve: Vec<(u32, u32)> = small_primes().into_iter().map(|p| (p, rest(start, p))).collect();
    let is_free = |step: &u32| sieve.iter().all(|(p, rest)| !(rest + step).is_multiple_of(*p));
    let odds = (0..SPAN).step_by(2).filter(is_free);
    let candidates = odds.filter(|step| suits(&(start + step)));
    let search = Mutex::new(Search { candidates, found: None, affordable, tests: 0 });
    let lock = || search.lock().unwrap_or_else(PoisonError::into_inner);
    in_two_threads(|| {
        loop {
            let Some(step) = lock().next() else { return };
            if is_probable_prime(&(start + step), bases) {
                let mut search = lock();
                // the other thread may be behind with a smaller one
                search.found = Some(search.found.map_or(step, |found| found.min(step)));
            }
        }
    });
    let search = lock();
    (search.found.map(|step| start + step), search.tests)
}

/// Does the work with a helper, or alone where no thread may be started.
fn in_two_threads(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        let _helper = std::thread::Builder::new().spawn_scoped(scope, &work);
        work();
    });
}

fn rest(number: &BigUint, divisor: u32) -> u32 {
    (number % divisor).iter_u32_digits().next().unwrap_or_default()
}

fn small_primes() -> Vec<u32> {
    let mut composite = vec![false; SIEVE_MAX as usize];
    let mut primes = Vec::new();
    for number in 2..SIEVE_MAX {
        if composite[number as usize] {
            continue;
        }
        primes.push(number);
        (number..SIEVE_MAX).step_by(number as usize).for_each(|multiple| composite[multiple as usize] = true);
    }
    primes
}

fn random_odd(bits: usize, context: &mut Context<'_>) -> BigUint {
    let mut bytes = vec![0; bits / 8];
    context.random(&mut bytes);
    if let Some(first) = bytes.first_mut() {
        *first |= 0xC0;
    }
    if let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    BigUint::from_bytes_be(&bytes)
}

fn random_base(context: &mut Context<'_>) -> BigUint {
    let mut base = [0; 16];
    context.random(&mut base);
    BigUint::from_bytes_be(&base) + 2u32
}

/// Fermat's test to the base 2, which nearly all composites fail, then Miller and Rabin's.
fn is_probable_prime(number: &BigUint, bases: &[BigUint]) -> bool {
    let one = BigUint::from(1u32);
    let before = number - &one;
    let passes = match number.bits() {
        1024 => passes_fermat::<{ U1024::LIMBS }>(number),
        2048 => passes_fermat::<{ U2048::LIMBS }>(number),
        _ => BigUint::from(2u32).modpow(&before, number) == one,
    };
    if !passes {
        return false;
    }
    let shift = before.trailing_zeros().unwrap_or_default();
    let odd = &before >> shift;
    bases.iter().all(|base| {
        let mut power = base.modpow(&odd, number);
        if power == one || power == before {
            return true;
        }
        (1..shift).any(|_| {
            power = power.modpow(&BigUint::from(2u32), number);
            power == before
        })
    })
}

/// Fermat's test to the base 2 for an odd number that fills its limbs. Doubling takes the place of multiplying, which
/// saves a quarter of the time.
fn passes_fermat<const LIMBS: usize>(number: &BigUint) -> bool {
    let number = Uint::<LIMBS>::from_be_slice(&number.to_bytes_be());
    let Some(modulus) = number.to_odd().into_option() else { return false };
    let params = FixedMontyParams::new_vartime(modulus);
    let one = FixedMontyForm::one(&params);
    // the exponent is the number without its last bit
    let power = (0..number.bits_vartime()).rev().fold(one, |power, bit| {
        let square = power.square();
        if bit > 0 && number.bit_vartime(bit) { square.double() } else { square }
    });
    power == one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_composites() {
        let bases = [3u32, 5, 7].map(BigUint::from);
        let is_prime = |number: BigUint| is_probable_prime(&number, &bases);
        let power = |exponent: u32| BigUint::from(2u32).pow(exponent);
        assert!(is_prime(power(127) - 1u32) && is_prime(power(521) - 1u32) && is_prime(power(128) - 159u32));
        assert!(!is_prime(power(128) - 161u32) && !is_prime((power(127) - 1u32) * (power(89) - 1u32)));
        // the largest primes of 1024 and 2048 bits
        assert!(is_prime(power(1024) - 105u32) && is_prime(power(2048) - 1_557u32));
        assert!(!is_prime(power(1024) - 107u32) && !is_prime(power(2048) - 1_559u32));
        // a Carmichael number passes Fermat's test, 2047 is a pseudoprime to the base 2
        assert!(!is_prime(BigUint::from(561u32)) && !is_prime(BigUint::from(2047u32)));
    }

    #[test]
    fn the_first_prime_is_found() {
        let bases = [3u32, 5].map(BigUint::from);
        let start = BigUint::from(2u32).pow(256) - 1_001u32;
        let (found, tests) = prime_behind(&start, |_| true, &bases, 100);
        assert_eq!(found, Some(BigUint::from(2u32).pow(256) - 923u32));
        assert!((1..100).contains(&tests), "{tests}");
        let (next, _) = prime_behind(&start, |candidate| Some(candidate) != found.as_ref(), &bases, 100);
        assert!(next > found);
        assert_eq!(prime_behind(&start, |_| true, &bases, 0), (None, 0));
    }
}
