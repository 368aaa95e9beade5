//! Private keys and X.509 certificates, as sprig makes them with Go's `crypto` packages.

mod certificate;
mod der;
mod dsa;
mod key;
mod pem;
mod prime;

pub(crate) use certificate::{Issuer, Template, check};
pub(crate) use key::PrivateKey;
pub(crate) use pem::decode_pem;
