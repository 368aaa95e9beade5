//! DSA keys.

use num_bigint::BigUint;

use super::der;
use crate::function::{CallError, Context};

/// Domain parameters with a modulus of 2048 and an order of 256 bits, in hexadecimal digits. Finding new ones takes
/// minutes, and keys may share them (FIPS 186-4, section 4.3). Each key is random all the same.
const MODULUS: &str = "\
    c1192d23d7bce857e1ed42cefe54300897464763c729cd5cc5c53c1150b0dc02c566b3cea9052852929572d998337493 \
    33c87b97312fc6f1e962693eff8c9a9b149cefdbe3d25b23f1792055fc0cbcc7d036b16ed75246539844802ee8869d1b \
    3c6efdec73601d0390b4e5fa52aaf0cf72f76a1439478722460b922e9a271bdd6829cedaef7b08917a2c749510ddbf99 \
    13b6398e865b606b8e2424a886210583c077e8b49b02d912ebc9e0580eea60bab2e2fdb71f91434935ce56ab5f182d58 \
    77bf604bbf8001d662aa0c38446cf4048d051ae4e871f200cbad4cf30d89bd8287b1843d57d6906b9d063d99d3eff5f5 \
    44bc6ae6c146ad1e85079c706d11d757 \
    ";
const ORDER: &str = "\
    f652afedd41154a9dfdaa88d5731978687233bbfa0fe3b455939d5aa78ea2c07 \
    ";
const GENERATOR: &str = "\
    682d1e497248c617f63e8ca2f20be476b519a3153bbb2cc95b5f053840f925ca0a2ecec8092e67eb945b98ebbcf8ad6e \
    72e167566b291de38cac7b614b3f747bd6927583ab4b2c1830f0d950712f5d7a670c6fc6bc94e2ff1c559ae986820b3d \
    4b50531acc637c60e4b8b39523fd2f39d7a54843a60724276053485262f8cd84382dd0274f4c91aae7bdda831456a411 \
    ced5b4186831b5ca659cc39e0c3e2e9349951da32363d25b1f30ca6d45d963190197c5f22bdf1b392c112c94e0676410 \
    f3a3f2b73c6ffb761657eb73e35b8f2b36f548b1d250c427d339caae3386f7db297da360734576128c55811282aa6c45 \
    6a733f0b37a3a0e728b39ccab488970f \
    ";

/// A new key as OpenSSL writes it: version, parameters, public and private value.
pub(super) fn generate(context: &mut Context<'_>) -> Result<Vec<u8>, CallError> {
    let [modulus, order, generator] = [number(MODULUS)?, number(ORDER)?, number(GENERATOR)?];
    let mut bytes = [0; 40];
    context.random(&mut bytes);
    let secret = BigUint::from_bytes_be(&bytes) % (&order - 1u32) + 1u32;
    let public = generator.modpow(&secret, &modulus);
    let parts = [BigUint::ZERO, modulus, order, generator, public, secret];
    Ok(der::sequence(&parts.map(|part| der::integer(&part.to_bytes_be()))))
}

fn number(digits: &str) -> Result<BigUint, CallError> {
    let digits: String = digits.split_whitespace().collect();
    BigUint::parse_bytes(digits.as_bytes(), 16).ok_or_else(|| CallError::new("the DSA parameters are no numbers"))
}
