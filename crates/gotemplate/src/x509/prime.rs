//! Prime numbers for RSA. The `rsa` crate finds them in constant time, which takes seconds for 4096 bits.

use num_bigint::BigUint;

use crate::function::{CallError, Context};

/// Factors up to here are sought before the tests that cost time.
const SIEVE_MAX: u32 = 1 << 17;
/// How far behind a random number a prime is sought: with a chance of one in 2⁶⁰ there is none.
const SPAN: u32 = 1 << 16;
/// Rounds of Miller and Rabin's test (FIPS 186-5, table B.1, for primes from 1024 bits on).
const ROUNDS: usize = 5;

/// Two random primes of so many bits, the first two of them set, with `p - 1` no multiple of `exponent`.
pub(super) fn two_random_primes(
    bits: usize,
    exponent: u32,
    context: &mut Context<'_>,
) -> Result<[BigUint; 2], CallError> {
    // A source that gives the same again and again must not hang the render.
    for _ in 0..256 {
        let starts = [random_odd(bits, context), random_odd(bits, context)];
        let bases: Vec<BigUint> = (0..ROUNDS).map(|_| random_base(context)).collect();
        let [p, q] = both(|at| prime_behind(&starts[at], exponent, &bases));
        match (p, q) {
            (Some(p), Some(q)) if p != q => return Ok([p, q]),
            _ => {}
        }
    }
    Err(CallError::new("failed to generate a prime number from the random source"))
}

/// Two results, at the same time where a thread may be started.
fn both<T: Send>(work: impl Fn(usize) -> T + Sync) -> [T; 2] {
    let second = || work(1);
    std::thread::scope(|scope| {
        let helper = std::thread::Builder::new().spawn_scoped(scope, second);
        let first = work(0);
        let other = helper.ok().and_then(|helper| helper.join().ok()).unwrap_or_else(second);
        [first, other]
    })
}

/// The first prime from `start` on.
fn prime_behind(start: &BigUint, exponent: u32, bases: &[BigUint]) -> Option<BigUint> {
    let sieve: Vec<(u32, u32)> = small_primes().into_iter().map(|p| (p, rest(start, p))).collect();
    let is_free = |step: &u32| sieve.iter().all(|(p, rest)| !(rest + step).is_multiple_of(*p));
    let mut candidates = (0..SPAN).step_by(2).filter(is_free).map(|step| start + step);
    candidates.find(|candidate| rest(candidate, exponent) != 1 && is_probable_prime(candidate, bases))
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
    if BigUint::from(2u32).modpow(&before, number) != one {
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
        // a Carmichael number passes Fermat's test, 2047 is a pseudoprime to the base 2
        assert!(!is_prime(BigUint::from(561u32)) && !is_prime(BigUint::from(2047u32)));
    }

    #[test]
    fn the_first_prime_is_found() {
        let bases = [3u32, 5].map(BigUint::from);
        let start = BigUint::from(2u32).pow(256) - 1_001u32;
        let found = prime_behind(&start, 65_537, &bases).unwrap();
        assert_eq!(found, BigUint::from(2u32).pow(256) - 923u32);
    }
}
