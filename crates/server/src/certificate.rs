//! A certificate that the server makes for itself, and makes anew before it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::ListenError;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days from its beginning to its end.
const LIFETIME: u32 = 90;
/// It is made anew when it is so many days old.
const RENEWED: u32 = 60;

/// Signed by itself, for the names that were asked for. Each handshake gets one that has a month to go.
#[derive(Debug)]
pub(crate) struct OwnCertificate {
    names: Vec<String>,
    clock: Arc<dyn Clock>,
    now: Mutex<Made>,
}

#[derive(Debug, Clone)]
struct Made {
    key: Arc<CertifiedKey>,
    renew: Timestamp,
}

impl OwnCertificate {
    /// # Errors
    /// When a name is none that a certificate can have.
    pub(crate) fn new(names: &[String], clock: Arc<dyn Clock>) -> Result<Self, ListenError> {
        let made = make(names, clock.now())?;
        Ok(Self { names: names.to_owned(), clock, now: Mutex::new(made) })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let now = self.clock.now();
        let mut made = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if made.renew <= now {
            match make(&self.names, now) {
                Ok(new) => *made = new,
                Err(error) => tracing::error!(%error, "the certificate is not renewed"),
            }
        }
        Arc::clone(&made.key)
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// It began a day ago: the clocks of callers differ.
fn make(names: &[String], now: Timestamp) -> Result<Made, ListenError> {
    let broken = |error: &dyn std::fmt::Display| ListenError::Generate(error.to_string());
    let mut params = CertificateParams::new(names).map_err(|error| broken(&error))?;
    let begins = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let midnight = |time: Timestamp| {
        let day = time.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
    };
    params.not_before = midnight(begins);
    params.not_after = midnight(clock::after(begins, DAY * LIFETIME));
    let key = KeyPair::generate().map_err(|error| broken(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| broken(&error))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| broken(&error))?;
    let provider = rustls::crypto::ring::default_provider();
    let key =
        CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider).map_err(|error| broken(&error))?;
    Ok(Made { key: Arc::new(key), renew: clock::after(now, DAY * RENEWED) })
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn it_is_renewed_a_month_before_its_end() {
        let clock = ManualClock::starting_at("2026-01-02T12:00:00Z".parse().unwrap());
        let own = OwnCertificate::new(&["localhost".to_owned()], Arc::new(clock.clone())).unwrap();
        let der = |own: &OwnCertificate| own.current().cert[0].to_vec();
        let first = der(&own);
        let has = |der: &[u8], text: &str| der.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has(&first, "260101000000Z") && has(&first, "260401000000Z"), "90 days, as ASN.1 writes them");
        clock.advance(DAY * 59);
        assert_eq!(der(&own), first);
        clock.advance(DAY);
        let second = der(&own);
        assert!(has(&second, "260302000000Z") && has(&second, "260531000000Z"));
        assert_eq!(der(&own), second, "until the next time");
        clock.advance(DAY * 400);
        assert_ne!(der(&own), second, "also when nobody has called for long");
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_an_error() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
        assert!(OwnCertificate::new(&["näme".to_owned()], clock).is_err());
    }
}
