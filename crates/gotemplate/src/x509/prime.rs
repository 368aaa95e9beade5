//! Prime numbers for RSA. The `rsa` crate finds them in constant time, which takes seconds for 4096 bits.

use num_bigint::BigUint;

use crate::function::{CallError, Context};

/// Factors up to here are sought before the tests that cost time.
const SIEVE_MAX: u32 = 1 << 14;
/// How far behind a random number a prime is sought.
const SPAN: u32 = 1 << 16;
/// Rounds of Miller and Rabin's test; far fewer are enough for numbers of this size (FIPS 186-5, appendix C).
const ROUNDS: usize = 8;

/// A random prime `p` of so many bits, the first two of them set, with `p - 1` no multiple of `exponent`; another one
/// than `taken`.
pub(super) fn random_prime(
    bits: usize,
    exponent: u32,
    taken: Option<&BigUint>,
    context: &mut Context<'_>,
) -> Result<BigUint, CallError> {
    let sieve = small_primes();
    // A source that gives the same again and again must not hang the render.
    for _ in 0..256 {
        let start = random_odd(bits, context);
        let rests: Vec<u32> = sieve.iter().map(|p| rest(&start, *p)).collect();
        let free = |step: &u32| sieve.iter().zip(&rests).all(|(p, rest)| !(rest + step).is_multiple_of(*p));
        for step in (0..SPAN).step_by(2).filter(free) {
            let candidate = &start + step;
            if rest(&candidate, exponent) != 1 && Some(&candidate) != taken && is_probable_prime(&candidate, context) {
                return Ok(candidate);
            }
        }
    }
    Err(CallError::new("failed to generate a prime number from the random source"))
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

/// Fermat's test to the base 2, which nearly all composites fail, then Miller and Rabin's.
fn is_probable_prime(number: &BigUint, context: &mut Context<'_>) -> bool {
    let one = BigUint::from(1u32);
    let before = number - &one;
    if BigUint::from(2u32).modpow(&before, number) != one {
        return false;
    }
    let shift = before.trailing_zeros().unwrap_or_default();
    let odd = &before >> shift;
    let mut base = [0; 16];
    (0..ROUNDS).all(|_| {
        context.random(&mut base);
        let base = BigUint::from_bytes_be(&base) + 2u32;
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
