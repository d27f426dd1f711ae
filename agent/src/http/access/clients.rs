//! Which certificates of clients are taken, by Go's names for what is asked of them.

use super::{
    keys,
    settings::{AccessError, TlsSettings},
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        NoClientAuth, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::sync::Arc;
use x509_cert::{
    Certificate,
    der::{Decode as _, oid::ObjectIdentifier},
    ext::pkix::{ExtendedKeyUsage, SubjectAltName, name::GeneralName},
};

/// RFC 5280, 4.2.1.12: `id-kp-clientAuth` and `anyExtendedKeyUsage`.
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const ANY_USE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

pub(super) fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, AccessError> {
    let (must_be_given, must_be_known) = match settings.client_auth_type.as_str() {
        "" | "NoClientCert" if settings.client_ca.is_set() => {
            return Err(AccessError::wrong("client CA's have been configured without a Client Auth Policy"));
        }
        "" | "NoClientCert" => return Ok(Arc::new(NoClientAuth)),
        "RequestClientCert" => (false, false),
        "RequireClientCert" | "RequireAnyClientCert" => (true, false),
        "VerifyClientCertIfGiven" => (false, true),
        "RequireAndVerifyClientCert" => (true, true),
        other => return Err(AccessError::wrong(format!("invalid ClientAuth: {other}"))),
    };
    Ok(Arc::new(Clients {
        must_be_given,
        known: if must_be_known { Some(known(settings, provider)?) } else { None },
        allowed: settings.client_allowed_sans.clone(),
        provider: Arc::clone(provider),
    }))
}

fn known(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Known, AccessError> {
    if !settings.client_ca.is_set() {
        let name = &settings.client_auth_type;
        return Err(AccessError::wrong(format!(
            "{name} needs client_ca_file, the certificates to verify with"
        )));
    }
    let trusted = settings.client_ca.certificates("client_ca_file")?;
    let mut roots = RootCertStore::empty();
    for certificate in trusted.iter().cloned() {
        let why_not = keys::why_not(&certificate);
        roots.add(certificate).map_err(|error| {
            let why_not = why_not.unwrap_or_else(|| error.to_string());
            AccessError::wrong(format!("client_ca_file: {why_not}"))
        })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let verifier = builder.build().map_err(|error| AccessError::wrong(format!("client_ca_file: {error}")))?;
    Ok(Known { verifier, trusted })
}

/// Whether a certificate may be used by a client now: what remains to be asked of one that is trusted itself.
fn check_use(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let certificate = Certificate::from_der(certificate)
        .map_err(|_| rustls::CertificateError::BadEncoding)?
        .tbs_certificate;
    let validity = certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(rustls::CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(rustls::CertificateError::Expired.into());
    }
    let uses = certificate.get::<ExtendedKeyUsage>().map_err(|_| rustls::CertificateError::BadEncoding)?;
    match uses {
        Some((_, ExtendedKeyUsage(uses))) if !uses.iter().any(|it| [CLIENT_AUTH, ANY_USE].contains(it)) => {
            Err(rustls::CertificateError::InvalidPurpose.into())
        }
        _ => Ok(()),
    }
}

fn check_names(certificate: &CertificateDer<'_>, allowed: &[String]) -> Result<(), rustls::Error> {
    if allowed.is_empty() {
        return Ok(());
    }
    let names = names(certificate).unwrap_or_default();
    if names.iter().any(|name| allowed.contains(name)) {
        return Ok(());
    }
    Err(rustls::Error::General(
        "could not find allowed SANs in client cert, found: ".to_owned() + &names.join(", "),
    ))
}

/// The names of a certificate as Go spells them: DNS names, e-mail and IP addresses, URIs.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (_, SubjectAltName(names)) = certificate.tbs_certificate.get().ok()??;
    let name = |name| match name {
        GeneralName::DnsName(it) => Some(it.to_string()),
        GeneralName::Rfc822Name(it) => Some(it.to_string()),
        GeneralName::UniformResourceIdentifier(it) => Some(it.to_string()),
        GeneralName::IpAddress(it) => match *it.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => <[u8; 16]>::try_from(bytes).ok().map(|it| std::net::Ipv6Addr::from(it).to_string()),
        },
        _ => None,
    };
    Some(names.into_iter().filter_map(name).collect())
}

/// Takes a certificate whose key the client holds, if it is `known` where that is asked for; one of its names must be
/// among `allowed`.
#[derive(Debug)]
struct Clients {
    must_be_given: bool,
    known: Option<Known>,
    allowed: Vec<String>,
    provider: Arc<CryptoProvider>,
}

/// A certificate that is itself one of the `trusted` needs no signature: `openssl req -x509` marks all it makes as those
/// of authorities, which `verifier` refuses of clients and Go does not.
#[derive(Debug)]
struct Known {
    verifier: Arc<dyn ClientCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.must_be_given
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.known.as_ref().map_or(&[], |it| it.verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match &self.known {
            None => {}
            Some(Known { trusted, .. }) if trusted.contains(certificate) => check_use(certificate, now)?,
            Some(Known { verifier, .. }) => {
                verifier.verify_client_cert(certificate, intermediates, now)?;
            }
        }
        check_names(certificate, &self.allowed).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
