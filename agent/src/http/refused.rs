//! Handshakes that failed for a reason that somebody has to do something about: a scraper whose certificate is not
//! taken, or that speaks no version or cipher that is offered.

use rustls::Error;
use std::{
    io,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::warn;

/// A reason is not told again so soon of the same client.
const AGAIN: Duration = Duration::from_secs(3600);

/// More are not told in that time: there are as many addresses as who scans likes.
const MAX: usize = 64;

#[derive(Default)]
pub(super) struct Refused {
    told: Mutex<Vec<(Instant, Option<IpAddr>, String)>>,
}

impl Refused {
    /// Logs `error` unless it is nobody's concern, or was told before.
    pub(super) fn note(&self, error: &io::Error, peer: Option<IpAddr>) {
        let Some(reason) = concern(error).filter(|reason| self.is_new(reason, peer, Instant::now())) else {
            return;
        };
        match peer {
            Some(peer) => warn!(client = %peer, "a TLS handshake failed: {reason}"),
            None => warn!("a TLS handshake failed: {reason}"),
        }
    }

    fn is_new(&self, reason: &str, peer: Option<IpAddr>, now: Instant) -> bool {
        // No code that holds the lock can leave it half changed.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(when, _, _)| now.saturating_duration_since(*when) < AGAIN);
        let is_new = told.len() < MAX && !told.iter().any(|(_, of, what)| *of == peer && what == reason);
        if is_new {
            told.push((now, peer, reason.to_owned()));
        }
        is_new
    }
}

/// `None` for those who hang up or speak no TLS: anybody who scans ports does.
fn concern(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    match error {
        Error::InvalidCertificate(_) => Some(format!("the client's certificate is refused: {error}")),
        Error::NoCertificatesPresented => Some("the client shows no certificate".to_owned()),
        Error::AlertReceived(_) => Some(format!("the client refuses the server: {error}")),
        Error::PeerIncompatible(_) => Some(format!("client and server have too little in common: {error}")),
        Error::General(reason) => Some(reason.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{CertificateError, InvalidMessage};

    fn failed(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn says_why_a_client_is_refused_and_nothing_of_scanners() {
        let refused = failed(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let reason = concern(&refused).unwrap();
        assert!(
            reason.starts_with("the client's certificate is refused: ") && reason.contains("UnknownIssuer")
        );
        assert_eq!(concern(&failed(Error::InvalidMessage(InvalidMessage::InvalidContentType))), None);
        assert_eq!(concern(&io::ErrorKind::UnexpectedEof.into()), None);
    }

    #[test]
    fn a_client_is_told_of_once_an_hour_and_a_crowd_fills_no_log() {
        let (refused, start) = (Refused::default(), Instant::now());
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(refused.is_new("expired", one, start));
        assert!(!refused.is_new("expired", one, start + AGAIN / 2));
        assert!(refused.is_new("unknown", one, start));
        assert!(refused.is_new("expired", one, start + AGAIN));
        let crowd = (0..1000_u32)
            .filter(|&it| refused.is_new("x", Some(IpAddr::from(it.to_be_bytes())), start + AGAIN));
        assert_eq!(crowd.count(), MAX - 1);
    }
}
